"""Errors that end a training: a loss that is not finite, or too little memory."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import torch

from longspan.data.batches.samples import Batch
from longspan.errors import TrainingError
from longspan.train.protection.memory import give_back_freed_memory

__all__ = ["first_rows", "is_out_of_memory", "largest_that_fits", "memory_named", "not_finite", "out_of_memory"]

_SHOWN = 8
# Of PyTorch's allocators, of C++, and of oneDNN, whose only message this is when it has no room for working memory.
_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "could not create a primitive")
_ADVICE = (
    'Try a smaller lr (learner.lr_find() suggests one), clip_norm=1.0, or precision="float32"; and look at these rows.'
)


def not_finite(
    what: str, *, step: int, place: str, lr: float, rows: Sequence[int], names: Sequence[str], weights: str
) -> TrainingError:
    """The error for a loss or gradient that is not finite.

    Args:
        what: "The loss became nan".
        step: Of the whole training, from 0.
        place: "epoch 2, batch 3".
        lr: Learning rate of the step.
        rows: Row numbers of the batch in the table.
        names: Files of the first of these rows, if they come from files.
        weights: A sentence on the state of the weights.
    """
    more = ", ..." if len(rows) > _SHOWN else ""
    numbers = ", ".join(map(str, rows[:_SHOWN])) + more
    files = f" Rows: {', '.join(names[:_SHOWN])}{more}." if names else ""
    return TrainingError(
        f"{what} at step {step} ({place}, learning rate {lr:.3g}, table rows {numbers}). {weights} {_ADVICE}{files}"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means too little memory, on the processor or on a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY)


@contextlib.contextmanager
def memory_named() -> Iterator[None]:
    """Inside, too little memory outside of steps and validation becomes a TrainingError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"Not enough memory ({_first_line(str(error))}). Choose a smaller batch_size or smaller images (size_px), "
            "or keep the encoded rows in a file instead, with a smaller cache_gb of the Task."
        ) from error


def largest_that_fits(attempt: Callable[[int], None], size: int, device: torch.device) -> int:
    """The largest of `size` / 2, / 4 ... for which `attempt` has enough memory; 0 if none of 2 or more has.

    Call it when the first exception is gone: its frames hold on to memory.
    """
    while size > 2:
        give_back_freed_memory(device)
        size = max(size // 2, 2)
        fits = True
        try:
            attempt(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            fits = False
        if fits:
            return size
    return 0


def out_of_memory(what: str, rows: int, fits: int, accumulate: int, message: str) -> TrainingError:
    """The error for a batch that is too large.

    Args:
        what: "a training step", "validation".
        rows: Of one batch.
        fits: How many fitted when half, a quarter ... were tried; 0: not even two.
        accumulate: Batches in a step now.
        message: The system's.
    """
    head = f"Not enough memory for {what} of {rows} rows ({_first_line(message)})."
    if not fits:
        return TrainingError(
            f"{head} Not even 2 rows fit when fewer were tried: choose smaller images (size_px) or a smaller network."
        )
    if what == "validation":
        return TrainingError(
            f"{head} {fits} rows at a time fit when half, a quarter and so on were tried, and validation takes twice "
            f"the batch size: choose batch_size={max(fits // 2, 1)}. The weights are those after this epoch."
        )
    times = math.ceil(rows / fits) * accumulate
    return TrainingError(
        f"{head} batch_size={fits} fits: half of the rows, a quarter and so on were tried until a step was possible. "
        f"With accumulate={times} a step still learns from as many rows. The weights are those before this step."
    )


def _first_line(message: str) -> str:
    """The message without its place in PyTorch's source."""
    line = next(iter(message.strip().splitlines()), "no details")
    return line[max(line.find("DefaultCPUAllocator"), 0) :].rstrip(".")


def first_rows(batch: Batch, count: int) -> Batch:
    """The first `count` rows of a batch."""
    return batch.take(slice(0, count))
