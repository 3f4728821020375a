"""Where batches come from, how they are prepared, and the loss of a network's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from longspan.columns import Column
from longspan.data.batches.samples import Batch, Samples
from longspan.heads import Head
from longspan.heads.members import row_losses
from longspan.inference.network import Network

__all__ = [
    "Inputs", "Source", "autocast", "precision_fallbacks", "prepare_inputs", "prepare_targets", "sum_losses",
    "whole_source",
]  # fmt: skip

Inputs = tuple[torch.Tensor, ...]


@final
@dataclass(frozen=True, slots=True)
class Source:
    """Where batches come from, how their inputs are prepared, and which layers of a network read them."""

    samples: Samples
    prepare: Callable[[Batch], Inputs]
    module: Callable[[Network], nn.Module]
    """The module that reads prepared inputs: the network, or its upper layers."""
    device: torch.device
    dtype: torch.dtype
    """That layers compute in where autocast supports it; weights and losses are float32."""

    def forward(
        self, network: Network, inputs: Inputs, targets: Mapping[str, torch.Tensor] | None = None
    ) -> dict[str, Any]:
        """Outputs by target; heads that see the targets need them for their losses."""
        with autocast(self.device, self.dtype):
            return self.module(network)(*inputs, targets=targets)


def precision_fallbacks(dtype: torch.dtype) -> tuple[torch.dtype, ...]:
    """`dtype`, and float32 where that is half precision, which may overflow."""
    return (dtype,) if dtype == torch.float32 else (dtype, torch.float32)


def prepare_inputs(batch: Batch, columns: Mapping[str, Column]) -> Inputs:
    """What a network reads, in the order of the task's inputs, with the batch's augmentation."""
    return tuple(column.prepare(batch.inputs[name], batch.params(name)) for name, column in columns.items())


def prepare_targets(batch: Batch, columns: Mapping[str, Column]) -> dict[str, torch.Tensor]:
    """What losses compare with, by target, with the batch's augmentation; zeros where a target is missing."""
    return {name: column.prepare(batch.targets[name], batch.params(name)) for name, column in columns.items()}


def whole_source(samples: Samples, columns: Mapping[str, Column], device: torch.device, dtype: torch.dtype) -> Source:
    """The whole network on encoded rows."""
    return Source(samples, lambda batch: prepare_inputs(batch, columns), lambda network: network, device, dtype)


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Inside, layers compute in `dtype` unless it is float32."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def sum_losses(
    heads: Mapping[str, Head],
    outputs: Mapping[str, Any],
    targets: Mapping[str, torch.Tensor],
    present: Mapping[str, torch.Tensor],
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Loss of a batch: for each target the mean over the rows that have it, summed over targets.

    Args:
        heads: By target.
        outputs: Of the network, by target.
        targets: Prepared, by target.
        present: Which rows have each target, `(B,)` bool.
        weights: `(B,)` float32: what the losses of rows are multiplied by.
    """
    total: torch.Tensor | None = None
    for name, head in heads.items():
        known = present[name]
        if head.compares_rows:  # a row without a target would be taken for one of class 0
            losses = torch.zeros(len(known), device=known.device)
            losses[known] = row_losses(head, outputs[name][known], targets[name][known])
        else:
            losses = row_losses(head, outputs[name], targets[name])
        if weights is not None:
            losses = losses * weights
        mean = _mean(losses, known)
        total = mean if total is None else total + mean
    assert total is not None
    return total


def _mean(losses: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Mean over the rows that have a target; 0 without any."""
    if known.device.type == "cpu" and bool(known.all()):  # on others, asking would wait
        return losses.mean()
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp_min(1)
