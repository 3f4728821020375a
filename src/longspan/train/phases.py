"""A learner trained phase by phase: layers frozen, an optimizer made, the loop run, the learner's count kept."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from longspan.data.batches.samples import split_evenly
from longspan.errors import ConfigError
from longspan.inference.scores import join_target
from longspan.inference.source import Source, frozen_source, whole_source
from longspan.train.callbacks import Callback, TrainState
from longspan.train.checkpoints.best import BestModel
from longspan.train.checkpoints.checkpoint import Checkpoints, CheckpointWriter, name_of
from longspan.train.checkpoints.checkpoint_state import collect, restore
from longspan.train.config import Phase
from longspan.train.feature_cache import FeatureCache
from longspan.train.interrupt import interrupts_noted
from longspan.train.loop import Run, train_phase
from longspan.train.memory import keep_freed_memory
from longspan.train.optimizer import make_optimizer
from longspan.train.progress import ProgressBar
from longspan.train.training_errors import memory_named

if TYPE_CHECKING:
    from longspan.train.learner import Learner

__all__ = ["check_trainable", "own_randomness", "train_phases"]


def check_trainable(learner: Learner, phases: Sequence[Phase]) -> None:
    """Refuse what cannot be trained: too few rows, a batch of one, frozen layers in a network without any.

    Raises:
        ConfigError: which of them it is, and what would do.
    """
    rows, batch_size = learner.task.train, learner.config.batch_size
    if len(rows) < 2:
        raise ConfigError("Training needs at least two rows.")
    smallest = len(split_evenly(rows, batch_size)[-1])
    if smallest < 2 and any(isinstance(module, nn.BatchNorm1d) for module in learner.network.modules()):
        raise ConfigError(
            f"batch_size={batch_size} leaves a batch of one of {len(rows)} training rows, which batch normalisation "
            "cannot learn from: it needs two. Another batch_size, 3 or more, will do."
        )
    if learner.network.whole and any(phase.frozen for phase in phases):
        raise ConfigError(
            "Phases with frozen layers (as of fine_tune) train a head on a backbone, but this network is whole. "
            "Give it an attribute num_features and leave the last layer to longspan, or use fit or fit_one_cycle."
        )


def train_phases(
    learner: Learner,
    phases: list[Phase],
    *,
    first: int = 0,
    values: dict[str, Any] | None = None,
    tensors: dict[str, torch.Tensor] | None = None,
    checkpoints: Checkpoints | None = None,
) -> None:
    """Train `phases` from number `first` on.

    Args:
        learner: Whose network, history and count of steps move on.
        phases: All phases of this training.
        first: Where it goes on.
        values: What a checkpoint says of phase `first`; None starts it anew.
        tensors: What it holds.
        checkpoints: Where they go, and how often.

    Raises:
        TrainingError: a loss that is no number, or too little memory.
        KeyboardInterrupt: Ctrl-C; with checkpoints there is one of the step before.
    """
    learner.task.split.vault.note_training()
    learner.evaluations = _of_earlier_weights(learner.evaluations)
    if learner.device.type == "cpu":
        keep_freed_memory()
    heads, num_batches = learner.heads, len(split_evenly(learner.task.train, learner.config.batch_size))
    metrics = [join_target(name, metric.name, len(heads)) for name, head in heads.items() for metric in head.metrics]
    bars = [ProgressBar(metrics)] if learner.progress else []
    stored, rested = _stored_layers(learner), 1.0
    writer = None
    if checkpoints is not None:
        last = None if values is None else name_of(values)
        best = BestModel(learner, checkpoints.path)
        writer = CheckpointWriter(checkpoints, lambda s: collect(learner, s, phases), best=best, last=last)
    # Dropout seeds torch anew in every step; the caller's state stays.
    with memory_named(), own_randomness(learner.device):
        for index in range(first, len(phases)):
            phase, network = phases[index], learner.network
            if phase.frozen > rested:  # layers that have learned since then say something else now
                stored = _stored_layers(learner)
            rested = phase.frozen
            network.freeze(phase.frozen)
            optimizer = make_optimizer(network, learner.config, phase)
            state = TrainState(network, network, optimizer, phase, index, num_batches, learner.history)
            network.zero_grad(set_to_none=True)  # an interrupted phase may have left some
            if values is not None:
                restore(learner, state, values, tensors or {})
                values = None
            callbacks: list[Callback] = [*learner.callbacks, *bars]
            try:
                with contextlib.ExitStack() as stack:
                    source = _source(learner, phase, phases[index + 1 :], stored)
                    if writer is not None:
                        writer.interrupted = stack.enter_context(interrupts_noted())
                        stack.callback(writer.close)
                        callbacks.append(writer)
                    train_phase(_make_run(learner, source), state, callbacks)
            finally:
                for bar in bars:
                    bar.close()
                network.freeze(0.0)
                network.eval()
                learner.epochs_done += state.epoch
                learner.steps_done += state.epoch * num_batches
            learner.phases.append(phase)


def own_randomness(device: torch.device) -> AbstractContextManager[None]:
    """Whatever is seeded inside, the caller's random state is the same afterwards."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _make_run(learner: Learner, source: Source) -> Run:
    return Run(
        source=source, train=learner.task.train, valid=learner.task.valid, inputs=learner.inputs,
        targets=learner.task.targets, heads=learner.heads, config=learner.config, seed=learner.seed,
        epochs_before=learner.epochs_done, steps_before=learner.steps_done,
        files=lambda rows: _files(learner, rows.tolist()),
    )  # fmt: skip


def _files(learner: Learner, rows: list[int]) -> list[str]:
    """The files of these rows' inputs, as far as they come from files."""
    table = learner.task.table
    cells = [table.value(row, name) for row in rows for name in learner.inputs if table.columns[name].in_files]
    return [str(cell) for cell in cells if isinstance(cell, str | Path)]


def _source(learner: Learner, phase: Phase, later: Sequence[Phase], stored: FeatureCache) -> Source:
    if phase.frozen and not learner.config.augment.active and not learner.config.mixup:
        source = stored.source(phase.frozen, [each.frozen for each in later])
        if source is not None:
            return source
    make = frozen_source if phase.frozen == 1 else whole_source
    return make(learner.task.samples, learner.inputs, learner.device, learner.dtype)


def _of_earlier_weights(evaluations: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Test figures stay on record, as those of weights that are gone; the rest is measured anew."""
    mark = ", before further training"
    return {part.removesuffix(mark) + mark: each for part, each in evaluations.items() if part.startswith("test")}


def _stored_layers(learner: Learner) -> FeatureCache:
    whole = whole_source(learner.task.samples, learner.inputs, learner.device, learner.dtype)
    rows, batch_size = torch.cat([learner.task.train, learner.task.valid]), learner.config.batch_size * 2
    return FeatureCache(whole, learner.network, rows, batch_size=batch_size, cache_gb=learner.task.cache_gb)
