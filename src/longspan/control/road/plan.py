"""Predict, plan and steer: where others will be, a lattice of paths and speeds, and a controller with limits."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np

from longspan.control.road.world import CAR, LIMITS, STEP_S

__all__ = ["AHEAD_M", "OFFSETS_M", "TIMES_S", "Planner", "control", "predict"]

TIMES_S = np.arange(0.0, 4.01, 0.25)
"""Moments for which places are predicted."""
AHEAD_M = np.arange(0.0, 62.0, 2.0)
"""How far along the lane its middle is given."""
OFFSETS_M = np.array([-0.2, 0.0, 0.4, 0.8, 1.2, 1.6])
"""Paths of the lattice: so far to the left of the lane's middle, which is 1.75 m from that of the road."""
_SPEEDS = np.array([0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0])
_SIDE_M = 0.35  # to leave beside others
_FRONT_M = 2.5  # to leave before others
_LATERAL = 2.2  # m/s2 in bends
_BRAKE = 3.0  # m/s2 that a plan uses
_WHEELBASE_M = 2.7


def predict(objects: list[dict[str, Any]]) -> np.ndarray:
    """`(N, T, 5)`: x, y, half length, half width and angle of each object at `TIMES_S`, at the velocity that it has.

    Where nobody knows the angle it is NaN, and taken to be that of the road.
    """
    found = np.zeros((len(objects), len(TIMES_S), 5))
    for number, each in enumerate(objects):
        found[number, :, 0] = each["x"] + each["vx"] * TIMES_S
        found[number, :, 1] = each["y"] + each["vy"] * TIMES_S
        found[number, :, 2] = each["length"] / 2
        found[number, :, 3] = each["width"] / 2
        found[number, :, 4] = each.get("angle", math.nan)
    return found


@final
class Planner:
    """The best of a lattice of 6 paths x 8 speeds that keeps clear of where others will be.

    A path runs beside the middle of the lane and joins its offset within 14 m, or more when fast. Along it the car
    changes to a speed at 2.5 or 3 m/s2 and keeps it. Plans that would touch another count what they would hit, soonest
    worst. The choice prefers speed, the middle of the lane and what was chosen before.

    Source: lattices of lateral offsets and speeds, Werling et al. 2010, "Optimal trajectory generation for dynamic
    street scenarios in a Frenet frame". Differs: paths are straight blends of offsets instead of quintic polynomials.
    """

    def __init__(self) -> None:
        """Nothing chosen yet."""
        self.reset()

    def reset(self) -> None:
        """A new drive."""
        self.before = 0.0
        self.waited_s = 0.0

    def __call__(self, lane: np.ndarray, future: np.ndarray, speed: float, limit: float) -> dict[str, Any]:
        """The chosen path `(M, 2)` in the car's frame, its speed (m/s), and whether it keeps clear.

        Args:
            lane: `(M, 2)`: the middle of the own lane at `AHEAD_M`, in the car's frame.
            future: As `predict` gives it.
            speed: Of the car, m/s.
            limit: Speed limit, m/s.
        """
        lane, future, speed = np.asarray(lane, float), np.asarray(future, float), float(speed)
        tangent = np.gradient(lane, axis=0)
        heading = np.arctan2(tangent[:, 1], tangent[:, 0])
        normal = np.stack([-np.sin(heading), np.cos(heading)], 1)
        bend = np.abs(np.gradient(np.unwrap(heading))) / np.hypot(tangent[:, 0], tangent[:, 1])
        bend[:2] = bend[2]  # differences at the end of a line are one-sided, and halve a bend
        bend = np.convolve(np.pad(bend, 1, "edge"), np.ones(3) / 3, "valid")
        # As fast as the bends ahead allow, with what braking can do until there.
        allowed = np.sqrt(_LATERAL / np.maximum(bend, 1e-3))
        fastest = float(np.minimum(limit, np.sqrt(allowed**2 + 2 * _BRAKE * 0.6 * AHEAD_M[: len(allowed)])).min())
        # Who waits for long squeezes through what leaves little room.
        self.waited_s = self.waited_s + STEP_S if speed < 0.3 else max(0.0, self.waited_s - 2 * STEP_S)
        side = _SIDE_M * float(np.clip(1.6 - self.waited_s / 8, 0.15, 1.0))
        own_offset = float(-(normal[0] @ lane[0]))
        join = float(np.clip(1.6 * speed, 9.0, 20.0))
        blend = np.clip(AHEAD_M[: len(lane)] / join, 0, 1)
        blend = (1 - np.cos(np.pi * blend)) / 2
        best, chosen = math.inf, None
        speeds = _SPEEDS * fastest
        travelled = np.stack([_travelled(speed, target) for target in speeds])  # (V, T)
        for offset in OFFSETS_M:
            beside = own_offset + blend * (offset - own_offset)
            path = lane + normal * beside[:, None]
            hits = self._hits(path, heading, future, travelled, side)
            for target, hit in zip(speeds, hits, strict=True):
                cost = (
                    1.5 * (fastest - target)
                    + 1.2 * abs(offset)
                    + 0.8 * abs(offset - self.before)
                    + (0.0 if math.isinf(hit) else 200.0 + 40.0 * (TIMES_S[-1] - hit) + 10 * target)
                )
                if cost < best:
                    best, chosen = cost, (path, float(target), float(offset), math.isinf(hit), hit)
        assert chosen is not None
        path, target, self.before, clear, hit = chosen
        return {"path": path, "speed": target, "offset": self.before, "clear": clear, "hurry": not clear and hit < 2.5}

    @staticmethod
    def _hits(
        path: np.ndarray, heading: np.ndarray, future: np.ndarray, travelled: np.ndarray, side: float
    ) -> np.ndarray:
        """`(V,)`: seconds until the car touches another at each speed; infinite if it does not."""
        found = np.full(len(travelled), math.inf)
        if not len(future):
            return found
        step = np.hypot(*np.diff(path, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(step)])
        x, y = np.interp(travelled, along, path[:, 0]), np.interp(travelled, along, path[:, 1])
        angle = np.interp(travelled, along, heading)
        cosine, sine = np.cos(angle), np.sin(angle)
        dx, dy = future[:, None, :, 0] - x, future[:, None, :, 1] - y  # (N, V, T)
        ahead, aside = dx * cosine + dy * sine, dy * cosine - dx * sine
        margin = np.minimum(1.0, 0.3 + 0.12 * TIMES_S)  # less sure, the later
        turned = np.nan_to_num(future[:, None, :, 4] - angle)
        turn_l, turn_w = np.abs(np.cos(turned)), np.abs(np.sin(turned))
        half_l, half_w = future[:, None, :, 2], future[:, None, :, 3]
        person = half_l < 0.8
        long = half_l * turn_l + half_w * turn_w + CAR[0] / 2 + np.where(ahead > 0, _FRONT_M, 0.4)
        wide = half_w * turn_l + half_l * turn_w + CAR[1] / 2 + np.where(person, 0.5 + 0.4 * margin, side)
        touch = ((np.abs(ahead) < long) & (np.abs(aside) < wide) & (ahead > -CAR[0] / 2 - 0.5)).any(0)  # (V, T)
        first = touch.argmax(1)
        return np.where(np.any(touch, axis=1), TIMES_S[first], math.inf)


def _travelled(speed: float, target: float) -> np.ndarray:
    """Metres driven at `TIMES_S` on the way from a speed to another."""
    rate = LIMITS["accelerate"] * 0.8 if target > speed else -_BRAKE
    needed = (target - speed) / rate if target != speed else 0.0
    during = np.minimum(TIMES_S, needed)
    return speed * during + rate * during**2 / 2 + target * (TIMES_S - during)


def control(plan: dict[str, Any], speed: float) -> tuple[float, float]:
    """Steering and acceleration, each -1..1, that follow a plan: pure pursuit, and a proportional speed.

    Source: Coulter 1992, "Implementation of the pure pursuit path tracking algorithm". The point ahead is 2.2 m and
    0.45 s away. The rear axle is taken to be the car's middle, as the made-up world does.
    """
    path = np.asarray(plan["path"], float)
    reach = max(3.0, 2.2 + 0.45 * speed)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    x, y = float(np.interp(reach, along, path[:, 0])), float(np.interp(reach, along, path[:, 1]))
    steer = math.atan2(2 * _WHEELBASE_M * y, x * x + y * y) / LIMITS["steer"]
    missing = plan["speed"] - speed
    if missing >= 0:
        acceleration = min(1.0, missing / (0.6 * LIMITS["accelerate"]))
    else:
        strength = 2.2 if not plan["hurry"] else 6.0
        acceleration = max(-1.0, strength * missing / (1.2 * LIMITS["brake"]))
        if plan["speed"] < 0.3 and speed > 0.1:
            acceleration = min(acceleration, -0.25)
    return float(np.clip(steer, -1, 1)), float(acceleration)
