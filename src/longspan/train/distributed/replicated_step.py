"""The step of DistributedDataParallel: each process computes a part of every batch, gradients are averaged."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import replace
from typing import Any, final

import torch
from torch.nn.parallel import DistributedDataParallel

from longspan.data.batches.samples import Batch
from longspan.models import Backbone
from longspan.randomness import seed_generators, step_seed
from longspan.train.distributed.processes import Processes
from longspan.train.loop import SupervisedStep
from longspan.train.protection.guards import CHECK_EVERY
from longspan.train.step import StepInfo

__all__ = ["ReplicatedStep"]


_OWN_BUFFERS: dict[str, Any] = {
    "forward_sync_buffers"
    if "forward_sync_buffers" in inspect.signature(DistributedDataParallel.__init__).parameters
    else "broadcast_buffers": False
}
"""PyTorch does not overwrite batch statistics with those of the first process; the name has changed."""


@final
class ReplicatedStep:
    """Trains a copy of the network in every process, and averages gradients while they are computed.

    Source: Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training". Differs: a batch
    is that of all processes together, so that rate and length of a training do not depend on their number; each
    process counts by its rows, which may be one more than another's; running batch statistics are the mean over the
    processes in place of those of the first, so that a checkpoint holds all there is.
    """

    def __init__(self, step: SupervisedStep, processes: Processes) -> None:
        """Learn as `step` does, together with the other processes."""
        self.step = step
        self.processes = processes
        self.networks = step.networks
        self.optimizers = step.optimizers
        network = step.networks["network"]
        self._moving = [
            each for name, each in network.named_buffers() if each.is_floating_point() and name in network.state_dict()
        ]
        # Layouts of gradients are those of the kernels, and a note in every process tells a user nothing.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        # Networks of others may have layers that a batch does not use.
        unused = not isinstance(network.backbone, Backbone)
        step.module = DistributedDataParallel(step.module, find_unused_parameters=unused, **_OWN_BUFFERS)

    def run(self, batch: Batch, step: StepInfo) -> dict[str, torch.Tensor]:
        """See `TrainStep.run`; `batch` holds the rows of this process."""
        before = [each.clone() for each in self._moving]
        count, weight = self.processes.count, len(batch) / step.rows
        number = step.number * count + self.processes.rank
        device = next(self.networks["network"].parameters()).device
        seed_generators(step_seed(self.step.seed, "step of a process", number), device)
        # DistributedDataParallel divides the sum by the number of processes.
        own = replace(step, number=number, fraction=step.fraction * weight * count, ends=False)
        loss = self.step.run(batch, own)["loss"]
        moved = [(now - then).reshape(-1) for now, then in zip(self._moving, before, strict=True)]
        told = torch.tensor([float(self.processes.interrupted() or self.processes.stopping)], device=device)
        sums = self.processes.sum(torch.cat([(loss * weight).reshape(1), told, *moved]))
        if device.type == "cpu" or step.number % CHECK_EVERY == 0:  # reading it waits for the device
            self.processes.stopping = self.processes.stopping or bool(sums[1])
        for buffer, value, change in zip(
            self._moving, before, sums[2:].split([each.numel() for each in self._moving]), strict=True
        ):
            buffer.copy_(value + change.view(value.shape) / count)
        if step.ends:
            self.step.update()
        return {"loss": sums[0]}
