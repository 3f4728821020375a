"""How one training is spread: over processes, over virtual workers, over both."""

from __future__ import annotations

from collections.abc import Callable

from torch.nn.modules.batchnorm import _BatchNorm

from longspan.data.batches.order import split_evenly
from longspan.errors import ConfigError
from longspan.train.distributed.exact_step import ExactStep
from longspan.train.distributed.replicated_step import ReplicatedStep
from longspan.train.loop import SupervisedStep
from longspan.train.step import TrainStep
from longspan.train.training import Training

__all__ = ["check_spread", "own_rows", "spread_step"]


def spread_step(training: Training, step: SupervisedStep) -> TrainStep:
    """The step as this training takes it: the user's own, or by virtual workers, or by several processes."""
    processes, workers = training.processes, training.config.virtual_workers
    if training.make_step is not None:
        return training.make_step(step)
    if workers is not None:
        return ExactStep(step, processes, workers)
    return step if processes.count == 1 else ReplicatedStep(step, processes)


def own_rows(training: Training) -> Callable[[int], slice] | None:
    """From the size of a batch to the rows of it that this process reads; None: all."""
    processes, parts = training.processes, _parts(training)
    return None if processes.count == 1 else lambda size: processes.rows(size, parts)


def _parts(training: Training) -> int:
    """Into how many parts a batch is cut."""
    return training.config.virtual_workers or training.processes.count


def check_spread(training: Training) -> None:
    """ConfigError for a training that cannot be cut into parts, or whose parts have too few rows."""
    count, workers, parts = training.processes.count, training.config.virtual_workers, _parts(training)
    if training.make_step is not None and (count > 1 or workers is not None):
        raise ConfigError(
            f"A step of your own (step=) trains in one process and without virtual workers, and here are {count} "
            f"processes and virtual_workers={workers}. Use distributed='off', or the usual step."
        )
    if workers is not None and workers % count:
        fitting = [number for number in range(1, workers + 1) if workers % number == 0]
        raise ConfigError(
            f"virtual_workers={workers} cannot be shared evenly by {count} processes: start "
            f"{', '.join(map(str, fitting[:-1]))} or {fitting[-1]}."
            if len(fitting) > 1
            else f"virtual_workers=1 is for one process, and here are {count}."
        )
    if parts == 1:
        return
    rows = training.task.train
    smallest = len(split_evenly(rows, training.config.batch_size)[-1]) // parts
    needed = 2 if any(isinstance(module, _BatchNorm) for module in training.network.modules()) else 1
    if smallest < needed:
        what = "virtual workers" if workers is not None else "processes"
        least = "two rows in each, because batch normalisation needs them" if needed == 2 else "one row in each"
        raise ConfigError(
            f"batch_size={training.config.batch_size} gives {len(rows)} training rows batches of {smallest * parts} to "
            f"{training.config.batch_size} rows for {parts} {what}, and there must be at least {least}. batch_size "
            f"counts the rows of all {what} together: choose {needed * parts} or more, or fewer {what}."
        )
