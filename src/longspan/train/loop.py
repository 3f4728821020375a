"""The training loop on one page: a supervised step, and a phase of steps from its first batch to its last."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import final

import torch

from longspan.columns import Column
from longspan.data.batches.augmentation import epoch_augment_params
from longspan.data.batches.order import class_order, draw_by_weight, draw_numbers, epoch_order, split_evenly
from longspan.data.batches.samples import Batch
from longspan.heads import Head
from longspan.inference.network import Network
from longspan.inference.source import Source, autocast, prepare_targets, sum_losses
from longspan.train.callbacks import Callback
from longspan.train.config import TrainConfig
from longspan.train.mixup import draw_mixture
from longspan.train.optimization.optimizer import clip_gradients, set_rates
from longspan.train.optimization.schedules import lr_factor, momentum_at
from longspan.train.protection.guards import GuardedStep
from longspan.train.sequence_lengths import row_lengths
from longspan.train.state import Run, TrainState
from longspan.train.step import StepInfo
from longspan.train.validation import validate

__all__ = ["SupervisedStep", "train_phase"]


@final
class SupervisedStep:
    """Learns from inputs and targets: forward pass, loss, backward pass, optimizer."""

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        source: Source,
        heads: Mapping[str, Head],
        columns: Mapping[str, Column],
        *,
        config: TrainConfig,
        seed: int,
        row_weights: torch.Tensor | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            network: What learns.
            optimizer: Of its parameters.
            source: Of its inputs.
            heads: By target.
            columns: The target columns, which prepare targets for the loss.
            config: Of the training.
            seed: Random seed.
            row_weights: By row number of the table how much its loss counts; None: all the same.
        """
        self.networks = {"network": network}
        self.optimizers = {"optimizer": optimizer}
        self.source = source
        self.heads = heads
        self.columns = columns
        self.config = config
        self.seed = seed
        self.row_weights = row_weights
        self.module = source.module(network)

    def run(self, batch: Batch, step: StepInfo) -> dict[str, torch.Tensor]:
        """See `TrainStep.run`."""
        inputs, targets = self.source.prepare(batch), prepare_targets(batch, self.columns)
        mixture = None
        if self.config.mixup:
            mixture = draw_mixture(self.config.mixup, len(batch), self.seed, step.number, self.source.device)
            inputs = mixture.inputs(inputs)

        with autocast(self.source.device, step.dtype):
            outputs = self.module(*inputs, targets=targets)
        if mixture is not None:
            loss = mixture.loss(self.heads, outputs, targets, batch.present)
        else:
            weights = None if self.row_weights is None else self.row_weights[batch.rows].to(self.source.device)
            loss = sum_losses(self.heads, outputs, targets, batch.present, weights)
        (loss if step.fraction == 1 else loss * step.fraction).backward()
        if step.ends:
            self.update()
        return {"loss": loss.detach()}

    def update(self) -> None:
        """One step of the optimizer along the gradients, which are gone afterwards."""
        clip_gradients(self.networks["network"], self.config.clip_norm)
        self.optimizers["optimizer"].step()
        self.optimizers["optimizer"].zero_grad(set_to_none=True)


def train_phase(run: Run, state: TrainState, callbacks: Sequence[Callback]) -> None:
    """Train from where `state` stands to the end of its phase.

    Everything random is computed from the seed and the position in the training, so a phase that resumes from a
    checkpoint takes the same steps as one that was never interrupted. `stop` ends it after the event that set it; the
    epoch is then validated as far as it got.

    Raises:
        TrainingError: a loss or gradient is not finite, or there is not enough memory; see `GuardedStep`.
    """
    phase, config, step = state.phase, run.config, GuardedStep(state.step, run, state)
    for callback in callbacks:
        callback.fit_start(state)
    while state.epoch < phase.epochs and (state.batch or not state.stop):
        for callback in callbacks if not state.batch else ():
            callback.epoch_start(state)
        if state.stop and not state.batch:
            break
        started = time.perf_counter()
        step.start_epoch()
        epoch = run.epochs_before + state.epoch
        rows = run.train if run.weights is None else draw_by_weight(run.train, run.weights, epoch, run.seed)
        lengths, pool = row_lengths(run.source.samples, rows, run.heads)
        blocks = run.source.samples.block_rows
        if run.classes is None:
            ascending = epoch < config.short_first
            order = epoch_order(rows, epoch, run.seed, config.batch_size, lengths, pool, blocks, ascending=ascending)
        else:
            order = class_order(rows, run.classes, config.rows_per_class, epoch, run.seed, blocks)
        drawn = order if run.weights is None else draw_numbers(order)
        augment_params = epoch_augment_params(config.augment, run.inputs, drawn, epoch, run.seed)
        sizes = [len(part) for part in split_evenly(order, config.batch_size)]
        for batch in run.source.samples.batches(
            order, config.batch_size, augment_params=augment_params, first=state.batch, own=run.own_rows
        ):
            if state.stop:
                break
            done = state.epoch * state.num_batches + state.batch
            progress = done / (phase.epochs * state.num_batches)
            state.lr = phase.lr * lr_factor(phase.schedule, progress, phase.warmup)
            set_rates(state.step.optimizers, state.lr, momentum_at(phase.schedule, progress, phase.warmup))
            first = state.batch - state.batch % config.accumulate
            info = StepInfo(
                number=run.steps_before + done,
                rows=sizes[state.batch],
                fraction=sizes[state.batch] / sum(sizes[first : first + config.accumulate]),
                ends=state.batch + 1 in (first + config.accumulate, state.num_batches),
                dtype=run.source.dtype,
            )
            state.record(step.run(batch.to(run.source.device), info))
            state.batch += 1
            for callback in callbacks:
                callback.step_end(state)
        record = validate(run, state, step)
        state.history.append({"epoch": epoch + 1, **record, "seconds": time.perf_counter() - started})
        state.epoch, state.batch, state.losses, state.float32_steps, state.skipped_steps = state.epoch + 1, 0, {}, 0, 0
        for callback in callbacks:
            callback.epoch_end(state)
    for callback in callbacks:
        callback.fit_end(state)
    for network in state.step.networks.values():
        network.eval()
