"""The expert: the planner and controller of the staged driver, with the ground truth in place of perception."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from longspan.control.road.plan import TIMES_S, Planner, control, predict

__all__ = ["Expert", "true_future", "true_objects"]


def true_objects(ground_truth: dict[str, Any]) -> list[dict[str, Any]]:
    """All others as the tracker would give them, without errors, and with their angles."""
    others = ground_truth["others"]
    names = ("x", "y", "vx", "vy", "length", "width", "angle")
    return [{name: float(others[name][i]) for name in names} for i in range(len(others["kind"]))]


def true_future(ground_truth: dict[str, Any]) -> np.ndarray:
    """Where others will be: as `predict`, but along the road, which bends, instead of straight on."""
    others, lane = ground_truth["others"], ground_truth["lane"]
    future = predict(true_objects(ground_truth))
    step = np.hypot(*np.diff(lane, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(step)])
    tangent = np.gradient(lane, axis=0)
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    for i in range(len(others["kind"])):
        if others["kind"][i] not in (1, 2):
            continue
        nearest = int(np.hypot(lane[:, 0] - others["x"][i], lane[:, 1] - others["y"][i]).argmin())
        if nearest in (0, len(lane) - 1):
            continue
        aside = (others["y"][i] - lane[nearest, 1]) * np.cos(heading[nearest]) - (
            others["x"][i] - lane[nearest, 0]
        ) * np.sin(heading[nearest])
        pace = others["vx"][i] * np.cos(heading[nearest]) + others["vy"][i] * np.sin(heading[nearest])
        s = along[nearest] + pace * TIMES_S
        inside = (s >= 0) & (s <= along[-1])
        angle = np.interp(s, along, heading)
        x = np.interp(s, along, lane[:, 0]) - aside * np.sin(angle)
        y = np.interp(s, along, lane[:, 1]) + aside * np.cos(angle)
        future[i, inside, 0], future[i, inside, 1], future[i, inside, 4] = x[inside], y[inside], angle[inside]
    return future


@final
class Expert:
    """Drives by the ground truth; a policy of `info["truth"]`, not of what sensors see."""

    def __init__(self) -> None:
        """A new drive."""
        self.planner = Planner()

    def reset(self) -> None:
        """A new drive."""
        self.planner.reset()

    def __call__(self, ground_truth: dict[str, Any]) -> np.ndarray:
        """Steering and acceleration, each -1..1."""
        plan = self.planner(
            ground_truth["lane"], true_future(ground_truth), ground_truth["speed"], ground_truth["limit"]
        )
        return np.array(control(plan, ground_truth["speed"]), np.float32)
