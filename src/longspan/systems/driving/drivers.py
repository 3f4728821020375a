"""Drivers that learn: in stages, end to end, by DAgger, by direct perception, and with three sensors in one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

import longspan as ls
from longspan.systems.driving.world import DAGGER, END_TO_END, RECOVERY, DrivingWorld

__all__ = ["Driver", "LearnToDrive"]

_NETWORK = ls.PilotNetConfig(channels=(16, 24, 32, 48, 48), units=(96, 48), batch_norm=True, padding=True, dropout=0.1)
_ROUNDS = 2


@final
class Driver:
    """A trained network and how it drives: a `Trained` for studies."""

    def __init__(self, world: DrivingWorld, kind: str, learner: ls.Learner) -> None:
        """Keep them."""
        self.world = world
        self.kind = kind
        self.learner = learner

    @property
    def steps_done(self) -> int:
        """Batches learned from."""
        return self.learner.steps_done

    def predict(self, data: Any) -> Any:
        """What the network says of recorded frames: for the offline error."""
        return self.learner.predictor().predict(data)

    def save(self, path: str | Path) -> Path:
        """The network."""
        return self.learner.save(path)

    def policy(self) -> Any:
        """An observation to an action; with `reset()`."""
        return self.world.policy(self.kind, self.learner.predictor())


@final
@dataclass(frozen=True, kw_only=True)
class LearnToDrive:
    """A strategy: a driver of a kind from as many frames as a task has training rows.

    "in stages", "direct perception", "end to end" and "three sensors" learn from the rows themselves. "recovery" lets
    the expert drive again while the car is pushed aside, as many frames (Bansal et al. 2018, ChauffeurNet, section
    4.2). "DAgger" takes half of the rows, and then twice a quarter of them where its own network drives and the expert
    says what it would have done (Ross, Gordon, Bagnell 2011, algorithm 3.1; with beta 1 in the first round and 0 in the
    others).
    """

    kind: str
    """Of the driver."""
    world: DrivingWorld
    """Where it drives."""
    epochs: int = 12
    """Passes over its frames."""

    def train(self, task: ls.Task, *, seed: int = 0, budget: ls.Budget | None = None) -> Driver:
        """Train on the task's training rows; a budget is not for it, as frames are what is counted."""
        del budget
        rows = task.table.take(task.train.numpy())
        if self.kind == RECOVERY:
            rows = self.world.record(len(rows), seed=seed + 1, disturbed=True)
        if self.kind != DAGGER:
            return Driver(self.world, self.kind, self._network(rows, seed))
        quarter = len(rows) // (2 * _ROUNDS)
        tables = [rows.take(np.arange(len(rows) - _ROUNDS * quarter))]
        for number in range(_ROUNDS):
            driver = self.world.policy(END_TO_END, self._network(_joined(tables), seed).predictor())
            tables.append(self.world.record(quarter, seed=seed + 100 + number, driver=driver))
        return Driver(self.world, END_TO_END, self._network(_joined(tables), seed))

    def _network(self, rows: ls.Table, seed: int) -> ls.Learner:
        inputs, targets = self.world.reads[self.kind], self.world.says[self.kind]
        split = rows.select(*inputs, *targets).split(valid=0)
        task = ls.Task(split, inputs=inputs, targets=targets, allow_leaks=True, size_px=self.world.size_px)
        learner = ls.Learner(
            task,
            _NETWORK,
            heads={name: ls.Regress(criterion="huber") for name in targets},
            config=ls.TrainConfig(batch_size=64, weight_decay=0.02, clip_norm=5.0,
                                  augment={"camera": ls.Augment(brightness=0.1, contrast=0.2)}),
            callbacks=[ls.WeightAverage(0.97)],
            seed=seed,
            progress=False,
        )  # fmt: skip
        return learner.run([ls.Phase(epochs=self.epochs, lr=3e-3)])

    def to_json(self) -> Mapping[str, Any]:
        """JSON values by which a study recognises the strategy."""
        return {"strategy": "drive", "kind": self.kind, "epochs": self.epochs, "world": repr(self.world)}


def _joined(tables: list[ls.Table]) -> ls.Table:
    joined = tables[0]
    for table in tables[1:]:
        joined = joined.concat(table)
    return joined
