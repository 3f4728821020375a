"""A task, a network, and how far its training got: what a `Learner` trains, saves and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch

from longspan.columns import Column
from longspan.data import Task
from longspan.data.batches.row_hashes import hashes_to_json
from longspan.heads import Head
from longspan.inference.network import Network
from longspan.inference.predictor import Predictor
from longspan.train.callbacks import Callback
from longspan.train.config import Phase, TrainConfig
from longspan.train.distributed.processes import ALONE, Processes
from longspan.train.loop import SupervisedStep
from longspan.train.step import TrainStep

__all__ = ["MakeStep", "Training"]

MakeStep = Callable[[SupervisedStep], TrainStep]
"""From the supervised step of a phase to the step that is to be taken instead."""


@final
@dataclass(kw_only=True, slots=True)
class Training:
    """Everything that phases, checkpoints, diagnostics and reports need of a learner."""

    task: Task
    network: Network
    inputs: dict[str, Column]
    heads: dict[str, Head]
    config: TrainConfig
    seed: int
    device: torch.device
    dtype: torch.dtype
    model_name: str
    """The network's registered name, or that of its class."""
    weights: str | None
    """What the backbone started from."""
    make_step: MakeStep | None = None
    callbacks: list[Callback] = field(default_factory=list)
    progress: bool = True
    """Whether to show bars and a line per epoch."""
    processes: Processes = ALONE
    """Those that train together."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One record per finished epoch."""
    phases: list[Phase] = field(default_factory=list)
    """Finished phases."""
    epochs_done: int = 0
    steps_done: int = 0
    best_epoch: int | None = None
    """The epoch whose weights the network has, where it is not the last one."""
    evaluations: dict[str, dict[str, float]] = field(default_factory=dict)
    """Metrics by part, as they were measured."""
    notes: dict[str, Any] = field(default_factory=dict)
    """JSON values that are to travel in model files too."""

    def predictor(self) -> Predictor:
        """The trained model; it follows the weights of this training."""
        return Predictor(
            self.network,
            self.inputs,
            self.heads,
            augment=self.config.augment,
            info=self.info(),
            device=str(self.device),
            precision=self.config.precision,
        )

    def info(self) -> dict[str, Any]:
        """What a model file records of its training, as JSON values."""
        last = {k: v for k, v in (self.history[-1] if self.history else {}).items() if k != "step_losses"}
        task = self.task
        return {
            "task": {"inputs": list(self.inputs), "targets": list(self.heads), "split": task.split.how},
            "row_hashes": hashes_to_json(task.row_hashes()),
            "training": {
                "seed": self.seed,
                "config": self.config.to_json(),
                "phases": [phase.to_json() for phase in self.phases],
                "steps": self.steps_done,
                "weights": self.weights and Path(self.weights).name,
                "rows": {"train": len(task.train), "valid": len(task.valid)},
                "skipped_rows": len(task.skipped),
                "last_epoch": last,
                **({} if self.best_epoch is None else {"best_epoch": self.best_epoch}),
            },
            "metrics": self.evaluations,
            "leaks": {
                "allowed": task.allow_leaks,
                "moved_to_train": len(task.moved),
                "found": 0 if task.leaks is None else len(task.leaks),
                **({} if task.leaks is None else task.leaks.to_json()),
            },
            "vault": task.split.vault.to_json(),
            **self.notes,
        }
