"""The racetrack of highway-env, as a camera above the car sees it: a driving world that others wrote."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Literal, final

import gymnasium
import numpy as np
from PIL import Image

from longspan.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LANE_AT_M", "TRACKS", "RacetrackEnvironment", "curve_to_steer", "make_racetrack"]

TRACKS = ("racetrack-v1", "racetrack-large-v1", "racetrack-oval-v1")
LANE_AT_M = (0.0, 5.0, 10.0, 15.0)
"""Where the middle of the lane is asked for: metres ahead along it."""
_SEEN_PX = 64
_DRAWN_PX = 92  # a square of 64 px, turned by any angle, lies inside
_PX_PER_M = 2.0
_STEER_RAD = math.pi / 4
_LENGTH_M = 5.0  # of a car


def _suited(track: str) -> dict[str, Any]:
    return {
        "observation": {
            "type": "GrayscaleObservation", "observation_shape": (_DRAWN_PX, _DRAWN_PX), "stack_size": 1,
            "weights": [0.2989, 0.5870, 0.1140], "scaling": _PX_PER_M,
        },
        "other_vehicles": 0,
        "duration": 3600,
        "id": track,
    }  # fmt: skip


@final
class RacetrackEnvironment(gymnasium.Env):
    """A car on the racetrack, at 10 m/s and alone; five steps a second.

    Observations are a dict of `camera`, `(64, 64)` uint8: 32 m around the car from above, turned so that the car looks
    to the right. Actions are `(1,)`: the steering, -1 (left, 45 degrees) to 1. The reward is highway-env's. `info`
    holds `fault` ("off the road" or None), `truth` (`lane`: `(4, 2)`, the middle of the lane at `LANE_AT_M` in metres
    ahead and to the right), `driven_m`, `off_lane_m`, `jerk` (0, for the pace is constant) and `made_up` (True).
    Leaving the road terminates an episode; it has no time limit of its own.

    Needs the extra control: highway-env (Leurent 2018, "An environment for autonomous driving decision-making").
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012 -- gymnasium reads it from the class

    def __init__(self, tracks: Sequence[str] = TRACKS[:1], *, render_mode: Literal["rgb_array"] | None = None) -> None:
        """Make the tracks; an episode is on one of them, by its seed.

        Args:
            tracks: Of `TRACKS`.
            render_mode: "rgb_array" for `render`, which shows what the camera sees, larger.

        Raises:
            UnknownNameError: no such track.
            DependencyError: highway-env is not installed.
        """
        from longspan.control.families import family_of
        from longspan.errors import check_names

        check_names("track", list(tracks), TRACKS)
        require_extra("control", "The racetrack")
        os.environ.setdefault("SDL_VIDEODRIVER", "offscreen")  # pygame draws without a screen
        family_of("racetrack-v0").register()
        self._tracks = [gymnasium.make(name, config=_suited(name)) for name in tracks]
        self._track = self._tracks[0]
        self.render_mode = render_mode
        box = gymnasium.spaces.Box
        self.observation_space = gymnasium.spaces.Dict({"camera": box(0, 255, (_SEEN_PX, _SEEN_PX), np.uint8)})
        self.action_space = box(-1, 1, (1,), np.float32)
        self._seen = np.zeros((_SEEN_PX, _SEEN_PX), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A track and a place on it; without a seed gymnasium draws one.

        Args:
            seed: Of both.
            options: `aside_m` and `turned_rad`: how far to the right of the middle of its lane the car starts, and how
                far it is turned to the right.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(1 << 31)) if seed is None else seed
        self._track = self._tracks[drawn % len(self._tracks)]
        image, _ = self._track.reset(seed=drawn % (1 << 31))
        if options:
            car, heading = self._vehicle, self._vehicle.heading
            car.position += options.get("aside_m", 0.0) * np.array([-math.sin(heading), math.cos(heading)])
            car.heading += options.get("turned_rad", 0.0)
            image = self._track.unwrapped.observation_type.observe()  # type: ignore[attr-defined]
        return self._see(image), self._info(None)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """A fifth of a second."""
        steer = np.clip(np.asarray(action, np.float32).reshape(-1)[:1], -1, 1)
        image, reward, over, _, _ = self._track.step(steer)
        fault = None if self._vehicle.on_road else "off the road"
        return self._see(image), float(reward), bool(over or fault), False, self._info(fault)

    def render(self) -> np.ndarray:  # type: ignore[override]
        """What the camera sees, `(192, 192, 3)` uint8."""
        return np.asarray(Image.fromarray(self._seen).convert("RGB").resize((192, 192), Image.Resampling.NEAREST))

    def ground_truth(self) -> dict[str, Any]:
        """The `truth` of this moment."""
        return {"lane": self._lane()}

    def close(self) -> None:
        """Close all tracks."""
        for track in self._tracks:
            track.close()

    @property
    def _vehicle(self) -> Any:
        return self._track.unwrapped.vehicle  # type: ignore[attr-defined]

    def _see(self, image: np.ndarray) -> dict[str, np.ndarray]:
        drawn = Image.fromarray(np.ascontiguousarray(image[0].T))  # highway-env's images are transposed
        turned = drawn.rotate(math.degrees(self._vehicle.heading), Image.Resampling.BILINEAR)
        edge = (_DRAWN_PX - _SEEN_PX) // 2
        self._seen = np.asarray(turned.crop((edge, edge, edge + _SEEN_PX, edge + _SEEN_PX)))
        return {"camera": self._seen}

    def _info(self, fault: str | None) -> dict[str, Any]:
        ground_truth = self.ground_truth()
        return {
            "fault": fault, "truth": ground_truth, "driven_m": self._vehicle.speed / 5,
            "off_lane_m": -float(ground_truth["lane"][0, 1]), "jerk": 0.0, "made_up": True,
        }  # fmt: skip

    def _lane(self) -> np.ndarray:
        """The middle of the lane at `LANE_AT_M`, as the car has it: `(4, 2)`, ahead and to the right."""
        car = self._vehicle
        network, index = car.road.network, car.lane_index
        lane = network.get_lane(index)
        start, _ = lane.local_coordinates(car.position)
        found, before = [], 0.0
        for ahead in LANE_AT_M:
            while start + ahead - before > lane.length:
                before += lane.length
                index = network.next_lane(index, position=lane.position(lane.length, 0))
                lane = network.get_lane(index)
            found.append(lane.position(start + ahead - before, 0) - car.position)
        turn = np.array(
            [[math.cos(car.heading), -math.sin(car.heading)], [math.sin(car.heading), math.cos(car.heading)]]
        )
        return np.asarray(found) @ turn


def curve_to_steer(lane: np.ndarray) -> float:
    """Pure pursuit of the lane's point five metres ahead: the steering, -1..1, of a car of highway-env.

    Source: Coulter 1992, "Implementation of the pure pursuit path tracking algorithm".
    """
    ahead, right = (float(each) for each in np.asarray(lane)[LANE_AT_M.index(5.0)])
    curvature = 2 * right / max(1.0, ahead**2 + right**2)
    slip = math.asin(max(-0.99, min(0.99, curvature * _LENGTH_M / 2)))
    return max(-1.0, min(1.0, math.atan(2 * math.tan(slip)) / _STEER_RAD))


def make_racetrack(tracks: Sequence[str] = TRACKS[:1], *, render: bool = False) -> RacetrackEnvironment:
    """The racetrack as an environment: for `run_episodes` and `episode_evaluator`."""
    return RacetrackEnvironment(tracks, render_mode="rgb_array" if render else None)
