"""The racetrack of highway-env as a world of drivers: a camera above the car, and its steering."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

import longspan as ls
from longspan.columns import Raw
from longspan.control.racetrack import LANE_AT_M, TRACKS, curve_to_steer, make_racetrack
from longspan.randomness import step_seed
from longspan.systems.driving.world import DAGGER, END_TO_END, RECOVERY, STAGED, DrivingWorld, Policy

__all__ = ["Racetrack"]

_LANE = tuple(f"lane_{at:.0f}" for at in LANE_AT_M)
_STEER = ("steer",)
_DRIVE_STEPS = 80  # of a recorded drive
_ASIDE_M, _TURNED_RAD = 0.8, 0.15  # spread of where it starts, so that there is something to come back from
_PUSH = 0.1  # of the steps of a disturbed drive begin a push
_PUSH_STEPS = 3


@final
@dataclass(frozen=True, kw_only=True)
class Racetrack(DrivingWorld):
    """Two tracks to learn on, and another to be measured on; the car is alone and its pace is constant.

    "in stages": a network sees the lane, four places ahead; pure pursuit steers. The expert is that controller with the
    true lane.
    """

    learned: tuple[str, ...] = TRACKS[:2]
    """Tracks of recordings."""
    measured: tuple[str, ...] = TRACKS[2:]
    """Tracks of evaluations."""

    reads: ClassVar = dict.fromkeys((STAGED, END_TO_END, DAGGER, RECOVERY), ("camera",))
    says: ClassVar = {**dict.fromkeys(reads, _STEER), STAGED: _LANE}
    size_px: ClassVar = (64, 64)
    most_steps: ClassVar = 300
    about: ClassVar = (
        "The racetrack of highway-env, a simulator that others wrote: made up, and simpler than any road. A car alone "
        "at 10 m/s is seen from above and steers. Drivers learn on two tracks and are measured on a third. The fault "
        "is leaving the road, which ends a drive; the lane is the one that the car is nearest to."
    )

    def make(self, *, render: bool = False) -> Any:
        """The track of an evaluation; a seed is a place to start from."""
        return make_racetrack(self.measured, render=render)

    def record(self, count: int, *, seed: int, driver: Policy | None = None, disturbed: bool = False) -> ls.Table:
        """Frames of the expert, five a second."""
        environment = make_racetrack(self.learned)
        cells: dict[str, list[Any]] = {name: [] for name in ("camera", *_STEER, *_LANE)}
        drive = 0
        while len(cells["steer"]) < count:
            random = np.random.default_rng(step_seed(seed, "pushes", drive))
            start = {"aside_m": random.normal(0, _ASIDE_M), "turned_rad": random.normal(0, _TURNED_RAD)}
            seen, info = environment.reset(seed=step_seed(seed, "recording", drive) % (1 << 31), options=start)
            drive, pushed, push = drive + 1, 0, 0.0
            for _ in range(min(_DRIVE_STEPS, count - len(cells["steer"]))):
                lane = info["truth"]["lane"]
                steer = curve_to_steer(lane)
                cells["camera"].append(seen["camera"])
                cells["steer"].append(steer)
                for name, right in zip(_LANE, lane[:, 1], strict=True):
                    cells[name].append(float(right))
                action = np.array([steer]) if driver is None else driver(seen)
                if disturbed and not pushed and random.random() < _PUSH:
                    pushed, push = _PUSH_STEPS, float(random.normal(0, 0.5))
                if pushed:
                    pushed, action = pushed - 1, action + push
                seen, _, over, _, info = environment.step(action)
                if over:
                    break
        environment.close()
        numbers = {name: ls.Number() for name in (*_STEER, *_LANE)}
        return ls.Table.from_arrays(
            {**cells, "camera": np.stack(cells["camera"]), "source": ["made up"] * count},
            {"camera": ls.Image(channels=1), **numbers, "source": Raw()},
        )

    def policy(self, kind: str, model: Any) -> Any:
        """The network's steering, or that of pure pursuit along the lane that it sees."""
        return _SeeAndSteer(model) if kind == STAGED else _Steer(model)

    def expert(self, environment: Any) -> Any:
        """Pure pursuit along the true lane."""
        return _TrueLane(environment)

    def replaced(self, model: Any) -> Sequence[tuple[str, Callable[[Any], Any]]]:
        """The lane, the only stage that learns."""
        return [("as it is", lambda environment: _SeeAndSteer(model)), ("true lane", _TrueLane)]

    def steering(self, kind: str, predictions: Sequence[Any], frames: ls.Table) -> list[float]:
        """The network's, or its controller's."""
        del frames
        if kind != STAGED:
            return [float(each["steer"]) for each in predictions]
        return [curve_to_steer(_lane_of(*(each[name] for name in _LANE))) for each in predictions]


def _lane_of(*right: float) -> np.ndarray:
    """The lane at `LANE_AT_M` from how far to the right it is: as far ahead as leaves its distance from the car."""
    return np.array([[math.sqrt(max(0.0, at**2 - side**2)), side] for at, side in zip(LANE_AT_M, right, strict=True)])


def _steer_along(lane: np.ndarray) -> np.ndarray:
    return np.array([curve_to_steer(lane)], np.float32)


@final
class _SeeAndSteer:
    """See and steer: a `Pipeline` stepped through at the rate of the camera."""

    def __init__(self, model: Any) -> None:
        stages = [
            ls.Stage("see", model, reads="camera", adds=_LANE),
            ls.Stage("lane", _lane_of, reads=_LANE, adds="lane"),
            ls.Stage("steer", _steer_along, reads="lane", adds="action"),
        ]
        self.runner = ls.Pipeline(stages, outputs=["action"]).start()

    def reset(self) -> None:
        self.runner.reset()

    def __call__(self, seen: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(self.runner.step({"camera": seen["camera"]})["action"], np.float32)


@final
class _Steer:
    """The network says the steering."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, seen: dict[str, np.ndarray]) -> np.ndarray:
        return np.array([self.model.predict(seen["camera"])["steer"]], np.float32)


@final
class _TrueLane:
    """Pure pursuit of the ground truth."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment

    def __call__(self, seen: Any) -> np.ndarray:
        del seen
        return _steer_along(self.environment.ground_truth()["lane"])
