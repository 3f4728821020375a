"""Frames of an expert on made-up roads: what the sensors saw, what the expert did, and what the ground truth was."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import longspan as ls
from longspan.columns import Raw
from longspan.control.road import RoadConfig, make_road
from longspan.control.road.environment import RoadEnvironment
from longspan.control.road.expert import Expert
from longspan.control.road.sensors import LIDAR_ANGLES, LIDAR_REACH_M
from longspan.control.road.track import LANE_M
from longspan.randomness import step_seed

__all__ = [
    "ACTIONS", "AFFORDANCES", "LANE", "LANE_AT_M", "affordances", "birds_eye", "inputs_of", "record_frames", "to_table",
]  # fmt: skip

LANE_AT_M = (0, 6, 12, 20, 30)
LANE = tuple(f"lane_{at}" for at in LANE_AT_M)
"""How far to the left the middle of the lane is, so many metres ahead."""
AFFORDANCES = (*LANE, "gap", "gap_pace", "intrusion")
"""What a driver must know (Chen et al. 2015, DeepDriving, section 3): the lane; metres to whoever is ahead in it, and
their pace; and how far whoever stands at its side reaches into it."""
ACTIONS = ("steer", "accelerate")
GAP_M = 40.0
_EVERY = 2  # steps from a frame to the next: five a second
_GRID = (48, 96)  # of the view from above: 60 m ahead, 24 m to either side


def record_frames(
    count: int,
    *,
    seed: int,
    config: RoadConfig,
    driver: Callable[[dict[str, np.ndarray]], np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Frames with the expert's action in each, as arrays; see `to_table`.

    Args:
        count: How many.
        seed: Roads of a recording are never those of an evaluation.
        config: Of the roads.
        driver: Who drives, by what the sensors see; the expert says what it would have done (DAgger). None: the expert.
    """
    environment = make_road(config)
    expert = Expert()
    cells: dict[str, list[Any]] = {}
    road = 0
    while len(cells.get("steer", ())) < count:
        seen, info = environment.reset(seed=2 * (step_seed(seed, "recording", road) % (1 << 30)))
        road += 1
        expert.reset()
        if driver is not None and hasattr(driver, "reset"):
            driver.reset()  # type: ignore[attr-defined]
        for step in range(1500):
            action = expert(info["truth"])
            if step % _EVERY == 0:
                row = {**inputs_of(seen), **affordances(info["truth"], environment), "steer": action[0],
                       "accelerate": action[1]}  # fmt: skip
                for name, value in row.items():
                    cells.setdefault(name, []).append(value)
                if len(cells["steer"]) == count:
                    break
            seen, _, over, _, info = environment.step(action if driver is None else driver(seen))
            if over:
                break
    return {name: np.stack(values) for name, values in cells.items()}


def to_table(arrays: dict[str, np.ndarray]) -> ls.Table:
    """Images as arrays, numbers as columns; `source` says that all is made up."""
    images = {name: ls.Image(channels=3) for name in ("camera", "above")}
    numbers = {name: ls.Number() for name in arrays if name not in images}
    rows = len(arrays["steer"])
    cells = {name: value if name in images else value.astype(float).tolist() for name, value in arrays.items()}
    return ls.Table.from_arrays({**cells, "source": ["made up"] * rows}, {**images, **numbers, "source": Raw()})


def inputs_of(seen: dict[str, np.ndarray]) -> dict[str, Any]:
    """What networks read of an observation."""
    return {
        "camera": seen["camera"], "above": birds_eye(seen["lidar"], seen["radar"]), "speed": float(seen["speed"][0]),
        "limit": float(seen["limit"][0]),
    }  # fmt: skip


def birds_eye(ranges: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Lidar and radar from above, `(48, 96, 3)` uint8: where beams end, where targets are, and their radial speed."""
    image = np.zeros((*_GRID, 3), np.uint8)
    hit = ranges < LIDAR_REACH_M - 0.5
    places = [(ranges[hit], LIDAR_ANGLES[hit], 0, np.full(int(hit.sum()), 255))]
    there = targets[targets[:, 3] > 0]
    places.append((there[:, 0], there[:, 1], 1, np.full(len(there), 255)))
    places.append((there[:, 0], there[:, 1], 2, np.clip(128 + 6 * there[:, 2], 1, 255)))
    for distance, angle, channel, value in places:
        row = _GRID[0] - 1 - np.round(distance * np.cos(angle) / 60 * _GRID[0]).astype(int)
        column = _GRID[1] // 2 - 1 - np.round(distance * np.sin(angle) * 2).astype(int)
        inside = (row >= 0) & (row < _GRID[0]) & (column >= 0) & (column < _GRID[1])
        image[row[inside], column[inside], channel] = np.asarray(value)[inside]
    return image


def affordances(ground_truth: dict[str, Any], environment: RoadEnvironment) -> dict[str, float]:
    """The true `AFFORDANCES` of a moment."""
    world = environment.world
    lane = ground_truth["lane"]
    found: dict[str, float] = {name: float(lane[at // 2, 1]) for name, at in zip(LANE, LANE_AT_M, strict=True)}
    gap, pace, intrusion = GAP_M, ground_truth["limit"], 0.0
    numbers = ground_truth["others"]["number"]
    for number in numbers:
        ahead = float(world.s[number] - world.own_s)
        if not -4 < ahead < GAP_M:
            continue
        right_edge, left_edge = (float(world.d[number]) + side * float(world.size[number, 1]) / 2 for side in (-1, 1))
        person = world.kind[number] == 3
        if not person and left_edge < -LANE_M + 1.9:
            if ahead < 28:
                intrusion = max(intrusion, left_edge + LANE_M - 0.5)
        elif right_edge < (1.2 if person else -0.7) and left_edge > -LANE_M - (0.3 if person else 0.0):
            free = ahead - float(world.size[number, 0]) / 2 - 2.2
            if ahead > 0 and free < gap:
                gap, pace = max(0.0, free), float(world.along[number])
    return {**found, "gap": gap, "gap_pace": pace, "intrusion": min(2.0, max(0.0, intrusion))}


def lane_path(*beside: float) -> np.ndarray:
    """The middle of the lane at `AHEAD_M` from what `LANE` says: a smooth curve through its points."""
    slope = np.polyfit(LANE_AT_M, np.array(beside, float), 3)
    s = np.arange(0.0, 62.0, 2.0)
    y = np.polyval(slope, np.minimum(s, 30.0))
    end = float(np.clip(np.polyval(np.polyder(slope), 30.0), -0.9, 0.9))
    y = y + np.maximum(s - 30.0, 0.0) * end
    turn = np.clip(np.gradient(y, 2.0), -0.95, 0.95)
    x = np.concatenate([[0.0], np.cumsum(2 * np.sqrt(1 - turn**2))[:-1]])
    assert len(x) == len(y)
    return np.stack([x, y], 1)


def lane_error_m(lane: np.ndarray, ground_truth: np.ndarray) -> float:
    """Mean distance sideways between two lanes over the first 30 m."""
    return float(np.abs(lane[:16, 1] - ground_truth[:16, 1]).mean()) if len(lane) else math.nan
