"""Losses and metrics at the end of an epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from longspan.errors import TrainingError
from longspan.inference.network import Network
from longspan.inference.scores import score_rows
from longspan.inference.source import Source
from longspan.train.callbacks import TrainState
from longspan.train.train_step import Snapshot
from longspan.train.training_errors import is_out_of_memory, largest_that_fits, out_of_memory

if TYPE_CHECKING:
    from longspan.train.loop import Run

__all__ = ["validate"]


def validate(run: Run, state: TrainState, kept: Snapshot) -> dict[str, object]:
    """The record of an epoch, by the network that is evaluated (a running average may stand in).

    Raises:
        TrainingError: the loss is not a finite number, also not in float32; or memory does not suffice.
    """
    state.evaluated.eval()
    figures: dict[str, float] = {}
    for source in run.source.ways() if len(run.valid) else ():
        figures = _figures(run, source, state.evaluated)
        if math.isfinite(figures.get("loss", 0.0)):
            break
    loss = figures.pop("loss", None)  # without validation rows, or truths in them, there is none
    if loss is not None and not math.isfinite(loss):
        raise _no_number(loss, state, kept)
    return {
        "train_loss": sum(state.losses) / max(len(state.losses), 1),
        **({} if loss is None else {"valid_loss": loss}),
        **figures,
        "lr": state.lr,
        **({"float32_steps": state.float32_steps} if state.float32_steps else {}),
        "step_losses": state.losses,
    }


def _figures(run: Run, source: Source, network: Network) -> dict[str, float]:
    size, told = run.config.batch_size * 2, ""
    try:
        return score_rows(source, network, run.valid, run.heads, run.targets, size).figures(run.heads)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        told = str(error)  # and not the error: its frames hold on to the memory

    def attempt(count: int) -> None:
        score_rows(source, network, run.valid[:count], run.heads, run.targets, count)

    rows = min(size, len(run.valid))
    raise out_of_memory("validation", rows, largest_that_fits(attempt, rows, source.device), 1, told)


def _no_number(loss: float, state: TrainState, kept: Snapshot) -> TrainingError:
    weights = "The weights are those after this epoch."
    if not kept.weights_are_sound():
        kept.back_to_the_epoch()
        weights = "The weights were no longer finite numbers; they are those at the start of this epoch again."
    return TrainingError(
        f"The validation loss became {loss} after epoch {state.epoch + 1} (lr {state.lr:.3g}). {weights} "
        'Try a smaller lr (learner.lr_find() suggests one), clip_norm=1.0, or precision="float32".'
    )
