"""Losses and metrics at the end of an epoch."""

from __future__ import annotations

import math
from dataclasses import replace

from longspan.errors import TrainingError
from longspan.inference.network import Network
from longspan.inference.scores import score_rows
from longspan.inference.source import Source, precision_fallbacks
from longspan.train.distributed.scoring import score_together
from longspan.train.protection.guards import GuardedStep
from longspan.train.protection.snapshot import Snapshot
from longspan.train.protection.training_errors import is_out_of_memory, largest_that_fits, out_of_memory
from longspan.train.state import Run, TrainState

__all__ = ["validate"]


def validate(run: Run, state: TrainState, step: GuardedStep) -> dict[str, object]:
    """The record of an epoch, with metrics of the network that is evaluated (a running average may stand in).

    Raises:
        TrainingError: a loss is not finite, also not in float32; or there is not enough memory.
    """
    step.settle()
    losses = {name: list(filter(math.isfinite, values)) for name, values in state.losses_so_far().items()}
    state.evaluated.eval()
    metrics: dict[str, float] = {}
    for dtype in precision_fallbacks(run.source.dtype) if len(run.valid) else ():
        metrics = _metrics(run, replace(run.source, dtype=dtype), state.evaluated)
        if math.isfinite(metrics.get("loss", 0.0)):
            break
    loss = metrics.pop("loss", None)  # None without validation rows, or without targets in them
    if loss is not None and not math.isfinite(loss):
        raise _not_finite(loss, state, step.snapshot)
    return {
        **{f"train_{name}": sum(values) / max(len(values), 1) for name, values in losses.items()},
        **({} if loss is None else {"valid_loss": loss}),
        **metrics,
        "lr": state.lr,
        **({"float32_steps": state.float32_steps} if state.float32_steps else {}),
        **({"skipped_steps": state.skipped_steps} if state.skipped_steps else {}),
        "step_losses": next(iter(losses.values()), []),
    }


def _metrics(run: Run, source: Source, network: Network) -> dict[str, float]:
    size, message = run.config.batch_size * 2, ""
    try:
        scores = score_together(run.processes, source, network, run.valid, run.heads, run.targets, size)
        return scores.metrics(run.heads)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        message = str(error)  # and not the error: its frames hold on to the memory

    def attempt(count: int) -> None:
        score_rows(source, network, run.valid[:count], run.heads, run.targets, count)

    rows = min(size, len(run.valid))
    raise out_of_memory("validation", rows, largest_that_fits(attempt, rows, source.device), 1, message)


def _not_finite(loss: float, state: TrainState, snapshot: Snapshot) -> TrainingError:
    weights = "The weights are those after this epoch."
    if not snapshot.weights_are_finite():
        snapshot.restore_epoch_start()
        weights = "The weights were no longer finite; they are those at the start of this epoch again."
    return TrainingError(
        f"The validation loss became {loss} after epoch {state.epoch + 1} (lr {state.lr:.3g}). {weights} "
        'Try a smaller lr (learner.lr_find() suggests one), clip_norm=1.0, or precision="float32".'
    )
