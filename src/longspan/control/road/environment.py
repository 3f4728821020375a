"""The made-up road by gymnasium's interface."""

from __future__ import annotations

from typing import Any, Literal, final

import gymnasium
import numpy as np

from longspan.control.road.sensors import LIDAR_ANGLES, LIDAR_REACH_M, RADAR_TARGETS, Camera, lidar, radar
from longspan.control.road.world import RoadConfig, RoadWorld
from longspan.errors import check_names

__all__ = ["SENSORS", "RoadEnvironment", "make_road"]

SENSORS = ("camera", "lidar", "radar")


@final
class RoadEnvironment(gymnasium.Env):
    """A made-up road; observations are a dict of the chosen sensors, `speed`, `limit` (m/s) and `yaw_rate` (rad/s).

    Actions are `(2,)`: steering and acceleration, each -1..1; see `RoadWorld.step`. The reward is the metres driven,
    less 10 for a fault. `info` holds `fault` (a word or None), `ground_truth`, `driven_m`, `off_lane_m`, `jerk` and
    `made_up`, which is always True. An episode terminates at the end of the road; it has no time limit of its own.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 -- gymnasium reads it from the class

    def __init__(
        self,
        config: RoadConfig | None = None,
        *,
        sensors: tuple[str, ...] = SENSORS,
        render_mode: Literal["rgb_array"] | None = None,
    ) -> None:
        """Nothing is drawn before `reset`.

        Args:
            config: Of the roads; the seed of an episode draws one.
            sensors: What is seen; rendering an image takes most of a step's time.
            render_mode: "rgb_array" for `render`, which shows a larger image than the camera's.

        Raises:
            UnknownNameError: no such sensor.
        """
        check_names("sensor", list(sensors), SENSORS)
        self.config = config or RoadConfig()
        self.sensors = tuple(sensors)
        self.render_mode = render_mode
        self.camera = Camera()
        self._shown = Camera(120, 240)
        box = gymnasium.spaces.Box
        spaces: dict[str, gymnasium.Space] = {
            "speed": box(0, 40, (1,), np.float32),
            "limit": box(0, 40, (1,), np.float32),
            "yaw_rate": box(-4, 4, (1,), np.float32),
        }
        if "camera" in sensors:
            spaces["camera"] = box(0, 255, (self.camera.height_px, self.camera.width_px, 3), np.uint8)
        if "lidar" in sensors:
            spaces["lidar"] = box(0, LIDAR_REACH_M, (len(LIDAR_ANGLES),), np.float32)
        if "radar" in sensors:
            spaces["radar"] = box(-100, 100, (RADAR_TARGETS, 4), np.float32)
        self.observation_space = gymnasium.spaces.Dict(spaces)
        self.action_space = box(-1, 1, (2,), np.float32)
        self.world = RoadWorld(self.config, 0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new road; without a seed gymnasium draws one."""
        super().reset(seed=seed)
        del options
        self.world = RoadWorld(self.config, int(self.np_random.integers(1 << 31)) if seed is None else seed)
        return self._see(), self._info(None, 0.0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """A tenth of a second."""
        before = self.world.acceleration
        fault = self.world.step(float(action[0]), float(action[1]))
        jerk = (self.world.acceleration - before) / 0.1
        reward = self.world.driven_m - 10.0 * (fault is not None)
        return self._see(), reward, self.world.over, False, self._info(fault, jerk)

    def render(self) -> np.ndarray:  # type: ignore[override]
        """The view ahead, `(120, 240, 3)` uint8."""
        return self._shown.see(self.world)

    def _see(self) -> dict[str, np.ndarray]:
        seen = {
            "speed": np.array([self.world.speed], np.float32),
            "limit": np.array([self.config.limit], np.float32),
            "yaw_rate": np.array([self.world.yaw_rate], np.float32),
        }
        if "camera" in self.sensors:
            seen["camera"] = self.camera.see(self.world)
        if "lidar" in self.sensors:
            seen["lidar"] = lidar(self.world)
        if "radar" in self.sensors:
            seen["radar"] = radar(self.world)
        return seen

    def _info(self, fault: str | None, jerk: float) -> dict[str, Any]:
        ground_truth = self.world.ground_truth()
        return {
            "fault": fault, "truth": ground_truth, "driven_m": self.world.driven_m,
            "off_lane_m": ground_truth["off_lane_m"], "jerk": jerk, "made_up": True,
        }  # fmt: skip


def make_road(
    config: RoadConfig | None = None, *, sensors: tuple[str, ...] = SENSORS, render: bool = False
) -> RoadEnvironment:
    """The made-up road as an environment: for `run_episodes` and `episode_evaluator`."""
    return RoadEnvironment(config, sensors=sensors, render_mode="rgb_array" if render else None)
