"""Do forecasts beyond the largest size hold on real learning curves?

    python benchmarks/extrapolation.py            # check half
    python benchmarks/extrapolation.py --learn    # prints weights and scales, from the development half

`lcdb_curves.parquet` (folder of `LONGSPAN_DATA`), data sets in ascending order of their OpenML number: every second one
from the first is the development half, where weights and scales are learned; the others are the check half. A study is
one learner on one data set with 4, 6 or 9 sizes and 3, 5 or 10 seeds; what is true is the mean over all seeds (20 or
more) at 2 and at 4 times its largest size. Every data set counts the same. Intervals of fractions come from the
bootstrap over data sets. Writes `benchmarks/results/extrapolation.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from longspan.study.statistics.extrapolation import FORECASTS, extrapolate, forecast_centers, forecast_spread

RESULTS = Path(__file__).parent / "results" / "extrapolation.json"
LEAST_SEEDS, COUNTS, SEEDS = 20, (4, 6, 9), (3, 5, 10)


def studies(half: str, *, of_each: int, seed: int) -> list[dict[str, Any]]:
    """Studies of `of_each` windows per data set."""
    frame = pl.read_parquet(Path(os.environ.get("LONGSPAN_DATA", ".")) / "lcdb_curves.parquet")
    numbers = sorted(frame["dataset"].unique().to_list())
    rng, found = np.random.default_rng(seed), []
    for number in numbers[0::2] if half == "development" else numbers[1::2]:
        curves = {}
        for (learner,), part in frame.filter(pl.col("dataset") == number).group_by(["learner"], maintain_order=True):
            by_size = {
                int(size): rows["error"].to_numpy()
                for (size,), rows in part.sort("rows").group_by(["rows"], maintain_order=True)
                if len(rows) >= LEAST_SEEDS
            }
            if len(by_size) >= 8:
                curves[learner] = by_size
        for _ in range(of_each if curves else 0):
            learner = list(curves)[int(rng.integers(len(curves)))]
            sizes = np.array(list(curves[learner]))
            ends = [
                k for k in range(3, len(sizes)) if np.abs(np.log(sizes[k + 1 :] / sizes[k] / 2)).min(initial=9) < 0.1
            ]
            if not ends:
                continue
            end, count, seeds = int(rng.choice(ends)), int(rng.choice(COUNTS)), int(rng.choice(SEEDS))
            start = int(rng.integers(0, end - 2))
            places = np.unique(np.round(np.linspace(start, end, min(count, end - start + 1))).astype(int))
            tried = sizes[places]
            errors = np.stack([rng.choice(curves[learner][int(size)], seeds, replace=False) for size in tried])
            if not errors[-1].mean() > 0:
                continue
            truth = {}
            for times in (2.0, 4.0):
                near = int(np.argmin(np.abs(np.log(sizes / (times * sizes[end])))))
                if abs(np.log(sizes[near] / (times * sizes[end]))) < 0.1:
                    truth[times] = (int(sizes[near]), float(curves[learner][int(sizes[near])].mean()))
            found.append(
                {"dataset": number, "sizes": tried.astype(float), "errors": errors, "truth": truth, "seeds": seeds}
            )
    return found


def learn(cases: list[dict[str, Any]], times: float) -> dict[str, Any]:
    """Weights and scales of greatest likelihood at one distance."""
    from scipy.optimize import minimize

    centers, noise, truth = [], [], []
    for case in cases:
        if times not in case["truth"] or case["truth"][times][1] <= 0:
            continue
        size, error = case["truth"][times]
        mean, count = case["errors"].mean(axis=1), case["errors"].shape[1]
        spread = case["errors"].std(axis=1, ddof=1) / np.maximum(mean, 1e-12)
        centers.append(forecast_centers(case["sizes"], mean[None], np.array([float(size)]))[0, :, 0])
        noise.append(np.sqrt(np.mean(spread**2)) / np.sqrt(count))
        truth.append(np.log(error))
    center, error, target = np.array(centers), np.array(noise), np.array(truth)

    def loss(free: np.ndarray) -> float:
        weights = np.exp(free[:5] - free[:5].max())
        weights = weights / weights.sum()
        wide = 1 / (1 + np.exp(-free[8]))
        sd = np.maximum(forecast_spread(center, error, np.exp(free[5:8])), 1e-4)[:, None]
        z = (target[:, None] - center) / sd
        density = (1 - wide) * np.exp(-0.5 * z**2) / sd + wide * np.exp(-0.5 * (z / 3) ** 2) / (3 * sd)
        return -float(np.mean(np.log(density @ weights + 1e-12))) + 1e-3 * float(np.sum(free[:5] ** 2))

    best = minimize(loss, np.array([0.0] * 5 + [-3.5, -0.7, 0.0, -1.0]), method="L-BFGS-B", bounds=[(-8, 8)] * 9)
    weights = np.exp(best.x[:5]) / np.exp(best.x[:5]).sum()
    scales = [*np.exp(best.x[5:8]), 1 / (1 + np.exp(-best.x[8]))]
    return {
        "cases": len(target), "log_density": round(-best.fun, 4),
        "weights": [round(float(each), 3) for each in weights], "scales": [round(float(each), 4) for each in scales],
    }  # fmt: skip


def check(cases: list[dict[str, Any]], times: float) -> dict[str, Any]:
    """How often 80 % intervals hold, how wide they are, and how far off the middle and single forecasts are."""
    rows = []
    for case in cases:
        if times not in case["truth"]:
            continue
        size, truth = case["truth"][times]
        found = extrapolate(
            case["sizes"], case["errors"], size, largest=1.0, beyond=True
        )  # sizes of the data are rounded
        low, high = found.interval(0.8)
        off = np.abs(np.array([found.quantile(0.5), *np.exp(found.centers)]) - truth)
        rows.append((case["dataset"], low <= truth <= high, np.log(high / low), truth < low, case["seeds"], *off))
    table = np.array(rows, dtype=np.float64)
    rng, numbers = np.random.default_rng(0), np.unique(table[:, 0])
    held = np.array([table[table[:, 0] == number, 1].mean() for number in numbers])
    drawn = held[rng.integers(0, len(held), (2000, len(held)))].mean(axis=1)
    return {
        "studies": len(table), "data_sets": len(numbers), "held_at_80": round(float(held.mean()), 3),
        "held_interval_95": [round(float(each), 3) for each in np.quantile(drawn, [0.025, 0.975])],
        "held_by_seeds": {n: round(float(table[table[:, 4] == n, 1].mean()), 3) for n in SEEDS},
        "below_the_interval": round(float(table[:, 3].mean()), 3),
        "median_high_over_low": round(float(np.exp(np.median(table[:, 2]))), 3),
        "mean_absolute_error": {
            name: round(float(value), 5)
            for name, value in zip(("median of the mixture", *FORECASTS), table[:, 5:].mean(axis=0), strict=True)
        },
    }  # fmt: skip


def main() -> None:
    """Learn, or check and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--half", choices=("development", "check"), default="check")
    parser.add_argument("--of-each", type=int, default=25, help="studies per data set")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    began = time.process_time()
    if arguments.learn:
        cases = studies("development", of_each=arguments.of_each, seed=1)
        for times in (2.0, 4.0):
            print(times, json.dumps(learn(cases, times)))
        return
    from longspan.report import describe_environment

    cases = studies(arguments.half, of_each=arguments.of_each, seed=2)
    found: dict[str, Any] = {
        "command": ("python benchmarks/extrapolation.py " + " ".join(sys.argv[1:])).strip(), "half": arguments.half,
        **{f"{times:g} times the largest size": check(cases, times) for times in (2.0, 4.0)},
        "processor_seconds": round(time.process_time() - began, 1), "environment": describe_environment(),
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
