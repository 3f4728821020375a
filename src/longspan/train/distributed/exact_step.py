"""The step of virtual workers: the same weights, bit for bit, on any number of processes that divides theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, final

import torch

from longspan.columns.ragged import Ragged
from longspan.data.batches.samples import Batch
from longspan.randomness import seed_generators, step_seed
from longspan.train.distributed.fixed_sum import FixedSum
from longspan.train.distributed.processes import Processes
from longspan.train.loop import SupervisedStep
from longspan.train.step import StepInfo

__all__ = ["ExactStep"]


@final
class ExactStep:
    """Cuts every batch into equal parts, computes the gradient of each apart, and adds them in a fixed order.

    A part is what a worker of its own would compute: batch normalisation sees its rows alone, dropout and MixUp have
    random numbers of their own. Each part starts from the same batch statistics, which then move by the mean of what
    the parts moved them by.
    """

    def __init__(self, step: SupervisedStep, processes: Processes, workers: int) -> None:
        """Learn as `step` does, with `workers` virtual workers, shared evenly among the processes."""
        self.step = step
        self.processes = processes
        self.workers = workers
        self.networks = step.networks
        self.optimizers = step.optimizers
        network = step.networks["network"]
        self._parameters = [each for each in network.parameters() if each.requires_grad]
        buffers = list(network.buffers())
        self._moving = [each for each in buffers if each.is_floating_point()]
        self._counting = [each for each in buffers if not each.is_floating_point()]

    def run(self, batch: Batch, step: StepInfo) -> dict[str, torch.Tensor]:
        """See `TrainStep.run`; `batch` holds the rows of this process."""
        earlier = [each.grad for each in self._parameters]  # of the batches before, where gradients are accumulated
        before = [each.clone() for each in (*self._moving, *self._counting)]
        device = self._parameters[0].device
        total, at = FixedSum(self.processes, self.workers), 0
        for worker in self.processes.share(self.workers):
            rows = self._size(worker, step.rows)
            part = _apart(batch.take(slice(at, at + rows)))
            at += rows
            for buffer, value in zip((*self._moving, *self._counting), before, strict=True):
                buffer.copy_(value)
            number, weight = step.number * self.workers + worker, rows / step.rows
            seed_generators(step_seed(self.step.seed, "step of a virtual worker", number), device)
            for parameter in self._parameters:
                parameter.grad = None
            own = replace(step, number=number, fraction=step.fraction * weight, ends=False)
            loss = self.step.run(part, own)["loss"]
            found = [each.grad is not None for each in self._parameters]
            gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in self._parameters]
            moved = [now - then for now, then in zip(self._moving, before, strict=False)]
            about = torch.tensor([*map(float, found), float(self.processes.interrupted())], device=device)
            total.add(worker, [*gradients, *moved, about, (loss * weight).reshape(1)])
        gradients, moved, about, loss = self._taken_apart(total.total())
        self.processes.stopping = bool(about[-1]) and self.processes.count > 1
        for buffer, value, change in zip(self._moving, before, moved, strict=False):
            buffer.copy_(value + change / self.workers)
        for parameter, old, new, there in zip(self._parameters, earlier, gradients, about.tolist(), strict=False):
            # No worker has used it: the optimizer leaves it as it is, as without virtual workers.
            parameter.grad = old if not there else new if old is None else old + new
        if step.ends:
            self.step.update()
        return {"loss": loss[0]}

    def _size(self, worker: int, rows: int) -> int:
        return rows // self.workers + (worker < rows % self.workers)

    def _taken_apart(
        self, sums: list[torch.Tensor]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor, torch.Tensor]:
        count = len(self._parameters)
        return sums[:count], sums[count:-2], sums[-2].cpu(), sums[-1]


def _apart(batch: Batch) -> Batch:
    """The same rows in memory of their own: kernels choose their way by the alignment of what they read."""
    return Batch(
        batch.rows, _each(batch.inputs, _copied), _each(batch.targets, _copied), _each(batch.present, _copied),
        augment_params=batch.augment_params,
    )  # fmt: skip


def _each(values: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: change(value) for name, value in values.items()}


def _copied(value: Any) -> Any:
    return Ragged(*(each.clone() for each in value)) if isinstance(value, Ragged) else value.clone()
