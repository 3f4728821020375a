"""The made-up road as a world of drivers: stages, direct perception, and three sensors in one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Literal, final

import numpy as np

import longspan as ls
from longspan.control.road import RoadConfig, make_road
from longspan.control.road.expert import Expert, true_future, true_objects
from longspan.control.road.perceive import Tracker
from longspan.control.road.plan import Planner, control, predict
from longspan.systems.driving.frames import ACTIONS, AFFORDANCES, LANE, inputs_of, lane_path, record_frames, to_table
from longspan.systems.driving.world import DAGGER, DIRECT, END_TO_END, FUSED, RECOVERY, STAGED, DrivingWorld, Policy

__all__ = ["MadeUpRoad", "StagedPolicy"]

_DISTURB = 0.3
_BOTH = ("lidar", "radar")


@final
@dataclass(frozen=True, kw_only=True)
class MadeUpRoad(DrivingWorld):
    """Roads with cars and people, seen by a camera, a lidar and a radar; see `longspan.control.road`."""

    config: RoadConfig = field(default_factory=RoadConfig)
    """Of the roads."""

    reads: ClassVar = {
        STAGED: ("camera",), DIRECT: ("camera",), END_TO_END: ("camera", "speed", "limit"),
        DAGGER: ("camera", "speed", "limit"), RECOVERY: ("camera", "speed", "limit"),
        FUSED: ("camera", "above", "speed", "limit"),
    }  # fmt: skip
    says: ClassVar = {**dict.fromkeys(reads, ACTIONS), STAGED: LANE, DIRECT: AFFORDANCES}
    size_px: ClassVar = (48, 96)
    most_steps: ClassVar = 1500
    about: ClassVar = (
        "A made-up road with made-up cars and people: nothing here says how a driver would do on a real one. Faults "
        "are collisions, leaving the road, and standing still for 40 seconds."
    )

    def make(self, *, render: bool = False) -> Any:
        """A road for each seed."""
        return make_road(self.config, render=render)

    def record(self, count: int, *, seed: int, driver: Policy | None = None, disturbed: bool = False) -> ls.Table:
        """Frames of the expert, five a second."""
        config = replace(self.config, disturb=_DISTURB) if disturbed else self.config
        return to_table(record_frames(count, seed=seed, config=config, driver=driver))

    def policy(self, kind: str, model: Any) -> Any:
        """A policy of a trained network."""
        if kind == STAGED:
            return StagedPolicy(model)
        return _DirectPolicy(model) if kind == DIRECT else _EndToEndPolicy(model, self.reads[kind])

    def expert(self, environment: Any) -> Any:
        """The planner and the controller, with the ground truth in place of perception."""
        return _ByTruth(environment, Expert())

    def replaced(self, model: Any) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        """Stages replaced by the ground truth, and fewer sensors."""
        rows: tuple[tuple[str, tuple[Replaced, ...], tuple[str, ...]], ...] = (
            ("as it is", (), _BOTH),
            ("true lane", ("lane",), _BOTH),
            ("true objects", ("objects", "prediction"), _BOTH),
            ("true lane and objects", ("lane", "objects"), _BOTH),
            ("true lane, objects and prediction", ("lane", "objects", "prediction"), _BOTH),
            ("lidar alone", (), ("lidar",)),
            ("radar alone", (), ("radar",)),
        )
        return [(says, partial(_replaced, model, known, sensors)) for says, known, sensors in rows]

    def steering(self, kind: str, predictions: Sequence[Any], frames: ls.Table) -> list[float]:
        """The network's, or its controller's from what it says of the lane."""
        if kind not in (STAGED, DIRECT):
            return [float(each["steer"]) for each in predictions]
        found = []
        for each, speed, limit in zip(
            predictions, frames.column_values("speed"), frames.column_values("limit"), strict=True
        ):
            plan = Planner()(lane_path(*(each[lane] for lane in LANE)), np.zeros((0, 17, 5)), speed, limit)
            found.append(float(control(plan, speed)[0]))
        return found


def _replaced(model: Any, ground_truth: tuple[Replaced, ...], sensors: tuple[str, ...], environment: Any) -> Any:
    policy = StagedPolicy(None if "lane" in ground_truth else model, ground_truth=ground_truth, sensors=sensors)
    policy.environment = environment
    return policy


@final
class _ByTruth:
    """The expert as a policy of an environment whose ground truth it may see."""

    def __init__(self, environment: Any, expert: Expert) -> None:
        self.environment, self.expert = environment, expert

    def reset(self) -> None:
        self.expert.reset()

    def __call__(self, seen: Any) -> np.ndarray:
        del seen
        return self.expert(self.environment.world.ground_truth())


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
