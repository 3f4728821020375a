"""Drivers that learn: in stages, end to end, by DAgger, by direct perception, and with three sensors in one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

import longspan as ls
from longspan.control.road import RoadConfig
from longspan.control.road.expert import true_future, true_objects
from longspan.control.road.perceive import Tracker
from longspan.control.road.plan import Planner, control, predict
from longspan.systems.driving.frames import ACTIONS, AFFORDANCES, LANE, inputs_of, lane_path, record_frames, to_table

__all__ = ["DAGGER", "DIRECT", "END_TO_END", "FUSED", "RECOVERY", "STAGED", "Driver", "LearnToDrive", "driver_policy"]

STAGED, END_TO_END, DAGGER, DIRECT = "in stages", "end to end", "DAgger", "direct perception"
RECOVERY, FUSED = "recovery", "three sensors"
_INPUTS = {
    STAGED: ("camera",), DIRECT: ("camera",), END_TO_END: ("camera", "speed", "limit"),
    DAGGER: ("camera", "speed", "limit"), RECOVERY: ("camera", "speed", "limit"),
    FUSED: ("camera", "above", "speed", "limit"),
}  # fmt: skip
_TARGETS = {STAGED: LANE, DIRECT: AFFORDANCES}
_NETWORK = ls.PilotNetConfig(channels=(16, 24, 32, 48, 48), units=(96, 48), batch_norm=True, padding=True, dropout=0.1)
_DISTURB = 0.3
_ROUNDS = 2


@final
class Driver:
    """A trained network and how it drives: a `Trained` for studies."""

    def __init__(self, kind: str, learner: ls.Learner) -> None:
        """Keep both."""
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
        return driver_policy(self.kind, self.learner.predictor())


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
    epochs: int = 12
    """Passes over its frames."""
    config: RoadConfig = field(default_factory=RoadConfig)
    """Of the roads on which "recovery" and "DAgger" record."""

    def train(self, task: ls.Task, *, seed: int = 0, budget: ls.Budget | None = None) -> Driver:
        """Train on the task's training rows; a budget is not for it, as frames are what is counted."""
        del budget
        rows = task.table.take(task.train.numpy())
        if self.kind == RECOVERY:
            disturbed = replace(self.config, disturb=_DISTURB)
            rows = to_table(record_frames(len(rows), seed=seed + 1, config=disturbed))
        if self.kind != DAGGER:
            return Driver(self.kind, self._network(rows, seed))
        quarter = len(rows) // (2 * _ROUNDS)
        tables = [rows.take(np.arange(len(rows) - _ROUNDS * quarter))]
        for number in range(_ROUNDS):
            driver = driver_policy(END_TO_END, self._network(_joined(tables), seed).predictor())
            own = record_frames(quarter, seed=seed + 100 + number, config=self.config, driver=driver)
            tables.append(to_table(own))
        return Driver(END_TO_END, self._network(_joined(tables), seed))

    def _network(self, rows: ls.Table, seed: int) -> ls.Learner:
        inputs, targets = _INPUTS[self.kind], _TARGETS.get(self.kind, ACTIONS)
        split = rows.select(*inputs, *targets).split(valid=0)
        task = ls.Task(split, inputs=inputs if len(inputs) > 1 else inputs[0], targets=targets, allow_leaks=True,
                       size_px=(48, 96))  # fmt: skip
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
        return {"strategy": "drive", "kind": self.kind, "epochs": self.epochs, "config": repr(self.config)}


def _joined(tables: list[ls.Table]) -> ls.Table:
    joined = tables[0]
    for table in tables[1:]:
        joined = joined.concat(table)
    return joined


# --- policies --------------------------------------------------------------------------------------------------------


def driver_policy(kind: str, model: Any) -> Any:
    """A policy of a trained network.

    Args:
        kind: Of the driver.
        model: A Predictor.
    """
    if kind == STAGED:
        return StagedPolicy(model)
    if kind == DIRECT:
        return _DirectPolicy(model)
    return _EndToEndPolicy(model, _INPUTS[kind])


@final
class _EndToEndPolicy:
    """The network says steering and acceleration."""

    def __init__(self, model: Any, inputs: tuple[str, ...]) -> None:
        self.model, self.inputs = model, inputs

    def reset(self) -> None:
        """It keeps nothing."""

    def __call__(self, seen: dict[str, np.ndarray]) -> np.ndarray:
        read = inputs_of(seen)
        said = self.model.predict({name: read[name] for name in self.inputs})
        return np.clip(np.array([said["steer"], said["accelerate"]], np.float32), -1, 1)


@final
class _DirectPolicy:
    """The network says affordances; a controller drives by them (DeepDriving, section 3.3, without its two lanes)."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.beside = 0.0

    def reset(self) -> None:
        """Back to the middle of the lane."""
        self.beside = 0.0

    def __call__(self, seen: dict[str, np.ndarray]) -> np.ndarray:
        said = self.model.predict(seen["camera"])
        speed, limit = float(seen["speed"][0]), float(seen["limit"][0])
        lane = lane_path(*(said[name] for name in LANE))
        wanted = min(1.5, said["intrusion"] + 0.25) if said["intrusion"] > 0.15 else 0.0
        self.beside += float(np.clip(wanted - self.beside, -0.1, 0.15))
        planner = Planner()
        free = planner(lane, np.zeros((0, 17, 5)), speed, limit)
        gap, pace = max(0.0, said["gap"] - 3.0), max(0.0, said["gap_pace"])
        safe = float(np.sqrt(pace**2 + 2 * 2.0 * gap))  # what braking at 2 m/s2 can still stop
        target = min(free["speed"], safe) if said["gap"] < 32 else free["speed"]
        path = lane.copy()
        path[:, 1] += self.beside * np.clip(path[:, 0] / 8, 0, 1)
        plan = {"path": path, "speed": 0.0 if gap < 0.8 and pace < 1 else target, "hurry": said["gap"] < 0.6 * speed}
        return np.array(control(plan, speed), np.float32)


Replaced = Literal["lane", "objects", "prediction"]


@final
class StagedPolicy:
    """See, track, predict, plan, control: a `Pipeline` stepped through at the rate of the sensors.

    `ground_truth` replaces stages by the ground truth, for ceiling analysis: "lane" what the camera's network says,
    "objects" what lidar and radar find, "prediction" where others will be. `sensors`: of the tracker.
    """

    def __init__(
        self, model: Any, *, ground_truth: tuple[Replaced, ...] = (), sensors: tuple[str, ...] = ("lidar", "radar"),
        deadline_s: float | None = None,
    ) -> None:  # fmt: skip
        """Build the pipeline.

        Args:
            model: A Predictor of `LANE` from the camera; None where `ground_truth` has "lane".
            ground_truth: Stages replaced.
            sensors: Of the tracker.
            deadline_s: A step may take so long; see `Pipeline.start`.
        """
        self.ground_truth = ground_truth
        stages: list[ls.Stage] = []
        if "lane" not in ground_truth:
            stages.append(ls.Stage("see", model, reads="camera", adds=LANE))
            stages.append(ls.Stage("lane", lane_path, reads=LANE, adds="lane"))
        if "objects" not in ground_truth:
            tracker = Tracker(use_lidar="lidar" in sensors, use_radar="radar" in sensors)
            stages.append(ls.Stage("track", tracker, reads=["lidar", "radar", "speed", "yaw_rate"], adds="objects"))
        if "prediction" not in ground_truth:
            stages.append(ls.Stage("predict", predict, reads="objects", adds="future"))
        stages.append(ls.Stage("plan", Planner(), reads=["lane", "future", "speed", "limit"], adds="plan"))
        stages.append(ls.Stage("control", control, reads=["plan", "speed"], adds="action"))
        self.pipeline = ls.Pipeline(stages, outputs=["action"])
        self.runner = self.pipeline.start() if deadline_s is None else self.pipeline.start(deadline_s=deadline_s)
        self.environment: Any = None
        """Where the ground truth comes from, when stages are replaced."""

    def reset(self) -> None:
        """A new drive: fresh state in every stage."""
        self.runner.reset()

    def __call__(self, seen: dict[str, np.ndarray]) -> np.ndarray:
        """Steering and acceleration."""
        sample: dict[str, Any] = {
            "speed": float(seen["speed"][0]), "limit": float(seen["limit"][0]), "yaw_rate": float(seen["yaw_rate"][0]),
            **{name: seen[name] for name in ("camera", "lidar", "radar") if name in seen},
        }  # fmt: skip
        if self.ground_truth:
            ground_truth = self.environment.world.ground_truth()
            sample |= {
                "lane": ground_truth["lane"],
                "objects": true_objects(ground_truth),
                "future": true_future(ground_truth),
            }
        return np.array(self.runner.step({name: sample[name] for name in self.pipeline.inputs})["action"], np.float32)
