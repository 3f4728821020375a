"""Does a decision keep its promise although it is looked at after every run? Its rate of wrong claims, and its time.

    python benchmarks/stopping.py                          # ten minutes on one core
    python benchmarks/stopping.py --parts "real, twice"    # one part; the others stay in the file

Each study is run one training at a time until decided at 95 %.

- "real, twice": one learner of the Learning Curve Database against itself with other seeds (`real_curves.py` has the
  data and its halves), 6 sizes, up to 12 seeds: both are equal, so "better" is a wrong claim whichever it names.
- "real, twice, worth 0.01": likewise, with differences below one point of the error not worth having.
- "same", "apart", "crossing": made-up worlds as in `study_coverage.py`: the same curve twice, curves apart by 5 to
  50 %, and crossing curves, with up to 12 seeds.

Beside it stands a paired t-test at the largest size that is looked at after each run without correction. Also the
seconds of a decision at 200 finished runs. Writes `benchmarks/results/stopping.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from real_curves import fraction, load, tried, windows
from study_coverage import STRATEGIES, World, made_up

from longspan.study.statistics.decide import Progress, next_step
from longspan.study.statistics.t_distribution import t_quantile

RESULTS = Path(__file__).parent / "results" / "stopping.json"
SEEDS, LEVEL = 12, 0.95
PARTS = ("real, twice", "real, twice, worth 0.01", "same", "apart", "crossing", "time")


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


def decided(
    errors: np.ndarray, sizes: np.ndarray, seconds: np.ndarray | None = None, worth: float = 0.0
) -> tuple[str, int | None, int, bool]:
    """Why it ended, the choice, the number of runs, and whether an uncorrected t-test would have claimed a winner."""
    seen, took = np.full_like(errors, np.nan), np.full_like(errors, np.nan)
    by_t = False
    while True:
        state = Progress(sizes=sizes, errors=seen, seconds=took, closed=np.zeros_like(seen, dtype=bool))
        found = next_step(state, decide_at=float(sizes[-1]), level=LEVEL, worth=worth)
        if found.run is None:
            return found.reason, found.leader, int(np.isfinite(seen).sum()), by_t
        seen[found.run] = errors[found.run]
        took[found.run] = sizes[found.run[1]] if seconds is None else seconds[found.run]
        apart = seen[0, -1] - seen[1, -1]
        apart = apart[np.isfinite(apart)]
        if len(apart) > 1:
            error = apart.std(ddof=1) / math.sqrt(len(apart))
            by_t = by_t or abs(apart.mean()) > t_quantile((1 + LEVEL) / 2, len(apart) - 1) * error


def worlds(kind: str, count: int, ends: float) -> dict[str, Any]:
    """Decisions in made-up studies of one kind."""
    rng = np.random.default_rng(17)
    wrong: list[bool] = []
    claimed: list[bool] = []
    by_t: list[bool] = []
    runs = []
    for _ in range(count):
        if runs and time.monotonic() > ends:
            break
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


def twice(half: str, count: int, worth: float, ends: float) -> dict[str, Any]:
    """Decisions between a learner and itself, with other seeds."""
    rng, kept = np.random.default_rng(19), []
    for curves in windows(load(half), rng, 6):
        if len(kept) >= count or (kept and time.monotonic() > ends):
            break
        if curves.errors.shape[2] < 2 * SEEDS:
            continue
        places = tried(curves, 6)
        drawn = rng.permutation(curves.errors.shape[2])[: 2 * SEEDS].reshape(2, SEEDS)
        errors, seconds = (
            np.stack([values[0, places][:, seeds] for seeds in drawn]) for values in (curves.errors, curves.seconds)
        )
        kept.append(decided(errors, curves.sizes[places], seconds + 1e-3, worth))
    return {
        "ended": dict(Counter(reason for reason, *_ in kept)),
        "called_better": fraction([reason == "decided" for reason, *_ in kept]),
        "uncorrected_t_test_claims": fraction([by_t for *_, by_t in kept]),
        "median_runs": float(np.median([runs for *_, runs, _ in kept])), "half": half,
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
    parser.add_argument("--minutes", type=float, default=5.0, help="after which a part ends with the studies it has")
    parser.add_argument("--half", choices=("development", "check"), default="check", help="of the real curves")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    from longspan.report import describe_environment

    found: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    found.pop("note", None)
    found["command"] = f"python benchmarks/stopping.py --studies {asked.studies}, in parts"
    found["level"] = LEVEL
    for part in asked.parts:
        began, ends = time.process_time(), time.monotonic() + 60 * asked.minutes
        if part == "time":
            found["decision_at_200_finished_runs"] = overhead()
            continue
        if part.startswith("real"):
            found[part] = twice(asked.half, asked.studies, 0.01 if "worth" in part else 0.0, ends)
        else:
            found[part] = worlds(part, asked.studies, ends)
        found[part]["processor_seconds"] = round(time.process_time() - began, 1)
        print(part, json.dumps(found[part]), flush=True)
        found["environment"] = describe_environment()
        asked.out.write_text(json.dumps(found, indent=1) + "\n")
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
