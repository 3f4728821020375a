"""The made-up road: metres between faults of the expert, and steps a second: benchmarks/results/road.json.

python benchmarks/road.py [--roads 100]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from longspan.control.road import RoadConfig, make_road
from longspan.control.road.expert import Expert
from longspan.report import describe_environment

_RESULT = Path(__file__).parent / "results" / "road.json"


def expert_drives(roads: int) -> dict[str, object]:
    environment, expert = make_road(RoadConfig(), sensors=()), Expert()
    metres, steps, faults = 0.0, 0, []
    for seed in range(roads):
        _, info = environment.reset(seed=seed)
        expert.reset()
        over = False
        while not over and steps < 10_000 * roads:
            _, _, over, _, info = environment.step(expert(info["truth"]))
            metres, steps = metres + info["driven_m"], steps + 1
            faults += [info["fault"]] if info["fault"] else []
    return {
        "km": round(metres / 1000, 2), "faults": len(faults), "kinds": sorted(set(faults)),
        # Without a fault in n km, fewer than 3 / n a km with 95 % (the rule of three, Hanley and Lippman-Hand 1983).
        "km between faults, lower bound at 95 %": round(metres / 1000 / 3, 1) if not faults else None,
        "mean speed, m/s": round(10 * metres / steps, 2),
    }  # fmt: skip


def steps_per_second(sensors: tuple[str, ...], steps: int = 1000) -> float:
    environment = make_road(sensors=sensors)
    environment.reset(seed=0)
    action = np.array([0.0, 0.1])
    begun = time.process_time()
    for _ in range(steps):
        _, _, over, _, _ = environment.step(action)
        if over:
            environment.reset(seed=1)
    return steps / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roads", type=int, default=100)
    roads = parser.parse_args().roads
    result = {
        "what": "made up: a road, an expert that knows the ground truth",
        "command": f"python benchmarks/road.py --roads {roads}",
        "expert": expert_drives(roads),
        "steps per second of processor time": {
            name: round(steps_per_second(sensors))
            for name, sensors in {
                "lidar and radar": ("lidar", "radar"), "camera, lidar and radar": ("camera", "lidar", "radar"),
            }.items()
        },
        "environment": describe_environment(device="cpu", precision="float64"),
    }  # fmt: skip
    _RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
