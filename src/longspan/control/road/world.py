"""A made-up road with parked and moving cars and people who cross it; the driver's car; what counts as a fault."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.control.road.track import LANE_M, Track
from longspan.errors import ConfigError
from longspan.randomness import step_seed

__all__ = ["CAR", "KINDS", "LIMITS", "STEP_S", "RoadConfig", "RoadWorld"]

STEP_S = 0.1
"""Ten steps a second."""
KINDS = ("parked car", "car ahead", "oncoming car", "pedestrian")
CAR = (4.4, 1.8, 1.5)
"""Length, width and height of a car, m."""
_PERSON = (0.6, 0.6, 1.75)
_WHEELBASE_M = 2.7
LIMITS = {"steer": 0.5, "steer_rate": 0.8, "brake": 7.0, "accelerate": 2.5}
"""Of the car: rad, rad/s, m/s2, m/s2."""
_STUCK_S = 40.0
_OWN_LANE = -LANE_M / 2


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RoadConfig:
    """How a made-up road is."""

    length_m: float = 600.0
    """From the start to the end of an episode."""
    bend_deg: float = 45.0
    """Largest angle between the road and its general direction."""
    traffic: float = 1.0
    """Cars and people, as a factor; 0 for an empty road."""
    limit: float = 10.0
    """Speed limit, m/s."""
    disturb: float = 0.0
    """Fraction of the time in which the car is pushed aside, for recordings that show how to recover."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 100 <= self.length_m <= 100_000:
            raise ConfigError(f"RoadConfig.length_m must be in 100..100000, got {self.length_m!r}.")
        if not 0 <= self.bend_deg <= 60:
            raise ConfigError(f"RoadConfig.bend_deg must be in 0..60, got {self.bend_deg!r}.")
        if not 0 <= self.traffic <= 3 or not 0 <= self.disturb <= 0.5:
            raise ConfigError(
                f"RoadConfig needs traffic in 0..3 and disturb in 0..0.5, got {self.traffic!r} and {self.disturb!r}."
            )
        if not 2 <= self.limit <= 20:
            raise ConfigError(f"RoadConfig.limit must be in 2..20 m/s, got {self.limit!r}.")


@final
class RoadWorld:
    """One road from its start to its end; everything is a function of its seed and the actions.

    A fault is a collision, more than half of the car off the road, or 40 seconds without moving. After a fault the car
    stands in the middle of its lane again, behind what it hit, so that an episode counts several.
    """

    def __init__(self, config: RoadConfig, seed: int) -> None:
        """Draw the road and all that is on it."""
        self.config = config
        self.seed = seed
        self.track = Track(seed, config.length_m, config.bend_deg)
        self.steps = 0
        self.speed = 0.6 * config.limit
        self.steer = 0.0
        self.acceleration = 0.0
        self.yaw_rate = 0.0
        self._still_s = 0.0
        self._put(12.0)
        self._draw_others()

    # --- what is there -------------------------------------------------------------------------------------------

    def _draw_others(self) -> None:
        """All others as arrays: kind, s, d, speed along the road, speed across it, size."""
        random = np.random.default_rng(step_seed(self.seed, "others", 0))
        length, traffic = self.config.length_m, self.config.traffic
        rows: list[tuple[int, float, float, float]] = []
        at = 50.0
        while traffic > 0 and at < length:
            kind = int(random.choice(4, p=(0.35, 0.2, 0.25, 0.2)))
            if kind == 0:  # some stand half in the lane
                rows.append((0, at, -LANE_M - float(random.uniform(-0.1, 1.2)), 0.0))
            elif kind == 1:
                rows.append((1, at, _OWN_LANE, float(random.uniform(0.45, 0.7)) * self.config.limit))
            elif kind == 2:
                rows.append((2, at, -_OWN_LANE, -float(random.uniform(0.6, 1.0)) * self.config.limit))
            else:
                rows.append((3, at, float(random.choice([-1, 1])) * (LANE_M + 1.2), float(random.uniform(1.0, 1.7))))
            at += float(random.exponential(45.0 / traffic)) + 20.0
        self.kind = np.array([row[0] for row in rows], int)
        self.s = np.array([row[1] for row in rows])
        self.d = np.array([row[2] for row in rows])
        self.pace = np.array([row[3] for row in rows])  # what they would like to do
        self.along = np.where(np.isin(self.kind, (1, 2)), self.pace, 0.0)
        self.across = np.zeros(len(rows))
        self.crossing = np.zeros(len(rows), bool)
        self.begun = self.s.copy()
        self.here = np.ones(len(rows), bool)
        self._sides = np.sign(self.d)  # on which side of the road people began
        self.size = np.array([_PERSON if row[0] == 3 else CAR for row in rows]).reshape(-1, 3)

    def others(self, reach_m: float = 90.0) -> dict[str, np.ndarray]:
        """Those within reach: number, kind, and in the car's frame x, y, angle, vx, vy (over ground), length, width."""
        near = np.flatnonzero(self.here & (np.abs(self.s - self.own_s) < reach_m))
        places, heading = self.track.place(self.s[near], self.d[near])
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        apart = places - self.xy
        angle = heading - self.yaw
        along, across = self.along[near], self.across[near]
        return {
            "number": near,
            "kind": self.kind[near],
            "x": apart[:, 0] * cosine + apart[:, 1] * sine,
            "y": apart[:, 1] * cosine - apart[:, 0] * sine,
            "angle": angle,
            "vx": along * np.cos(angle) - across * np.sin(angle),
            "vy": along * np.sin(angle) + across * np.cos(angle),
            "length": self.size[near, 0],
            "width": self.size[near, 1],
            "height": self.size[near, 2],
        }

    def lane(self, ahead_m: np.ndarray) -> np.ndarray:
        """`(N, 2)`: the middle of the own lane so far ahead, in the car's frame."""
        places, _ = self.track.place(self.own_s + ahead_m, _OWN_LANE)
        apart = places - self.xy
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        return np.stack([apart[:, 0] * cosine + apart[:, 1] * sine, apart[:, 1] * cosine - apart[:, 0] * sine], 1)

    # --- what happens --------------------------------------------------------------------------------------------

    def step(self, steer: float, acceleration: float) -> str | None:
        """A tenth of a second; the fault that happened, if any.

        Args:
            steer: Steering angle wanted, -1..1 of the largest; positive to the left.
            acceleration: -1..1: of the hardest braking, or of the strongest acceleration.
        """
        self._move_others()
        wanted = float(np.clip(steer, -1, 1)) * LIMITS["steer"]
        rate = LIMITS["steer_rate"] * STEP_S
        self.steer += float(np.clip(wanted - self.steer, -rate, rate))
        strength = float(np.clip(acceleration, -1, 1))
        self.acceleration = strength * (LIMITS["accelerate"] if strength > 0 else LIMITS["brake"])
        before = self.own_s
        self.speed = max(0.0, self.speed + self.acceleration * STEP_S)
        push = self._push() * min(1.0, self.speed / 5)
        self.yaw_rate = self.speed / _WHEELBASE_M * math.tan(self.steer) + push
        self.yaw += self.yaw_rate * STEP_S
        self.xy = self.xy + self.speed * STEP_S * np.array([math.cos(self.yaw), math.sin(self.yaw)])
        self.own_s, self.own_d = self.track.locate(self.xy, self.own_s)
        self.steps += 1
        self.driven_m = max(0.0, self.own_s - before)
        self._still_s = self._still_s + STEP_S if self.speed < 0.2 else 0.0
        fault = self._fault()
        if fault is not None:
            self._put(self.own_s)
            self.speed, self.steer, self._still_s = 0.0, 0.0, 0.0
            # What was hit is out of the way, or it would be hit again and again.
            self.here &= ~((np.abs(self.s - self.own_s) < 12) & (np.abs(self.d - _OWN_LANE) < 3.2))
        return fault

    @property
    def over(self) -> bool:
        """Whether the end of the road is reached."""
        return self.own_s >= self.config.length_m

    def _put(self, s: float) -> None:
        places, heading = self.track.place(s, _OWN_LANE)
        self.xy, self.yaw = np.asarray(places, float), float(heading)
        self.own_s, self.own_d, self.driven_m = float(s), _OWN_LANE, 0.0

    def _push(self) -> float:
        """A turn of the car that nobody steered, rad/s: for a second at a time."""
        if not self.config.disturb:
            return 0.0
        random = np.random.default_rng(step_seed(self.seed, "push", self.steps // 12))
        return float(random.uniform(-0.35, 0.35)) if random.random() < self.config.disturb else 0.0

    def _move_others(self) -> None:
        if not len(self.kind):
            return
        gap = self.s - self.own_s
        moving = np.isin(self.kind, (1, 2)) & (np.abs(gap) < 150)
        # Cars ahead turn off after 130 m; those who come towards keep going.
        self.here &= ~((self.kind == 1) & (self.s - self.begun > 130))
        self.along = np.where(moving, self.along, 0.0)
        in_the_way = (self.kind == 2) & (gap > 0) & (gap < 25) & (abs(self.own_d - LANE_M / 2) < 1.9)
        target = np.where(in_the_way, 0.0, self.pace)
        change = np.clip(target - self.along, -5 * STEP_S, 5 * STEP_S)
        self.along = np.where(moving, self.along + change, self.along)
        parked = self.s[(self.kind == 0) & self.here & (self.d > -LANE_M - 0.5)]
        near = np.abs(self.s[:, None] - parked).min(1, initial=1e9) < 14
        wanted = np.where(near, _OWN_LANE + 0.75, _OWN_LANE)
        self.across = np.where(moving & (self.kind == 1), np.clip(wanted - self.d, -1.0, 1.0), 0.0)
        # People look before they cross, and nobody begins under a car's nose.
        people = (self.kind == 3) & self.here
        time_to = gap / max(self.speed, 1.0)
        cars = self.s[np.isin(self.kind, (1, 2)) & self.here]
        free = np.abs(self.s[:, None] - cars).min(1, initial=1e9) > 30
        self.crossing |= people & (time_to > 3.2) & (gap > 16) & (gap < 45) & free
        done = np.abs(self.d) > LANE_M + 1.3
        walks = people & self.crossing & ~(done & (np.sign(self.d) != np.sign(self._sides)))
        self.across = np.where(walks, -np.sign(self._sides) * self.pace, self.across)
        self.s = self.s + self.along * STEP_S
        self.d = self.d + self.across * STEP_S

    def _fault(self) -> str | None:
        if abs(self.own_d) > LANE_M:
            return "off the road"
        if self._still_s > _STUCK_S:
            return "stuck"
        near = self.others(12.0)
        for i in range(len(near["kind"])):
            if _overlap(near, i):
                return (
                    "hit a pedestrian"
                    if near["kind"][i] == 3
                    else f"hit {'an' if near['kind'][i] == 2 else 'a'} " + (KINDS[near["kind"][i]])
                )
        return None

    def ground_truth(self) -> dict[str, Any]:
        """What the sensors do not say: the lane ahead, all others, the place on the road."""
        return {
            "lane": self.lane(np.arange(0.0, 62.0, 2.0)),
            "others": self.others(),
            "s": self.own_s,
            "d": self.own_d,
            "off_lane_m": self.own_d - _OWN_LANE,
            "speed": self.speed,
            "limit": self.config.limit,
        }


def _overlap(others: dict[str, np.ndarray], i: int) -> bool:
    """Whether the car overlaps with another, by separating axes (Gottschalk et al. 1996)."""
    x, y, angle = others["x"][i], others["y"][i], others["angle"][i]
    half = np.array([[CAR[0] / 2, CAR[1] / 2], [others["length"][i] / 2, others["width"][i] / 2]])
    axes = np.array([[1.0, 0.0], [0.0, 1.0], [math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    apart = np.abs(axes @ np.array([x, y]))
    own = np.abs(axes[:, 0]) * half[0, 0] + np.abs(axes[:, 1]) * half[0, 1]
    other = np.abs(axes @ axes[2]) * half[1, 0] + np.abs(axes @ axes[3]) * half[1, 1]
    return bool((apart < own + other).all())
