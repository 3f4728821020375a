"""What one phase of a training works on, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import nn

from longspan.columns import Column
from longspan.heads import Head
from longspan.inference.network import Network
from longspan.inference.source import Source
from longspan.train.config import Phase, TrainConfig
from longspan.train.distributed.processes import ALONE, Processes
from longspan.train.step import TrainStep

__all__ = ["Run", "TrainState"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one phase trains on and with."""

    source: Source
    train: torch.Tensor
    """`(N,)` training rows."""
    weights: torch.Tensor | None
    """`(N,)`: how often each training row comes in an epoch, on average; None: once."""
    classes: torch.Tensor | None
    """`(N,)`: the class of each training row, -1 for none, where batches are put together by class."""
    valid: torch.Tensor
    """`(M,)` validation rows."""
    inputs: Mapping[str, Column]
    targets: Mapping[str, Column]
    heads: Mapping[str, Head]
    config: TrainConfig
    seed: int
    epochs_before: int
    """Epochs of earlier phases; the random numbers continue from there."""
    steps_before: int
    """Batches of earlier phases."""
    processes: Processes = ALONE
    """Those that train together."""
    own_rows: Callable[[int], slice] | None = None
    """From the size of a batch to the rows of it that this process reads; None: all."""
    files: Callable[[torch.Tensor], list[str]] = lambda rows: []
    """The image files of some rows, for messages, if there are any."""


@final
@dataclass(slots=True)
class TrainState:
    """Where a training stands. Callbacks read it and may set `stop`."""

    step: TrainStep
    """What is done with each batch; it holds the networks and optimizers."""
    evaluated: Network
    """What validation measures and early stopping keeps: the network itself, or its running average."""
    phase: Phase
    phase_index: int
    """Which phase of the training this is, from 0."""
    num_batches: int
    """Batches of one epoch."""
    history: list[dict[str, Any]]
    """One record per finished epoch, over all phases: losses, metrics, seconds."""
    epoch: int = 0
    """Finished epochs of this phase."""
    batch: int = 0
    """Finished batches of this epoch."""
    lr: float = 0.0
    """Learning rate of the heads in the last step."""
    losses: dict[str, torch.Tensor] = field(default_factory=dict)
    """Of this epoch, by name `(num_batches,)` float32 on the device that trains: reading them waits for it."""
    float32_steps: int = 0
    """Steps of this epoch that overflowed in half precision and were computed again in float32."""
    skipped_steps: int = 0
    """Steps of this epoch that overflowed in half precision on an accelerator and were skipped."""
    stop: bool = False
    """Set it to end the phase after this event."""

    @property
    def network(self) -> nn.Module:
        """The network that is trained, the first of its step."""
        return next(iter(self.step.networks.values()))

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of that network, the first of its step."""
        return next(iter(self.step.optimizers.values()))

    @property
    def loss(self) -> float:
        """Of the last batch, the first of its losses; NaN before the first. Reading it waits for the device."""
        for losses in self.losses.values():
            return float(losses[self.batch - 1]) if self.batch else float("nan")
        return float("nan")

    def record(self, losses: Mapping[str, torch.Tensor]) -> None:
        """Keep the losses of batch number `batch`, without waiting for the device."""
        for name, loss in losses.items():
            if name not in self.losses:
                self.losses[name] = torch.full((self.num_batches,), float("nan"), device=loss.device)
            self.losses[name][self.batch] = loss.detach()

    def losses_so_far(self) -> dict[str, list[float]]:
        """The losses of this epoch's batches by name, as numbers; this waits for the device."""
        return {name: losses[: self.batch].tolist() for name, losses in self.losses.items()}
