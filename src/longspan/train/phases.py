"""A training phase by phase: layers frozen, an optimizer made, the loop run, the count of epochs kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, final

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from longspan.data.batches.augmentation import augmentation_by_input
from longspan.data.batches.order import split_evenly
from longspan.errors import CheckpointError, ConfigError
from longspan.inference.scores import join_target
from longspan.inference.source import Source, whole_source
from longspan.train.callbacks import Callback, EarlyStopping
from longspan.train.checkpoints.best_epoch import BestEpoch
from longspan.train.checkpoints.checkpoint import Checkpoints, CheckpointWriter, latest_steps, name_of
from longspan.train.checkpoints.checkpoint_state import collect, restore
from longspan.train.class_balance import balanced_weights, class_numbers
from longspan.train.config import Phase
from longspan.train.distributed.agreement import check_phases
from longspan.train.distributed.processes import Processes, one_thread, peers_named
from longspan.train.distributed.spread import own_rows, spread_step
from longspan.train.feature_cache import FeatureCache
from longspan.train.loop import SupervisedStep, train_phase
from longspan.train.optimization.optimizer import make_optimizer
from longspan.train.progress import ProgressBar
from longspan.train.protection.interrupt import interrupts_noted
from longspan.train.protection.memory import keep_freed_memory
from longspan.train.protection.training_errors import memory_named
from longspan.train.row_weights import row_weights
from longspan.train.state import Run, TrainState
from longspan.train.training import Training

__all__ = ["own_randomness", "train_phases"]

_FROM_A_CHECKPOINT = tuple[int, dict[str, Any], dict[str, torch.Tensor]]


def train_phases(
    training: Training,
    phases: Sequence[Phase],
    checkpoints: str | Path | Checkpoints | None = None,
    *,
    resumed: _FROM_A_CHECKPOINT | None = None,
) -> None:
    """Train phase after phase.

    Args:
        training: Its network, history and counts move on.
        phases: All phases of this training.
        checkpoints: A folder, or `Checkpoints` that also say how often; locked by the caller where `resumed` is given.
        resumed: The phase that a checkpoint is in, its values and its tensors; None: start with the first phase.

    Raises:
        ConfigError: the task or network cannot be trained like this.
        CheckpointError: the folder is in use, or holds checkpoints of a training that got further.
        TrainingError: a loss is not finite, or there is not enough memory.
        KeyboardInterrupt: Ctrl-C; with checkpoints, one of the step before is written.
    """
    _check_trainable(training, phases)
    check_phases(phases, training.processes)
    training.task.split.vault.note_training()
    _mark_evaluations(training)
    if training.device.type == "cpu":
        keep_freed_memory()
    processes = training.processes
    heads, num_batches = training.heads, len(split_evenly(training.task.train, training.config.batch_size))
    metrics = [join_target(name, metric.name, len(heads)) for name, head in heads.items() for metric in head.metrics]
    bars = [ProgressBar(metrics)] if training.progress else []
    cache, frozen = _feature_cache(training), 1.0
    first, values, tensors = resumed or (0, None, {})
    with contextlib.ExitStack() as whole:
        where = None if checkpoints is None else Checkpoints.of(checkpoints)
        if where is not None and resumed is None:
            with processes.together():
                if processes.is_first:
                    whole.enter_context(where.locked())
                    _check_folder(training, where)
        best = BestEpoch(training, where.path if where is not None and processes.is_first else None)
        writer = None
        if where is not None and processes.is_first:
            last = None if values is None else name_of(values)
            writer = CheckpointWriter(where, lambda s: collect(training, s, phases, best), best=best, last=last)
        whole.enter_context(memory_named())
        whole.enter_context(peers_named(processes))
        if training.config.virtual_workers is not None:
            whole.enter_context(one_thread())
        whole.enter_context(own_randomness(training.device))  # every step seeds torch; the caller's state stays
        for index in range(first, len(phases)):
            phase, network = phases[index], training.network
            if phase.frozen > frozen:  # layers that have learned since then have other outputs
                cache = _feature_cache(training)
            frozen = phase.frozen
            network.freeze(phase.frozen)
            network.zero_grad(set_to_none=True)  # an interrupted phase may have left some
            source = _source(training, phase, phases[index + 1 :], cache)
            state = _state(training, phase, index, source, num_batches)
            if values is not None:
                restore(training, state, values, tensors, best)
                values = None
            callbacks: list[Callback] = [*training.callbacks, *bars]
            try:
                with contextlib.ExitStack() as stack:
                    if where is not None and processes.count > 1:
                        processes.interrupted = stack.enter_context(interrupts_noted())
                        stack.callback(processes.forget_interrupts)
                    if writer is not None:
                        alone = processes.count == 1
                        writer.interrupted = stack.enter_context(interrupts_noted()) if alone else processes.is_stopping
                        stack.callback(writer.close)
                        callbacks.append(writer)
                    elif where is not None:
                        callbacks.append(_Follower(best, processes))
                    elif training.config.keep == "best":
                        callbacks.append(_Look(best))
                    train_phase(_make_run(training, source), state, callbacks)
            finally:
                for bar in bars:
                    bar.close()
                network.freeze(0.0)
                network.eval()
                training.epochs_done += state.epoch
                training.steps_done += state.epoch * num_batches
            training.phases.append(phase)
        chosen_otherwise = any(isinstance(callback, EarlyStopping) for callback in training.callbacks)
        if training.config.keep == "best" and not chosen_otherwise:
            best.put_back()
            if training.progress and training.best_epoch is not None:
                print(f"The model is that of epoch {training.best_epoch}, which has the lowest validation loss.")


@final
class _Look(Callback):
    """Shows each epoch to `BestEpoch`, where no writer of checkpoints does."""

    def __init__(self, best: BestEpoch) -> None:
        self.best = best

    def epoch_end(self, state: TrainState) -> None:
        self.best.look(state)


@final
class _Follower(Callback):
    """Where another process writes the checkpoints: keeps the best epoch, and stops after the same step."""

    def __init__(self, best: BestEpoch, processes: Processes) -> None:
        self.best = best
        self.processes = processes

    def step_end(self, state: TrainState) -> None:
        del state
        if self.processes.stopping:
            raise KeyboardInterrupt

    def epoch_end(self, state: TrainState) -> None:
        self.best.look(state)


def own_randomness(device: torch.device) -> AbstractContextManager[None]:
    """Whatever is seeded inside, the caller's random state is the same afterwards."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _check_trainable(training: Training, phases: Sequence[Phase]) -> None:
    """ConfigError for too few rows, a batch of one, or frozen layers in a network without any."""
    rows, batch_size = training.task.train, training.config.batch_size
    if len(rows) < 2:
        raise ConfigError("Training needs at least two rows.")
    smallest = len(split_evenly(rows, batch_size)[-1])
    if smallest < 2 and (alone := _alone_in_batch_norm(training, rows[:1])):
        fitting = [size for size in range(2, len(rows) + 1) if len(split_evenly(rows, size)[-1]) > 1]
        raise ConfigError(
            f"batch_size={batch_size} leaves a batch of one of {len(rows)} training rows, but the batch normalisation "
            f"{alone!r} then has a single value per channel. Choose batch_size={fitting[0]} or another that leaves at "
            "least two rows in every batch."
        )
    comparing = [name for name, head in training.heads.items() if head.compares_rows]
    if comparing and training.config.sampling != "by_class":
        raise ConfigError(
            f"The loss of {comparing[0]!r} compares rows of one class, so they have to come together: "
            'sampling="by_class" (--sampling by_class), with rows_per_class of each.'
        )
    if training.network.whole and any(phase.frozen for phase in phases):
        raise ConfigError(
            "Phases with frozen layers (as in fine_tune) train a head on a backbone, but this network is whole. "
            "Give it an attribute num_features and leave the last layer to longspan, or use fit or fit_one_cycle."
        )


def _alone_in_batch_norm(training: Training, row: torch.Tensor) -> str | None:
    """The first batch normalisation that sees one value per channel in a batch of one row; None if there is none.

    The network runs once in evaluation mode, which changes nothing in it.
    """
    network, found = training.network, list[str]()

    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return None

    def hook_of(name: str) -> Callable[[Any, tuple[Any, ...]], None]:
        def note(_: Any, inputs: tuple[Any, ...]) -> None:
            if inputs[0].numel() == inputs[0].shape[1]:
                found.append(name)

        return note

    hooks = [module.register_forward_pre_hook(hook_of(name)) for name, module in norms]
    was_training = network.training
    try:
        network.eval()
        (batch,) = training.task.samples.batches(row, 1)
        source = whole_source(training.task.samples, training.inputs, training.device, torch.float32)
        with torch.no_grad():
            source.module(network)(*source.prepare(batch.to(training.device)))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def _check_folder(training: Training, checkpoints: Checkpoints) -> None:
    if latest_steps(checkpoints.path) > training.steps_done:
        raise CheckpointError(
            f"{checkpoints.path} holds checkpoints of a training that got further. Continue from them with "
            f"resume({str(checkpoints.path)!r}), or choose another folder, or delete it."
        )


def _state(training: Training, phase: Phase, index: int, source: Source, num_batches: int) -> TrainState:
    network = training.network
    step = SupervisedStep(
        network,
        make_optimizer(network, training.config, phase),
        source,
        training.heads,
        training.task.targets,
        config=training.config,
        seed=training.seed,
        row_weights=_row_weights(training),
    )
    return TrainState(spread_step(training, step), network, phase, index, num_batches, training.history)


def _make_run(training: Training, source: Source) -> Run:
    return Run(
        source=source, train=training.task.train, weights=_weights(training), classes=_classes(training),
        valid=training.task.valid,
        inputs=training.inputs, targets=training.task.targets, heads=training.heads, config=training.config,
        seed=training.seed,
        epochs_before=training.epochs_done, steps_before=training.steps_done,
        processes=training.processes,
        own_rows=own_rows(training),
        files=lambda rows: _files(training, rows.tolist()),
    )  # fmt: skip


def _row_weights(training: Training) -> torch.Tensor | None:
    """By row number of the table, those of rows that do not train being 0."""
    task, name = training.task, training.config.row_weights
    if name is None:
        return None
    if training.config.mixup:
        raise ConfigError(
            "MixUp blends rows, so weights of single rows do not go with it: mixup=0 or row_weights=None."
        )
    weights = torch.zeros(len(task.table))
    weights[task.train] = torch.from_numpy(row_weights(task.table, name, task.train.numpy())).float()
    return weights


def _weights(training: Training) -> torch.Tensor | None:
    if training.config.sampling != "balanced":
        return None
    return balanced_weights(training.task, training.heads)


def _classes(training: Training) -> torch.Tensor | None:
    if training.config.sampling != "by_class":
        return None
    return class_numbers(training.task, training.heads)


def _files(training: Training, rows: list[int]) -> list[str]:
    """The files of these rows' inputs, as far as they come from files."""
    table = training.task.table
    cells = [table.value(row, name) for row in rows for name in training.inputs if table.columns[name].in_files]
    return [str(cell) for cell in cells if isinstance(cell, str | Path)]


def _source(training: Training, phase: Phase, later: Sequence[Phase], cache: FeatureCache) -> Source:
    if (
        phase.frozen
        and not augmentation_by_input(training.config.augment, training.inputs)
        and not training.config.mixup
    ):
        source = cache.source(phase.frozen, [each.frozen for each in later])
        if source is not None:
            return source
    return whole_source(training.task.samples, training.inputs, training.device, training.dtype)


def _mark_evaluations(training: Training) -> None:
    """Test metrics stay on record, as those of earlier weights; the others are dropped."""
    mark = ", before further training"
    marked = {name.removesuffix(mark) + mark: each for name, each in training.evaluations.items() if "test" in name[:4]}
    training.evaluations.clear()
    training.evaluations.update(marked)


def _feature_cache(training: Training) -> FeatureCache:
    whole = whole_source(training.task.samples, training.inputs, training.device, training.dtype)
    rows, batch_size = torch.cat([training.task.train, training.task.valid]), training.config.batch_size * 2
    return FeatureCache(whole, training.network, rows, batch_size=batch_size, cache_gb=training.task.cache_gb)
