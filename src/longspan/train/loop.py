"""The training loop: one phase, from the first batch to the last, on one page."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch

from longspan.columns import Column
from longspan.data.random import permutation, step_seed
from longspan.data.samples import Batch, epoch_draws, split_evenly
from longspan.errors import TrainingError
from longspan.heads import Head
from longspan.train.callbacks import Callback, TrainState
from longspan.train.config import TrainConfig
from longspan.train.schedules import lr_factor, momentum_at
from longspan.train.scores import score_rows
from longspan.train.step import Source, batch_loss

__all__ = ["Run", "train_phase"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one phase trains on and with."""

    source: Source
    train: torch.Tensor
    valid: torch.Tensor
    inputs: Mapping[str, Column]
    targets: Mapping[str, Column]
    heads: Mapping[str, Head]
    config: TrainConfig
    seed: int
    epochs_before: int
    """Epochs of earlier phases: randomness goes on where they ended."""
    steps_before: int
    """Batches of earlier phases."""


def train_phase(run: Run, state: TrainState, callbacks: Sequence[Callback]) -> None:
    """Train from where `state` stands to the end of its phase.

    Everything random is computed from the seed and the place in the training, so a phase that goes on from a
    checkpoint takes the same steps as one that was never interrupted. `stop` ends it after the event that set it: the
    epoch is then validated as far as it went.

    Raises:
        TrainingError: the loss is not a finite number; in training, the weights are those before that step.
    """
    network, optimizer, phase, config = state.network, state.optimizer, state.phase, run.config
    for callback in callbacks:
        callback.fit_start(state)
    while state.epoch < phase.epochs and (state.batch or not state.stop):
        for callback in callbacks if not state.batch else ():
            callback.epoch_start(state)
        if state.stop and not state.batch:
            break
        started = time.perf_counter()
        network.train_unfrozen()
        epoch = run.epochs_before + state.epoch
        order = run.train[permutation(run.seed, "order", epoch, len(run.train))]
        draws = epoch_draws(config.augment, run.inputs, order, epoch, run.seed)
        sizes = [len(part) for part in split_evenly(order, config.batch_size)]
        buffers = list(network.buffers())
        kept = [buffer.clone() for buffer in buffers]
        for batch in run.source.samples.batches(order, config.batch_size, draws=draws, first=state.batch):
            if state.stop:
                break
            done = state.epoch * state.num_batches + state.batch
            progress = done / (phase.epochs * state.num_batches)
            state.lr = phase.lr * lr_factor(phase.schedule, progress, phase.warmup)
            _set_rates(optimizer, state.lr, momentum_at(phase.schedule, progress, phase.warmup))
            step = run.steps_before + done
            torch.manual_seed(step_seed(run.seed, "step", step))  # dropout
            if buffers:  # a loss that is no number has spoilt the batch statistics when it is found
                torch._foreach_copy_(kept, buffers)  # pyright: ignore[reportPrivateImportUsage]

            loss = batch_loss(
                run.source, network, batch.to(run.source.device), run.heads, run.targets,
                mixup=config.mixup, seed=run.seed, step=step,
            )  # fmt: skip
            state.loss = loss.item()
            if not math.isfinite(state.loss):
                if buffers:
                    torch._foreach_copy_(buffers, kept)  # pyright: ignore[reportPrivateImportUsage]
                raise _not_finite(state, batch, step)
            first = state.batch - state.batch % config.accumulate
            (loss * (len(batch) / sum(sizes[first : first + config.accumulate]))).backward()
            state.batch += 1
            if state.batch % config.accumulate == 0 or state.batch == state.num_batches:
                if config.clip_norm is not None:
                    torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            state.losses.append(state.loss)
            for callback in callbacks:
                callback.step_end(state)
        state.history.append({"epoch": epoch + 1, **_validate(run, state), "seconds": time.perf_counter() - started})
        state.epoch, state.batch, state.losses = state.epoch + 1, 0, []
        for callback in callbacks:
            callback.epoch_end(state)
    for callback in callbacks:
        callback.fit_end(state)
    network.eval()


def _validate(run: Run, state: TrainState) -> dict[str, object]:
    """Losses and metrics of an epoch, by the network that is evaluated (a running average may stand in)."""
    state.evaluated.eval()
    figures: dict[str, float] = {}
    if len(run.valid):
        scores = score_rows(run.source, state.evaluated, run.valid, run.heads, run.targets, run.config.batch_size * 2)
        figures = scores.figures(run.heads)
    loss = figures.pop("loss", None)  # without validation rows, or truths in them, there is none
    if loss is not None and not math.isfinite(loss):
        raise TrainingError(
            f"The validation loss became {loss} after epoch {state.epoch + 1} (lr {state.lr:.3g}). "
            'Try a smaller lr (learner.lr_find() suggests one), clip_norm=1.0, or precision="float32".'
        )
    return {
        "train_loss": sum(state.losses) / max(len(state.losses), 1),
        **({} if loss is None else {"valid_loss": loss}),
        **figures,
        "lr": state.lr,
        "step_losses": state.losses,
    }


def _set_rates(optimizer: torch.optim.Optimizer, lr: float, momentum: float | None) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["rate"]
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum


def _not_finite(state: TrainState, batch: Batch, step: int) -> TrainingError:
    rows = ", ".join(str(row) for row in batch.rows[:8].tolist()) + (", ..." if len(batch) > 8 else "")
    sound = all(bool(parameter.isfinite().all()) for parameter in state.network.parameters())
    weights = "are those before this step" if sound else "were no longer finite numbers before this step"
    return TrainingError(
        f"The loss became {state.loss} at step {step} (epoch {state.epoch + 1}, batch {state.batch + 1}, learning rate "
        f"{state.lr:.3g}, table rows {rows}). The weights {weights}. Try a smaller lr "
        '(learner.lr_find() suggests one), clip_norm=1.0, or precision="float32"; and look at these rows.'
    )
