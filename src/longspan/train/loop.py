"""The training loop: one phase, from the first batch to the last, on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch

from longspan.columns import Column
from longspan.data.batches.samples import epoch_augment_params, split_evenly
from longspan.heads import Head
from longspan.inference.source import Source
from longspan.randomness import permutation
from longspan.train.callbacks import Callback, TrainState
from longspan.train.config import TrainConfig
from longspan.train.schedules import lr_factor, momentum_at
from longspan.train.train_step import Snapshot, train_step
from longspan.train.validation import validate

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
    files: Callable[[torch.Tensor], list[str]] = lambda rows: []
    """Where some rows stand, for messages: the files of their images, where there are any."""


def train_phase(run: Run, state: TrainState, callbacks: Sequence[Callback]) -> None:
    """Train from where `state` stands to the end of its phase.

    Everything random is computed from the seed and the place in the training, so a phase that goes on from a
    checkpoint takes the same steps as one that was never interrupted. `stop` ends it after the event that set it: the
    epoch is then validated as far as it went.

    Raises:
        TrainingError: a loss or gradient is not a finite number, or memory does not suffice; see `train_step`.
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
        augment_params = epoch_augment_params(config.augment, run.inputs, order, epoch, run.seed)
        sizes = [len(part) for part in split_evenly(order, config.batch_size)]
        kept = Snapshot(network)
        for batch in run.source.samples.batches(
            order, config.batch_size, augment_params=augment_params, first=state.batch
        ):
            if state.stop:
                break
            done = state.epoch * state.num_batches + state.batch
            progress = done / (phase.epochs * state.num_batches)
            state.lr = phase.lr * lr_factor(phase.schedule, progress, phase.warmup)
            _set_rates(optimizer, state.lr, momentum_at(phase.schedule, progress, phase.warmup))
            first = state.batch - state.batch % config.accumulate
            fraction = len(batch) / sum(sizes[first : first + config.accumulate])
            ends = state.batch + 1 in (first + config.accumulate, state.num_batches)
            batch = batch.to(run.source.device)
            train_step(run, state, batch, kept, step=run.steps_before + done, fraction=fraction, ends=ends)
            state.batch += 1
            if ends:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            state.losses.append(state.loss)
            for callback in callbacks:
                callback.step_end(state)
        figures = validate(run, state, kept)
        state.history.append({"epoch": epoch + 1, **figures, "seconds": time.perf_counter() - started})
        state.epoch, state.batch, state.losses, state.float32_steps = state.epoch + 1, 0, [], 0
        for callback in callbacks:
            callback.epoch_end(state)
    for callback in callbacks:
        callback.fit_end(state)
    network.eval()


def _set_rates(optimizer: torch.optim.Optimizer, lr: float, momentum: float | None) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["rate"]
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum
