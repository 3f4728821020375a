"""The interface of a training step: what is done with one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import nn

from longspan.data.batches.samples import Batch

__all__ = ["StepInfo", "TrainStep"]


@final
@dataclass(frozen=True, slots=True)
class StepInfo:
    """Which batch of the training this is, and how it is computed."""

    number: int
    """Of the batch in the whole training, from 0."""
    rows: int
    """Of the batch; with several processes each of them gets some of these."""
    fraction: float
    """Fraction of this batch in the loss of its optimizer step; 1 unless gradients are accumulated."""
    ends: bool
    """Whether the optimizer steps after this batch. If not, weights must stay as they are."""
    dtype: torch.dtype
    """What layers compute in, by autocast; losses are float32."""


class TrainStep(Protocol):
    """One batch: forward pass, loss, backward pass, optimizer. `SupervisedStep` is one; yours may do it differently.

    The loop calls `run` and does all else: order, learning rates, random seeds, half-precision fallback, checks for
    losses that are not finite, callbacks, validation, checkpoints. It sets the learning rate of every parameter group
    to the scheduled one times the group's `rate`.
    """

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Everything with weights that this step changes, by a name for checkpoints; the main one first."""
        ...

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """By a name for checkpoints, that of the main network first; each parameter group has a number `rate`."""
        ...

    def run(self, batch: Batch, step: StepInfo) -> Mapping[str, torch.Tensor]:
        """Learn from a batch.

        Args:
            batch: On the device that trains.
            step: Which batch this is.

        Returns:
            Losses by name, `()` float32 without gradients; reading their values here would wait for the device.
        """
        ...
