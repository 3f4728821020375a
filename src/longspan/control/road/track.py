"""The middle line of a made-up road: headings between drawn knots, so that it bends and never crosses itself."""

from __future__ import annotations

from typing import final

import numpy as np

from longspan.randomness import step_seed

__all__ = ["LANE_M", "Track"]

LANE_M = 3.5
"""Width of each of the two lanes; people drive on the right."""
_KNOT_M = 45.0
_BEYOND_M = 120.0  # road past the end, so that the sensors see some


@final
class Track:
    """Places along a road, a metre apart.

    Coordinates of the road: `s` in metres along its middle line, `d` in metres to the left of it. The own lane has its
    middle at d = -1.75.
    """

    def __init__(self, seed: int, length_m: float, bend_deg: float) -> None:
        """Draw the road.

        Args:
            seed: The same seed, the same road.
            length_m: From the start to the end.
            bend_deg: Largest angle between the road and its general direction.
        """
        random = np.random.default_rng(step_seed(seed, "road", 0))
        self.length_m = length_m
        self.s = np.arange(0.0, length_m + 2 * _BEYOND_M)
        knots = random.uniform(-1, 1, int(self.s[-1] / _KNOT_M) + 3) * np.deg2rad(bend_deg)
        knots[:2] = 0.0
        place = self.s / _KNOT_M
        before = place.astype(int)
        smooth = (1 - np.cos(np.pi * (place - before))) / 2
        self.heading = knots[before] + smooth * (knots[before + 1] - knots[before])
        self.curvature = np.gradient(self.heading)
        step = np.stack([np.cos(self.heading), np.sin(self.heading)], 1)
        self.xy = np.concatenate([[[0.0, 0.0]], np.cumsum((step[1:] + step[:-1]) / 2, 0)])

    def place(self, s: float | np.ndarray, d: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(..., 2)` places in the world, and the headings of the road there."""
        s, d = np.broadcast_arrays(np.asarray(s, float), np.asarray(d, float))
        at = np.clip(s, 0, self.s[-1] - 1)
        heading = np.interp(at, self.s, self.heading)
        x = np.interp(at, self.s, self.xy[:, 0]) - d * np.sin(heading)
        y = np.interp(at, self.s, self.xy[:, 1]) + d * np.cos(heading)
        return np.stack([x, y], -1), heading

    def locate(self, xy: np.ndarray, near_s: float) -> tuple[float, float]:
        """`s` and `d` of a place that is within 20 m of `near_s`."""
        first = max(0, int(near_s) - 20)
        window = self.xy[first : int(near_s) + 21]
        index = first + int(((window - xy) ** 2).sum(1).argmin())
        heading = self.heading[index]
        apart = xy - self.xy[index]
        along = apart[0] * np.cos(heading) + apart[1] * np.sin(heading)
        return float(self.s[index] + along), float(apart[1] * np.cos(heading) - apart[0] * np.sin(heading))
