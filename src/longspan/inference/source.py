"""From a batch to its loss: inputs prepared, a network run over them, what is wrong with its outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch

from longspan.columns import Column
from longspan.data.batches.samples import Batch, Samples
from longspan.heads import Head
from longspan.inference.network import Network
from longspan.randomness import permutation, step_seed

__all__ = ["Source", "autocast", "batch_loss", "frozen_source", "prepare_inputs", "sum_losses", "whole_source"]

Inputs = tuple[torch.Tensor, ...]


@final
@dataclass(frozen=True, slots=True)
class Source:
    """Where batches come from, how their inputs are prepared, and what runs over them."""

    samples: Samples
    prepare: Callable[[Batch], Inputs]
    run: Callable[[Network, Inputs], dict[str, Any]]
    """The network, or what of it is left to be run, on prepared inputs."""
    device: torch.device
    dtype: torch.dtype
    """That layers compute in where autocast knows them; weights and losses are float32."""

    def forward(self, network: Network, inputs: Inputs) -> dict[str, Any]:
        """Outputs by target."""
        with autocast(self.device, self.dtype):
            return self.run(network, inputs)

    def ways(self) -> tuple[Source, ...]:
        """This source, and where it computes in half precision, which may overflow, another that does not."""
        return (self,) if self.dtype == torch.float32 else (self, replace(self, dtype=torch.float32))


def prepare_inputs(batch: Batch, columns: Mapping[str, Column]) -> Inputs:
    """What a network reads, in the order of the task's inputs, with the batch's draws."""
    return tuple(column.prepare(batch.inputs[name], batch.augment_params) for name, column in columns.items())


def whole_source(samples: Samples, columns: Mapping[str, Column], device: torch.device, dtype: torch.dtype) -> Source:
    """The whole network on encoded rows."""
    return Source(
        samples, lambda batch: prepare_inputs(batch, columns), lambda network, inputs: network(*inputs), device, dtype
    )


def frozen_source(samples: Samples, columns: Mapping[str, Column], device: torch.device, dtype: torch.dtype) -> Source:
    """As `whole_source`, but the backbone keeps nothing for a backward pass."""

    def run(network: Network, inputs: Inputs) -> dict[str, Any]:
        with torch.no_grad():
            features = network.features(*inputs)
        return network.from_features(features)

    return Source(samples, lambda batch: prepare_inputs(batch, columns), run, device, dtype)


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Computes in `dtype` where it is another than float32."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def sum_losses(
    heads: Mapping[str, Head],
    outputs: Mapping[str, Any],
    targets: Mapping[str, torch.Tensor],
    present: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """Loss of a batch: for each target the mean over the rows that have it, summed over targets."""
    total = torch.zeros((), device=next(iter(present.values())).device)
    for name, head in heads.items():
        there = present[name]
        losses = torch.where(there, head.loss(outputs[name], targets[name]), 0.0)
        total = total + losses.sum() / there.sum().clamp_min(1)
    return total


def batch_loss(
    source: Source,
    network: Network,
    batch: Batch,
    heads: Mapping[str, Head],
    columns: Mapping[str, Column],
    *,
    mixup: float,
    seed: int,
    step: int,
) -> torch.Tensor:
    """Loss of one training batch; with MixUp each row is blended with another and answers for both.

    Source of MixUp: Zhang et al. 2018, eq. 1, one share for the whole batch as in the authors' code; the losses are
    blended and not the targets, which is the same for cross-entropy and also works for quantities.
    """
    inputs = source.prepare(batch)
    targets = {name: column.prepare(batch.targets[name], batch.augment_params) for name, column in columns.items()}
    if not mixup:
        return sum_losses(heads, source.forward(network, inputs), targets, batch.present)
    fraction = float(np.random.default_rng(step_seed(seed, "mixup", step)).beta(mixup, mixup))
    partner = permutation(seed, "mixup partner", step, len(batch)).to(source.device)
    inputs = tuple(fraction * values + (1 - fraction) * values[partner] for values in inputs)
    outputs = source.forward(network, inputs)
    theirs = {name: values[partner] for name, values in targets.items()}
    their_presence = {name: there[partner] for name, there in batch.present.items()}
    mine = sum_losses(heads, outputs, targets, batch.present)
    return fraction * mine + (1 - fraction) * sum_losses(heads, outputs, theirs, their_presence)
