"""Does a decision keep its promise although it is looked at after every run? Made-up studies, and its own time.

    python benchmarks/stopping.py               # a few minutes on one core

Worlds as in `study_coverage.py`: crossing curves, curves apart by 5 to 50 %, and the same curve twice, with up to 12
seeds. Each is run one training at a time until decided at 95 %. Counted: how often the choice is wrong, and for two
strategies that are the same, how often a decision is claimed at all. A test that is looked at after each run without
correction is beside it: a paired t-test at the largest size. Also the seconds of a decision at 200 finished runs.
Writes `benchmarks/results/stopping.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from real_curves import fraction
from study_coverage import STRATEGIES, World, made_up

from longspan.study.statistics.decide import Progress, next_step
from longspan.study.statistics.t_distribution import t_quantile

RESULTS = Path(__file__).parent / "results" / "stopping.json"
SEEDS, LEVEL = 12, 0.95


def runs_of(world: World, rng: np.random.Generator) -> np.ndarray:
    """`(2, K, R)`: trainings of a made-up study with noise as it has, for as many seeds as a decision may want."""
    own = np.stack(
        [world.frame.filter(strategy=name)["error"].to_numpy().reshape(world.seeds, -1) for name in STRATEGIES]
    )
    means = np.stack([truth(world.sizes) for truth in world.truths])
    noise = max(0.02, float((own.transpose(0, 2, 1) / means[:, :, None]).std(axis=2, ddof=1).mean()))
    both = rng.normal(size=(1, 1, SEEDS)) * math.sqrt(0.3)
    alone = rng.normal(size=(2, len(world.sizes), SEEDS)) * math.sqrt(0.7)
    return means[:, :, None] * np.maximum(1 + noise * (both + alone), 0.05)


def decided(errors: np.ndarray, sizes: np.ndarray) -> tuple[str, int | None, int, bool]:
    """Why it ended, the choice, the number of runs, and whether an uncorrected t-test would have claimed a winner."""
    seen, took = np.full_like(errors, np.nan), np.full_like(errors, np.nan)
    by_t = False
    while True:
        state = Progress(sizes=sizes, errors=seen, seconds=took, closed=np.zeros_like(seen, dtype=bool))
        found = next_step(state, decide_at=float(sizes[-1]), level=LEVEL)
        if found.run is None:
            return found.reason, found.leader, int(np.isfinite(seen).sum()), by_t
        seen[found.run], took[found.run] = errors[found.run], sizes[found.run[1]]
        apart = seen[0, -1] - seen[1, -1]
        apart = apart[np.isfinite(apart)]
        if len(apart) > 1:
            error = apart.std(ddof=1) / math.sqrt(len(apart))
            by_t = by_t or abs(apart.mean()) > t_quantile((1 + LEVEL) / 2, len(apart) - 1) * error


def worlds(kind: str, count: int) -> dict[str, Any]:
    """Decisions in made-up studies of one kind."""
    rng = np.random.default_rng(17)
    wrong: list[bool] = []
    claimed: list[bool] = []
    by_t: list[bool] = []
    runs = []
    for _ in range(count):
        world = made_up(rng, kind=kind)
        reason, leader, spent, alarmed = decided(runs_of(world, rng), world.sizes)
        at = [float(truth(world.sizes[-1])) for truth in world.truths]
        claimed.append(reason == "decided")
        by_t.append(alarmed)
        wrong.append(reason == "decided" and leader is not None and at[leader] > min(at))
        runs.append(spent)
    return {
        "decided": fraction(claimed), "decided_and_wrong": fraction(wrong),
        "uncorrected_t_test_claims": fraction(by_t), "median_runs": float(np.median(runs)),
    }  # fmt: skip


def overhead() -> dict[str, float]:
    """Seconds of one decision among 4 strategies, 5 sizes and 20 seeds, half of whose 400 runs are finished."""
    rng = np.random.default_rng(0)
    sizes = np.array([100, 200, 400, 800, 1600])
    errors = 0.3 * (sizes / 100.0)[None, :, None] ** -0.4 * (1 + 0.05 * rng.normal(size=(4, 5, 20)))
    errors[:, :, 10:] = np.nan
    seconds = np.where(np.isfinite(errors), sizes[None, :, None] / 100.0, np.nan)
    state = Progress(sizes=sizes, errors=errors, seconds=seconds, closed=np.zeros_like(errors, dtype=bool))
    times = []
    for _ in range(7):
        began = time.process_time()
        next_step(state, decide_at=1600.0, level=0.999)
        times.append(time.process_time() - began)
    return {"processor_seconds_median": round(float(np.median(times)), 3), "worst": round(max(times), 3)}


def main() -> None:
    """Run all parts, print and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    from longspan.report import describe_environment

    began = time.process_time()
    found: dict[str, Any] = {"command": f"python benchmarks/stopping.py --studies {asked.studies}", "level": LEVEL}
    found["decision_at_200_finished_runs"] = overhead()
    for kind in ("same", "apart", "crossing"):
        found[kind] = worlds(kind, asked.studies)
        print(kind, json.dumps(found[kind]), flush=True)
    found["processor_seconds"] = round(time.process_time() - began, 1)
    found["environment"] = describe_environment()
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
