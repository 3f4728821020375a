"""Do conformal intervals and sets hold what they say on real tables, at random and under a split by time?

    python benchmarks/conformal_coverage.py

Boosted trees with defaults; of the rows that do not train, half calibrate and half measure. Splits by time train on the
first 60 % of the rows, calibrate on the next 20 % and measure on the last 20 %. Ten seeds where a split is drawn.
Writes `benchmarks/results/conformal_coverage.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import longspan as ls
from longspan import datasets
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "conformal_coverage.json"
SETS = {
    "adult-small": ("salary", []),
    "california-housing": ("median_house_value", []),
    "diamonds": ("price", []),
    "bike-sharing": ("cnt", ["casual", "registered", "instant"]),
}
SEEDS = 10


def measure(table: ls.Table, target: str, rows: np.ndarray) -> dict[str, float]:
    """Coverage on the last fifth of `rows` after training on the first three, in their order."""
    count = len(rows)
    train, known, new = np.split(rows, [int(count * 0.6), int(count * 0.8)])
    task = ls.Task(table.take(train).split(valid=0.05), "features", target, allow_leaks=True)
    trees = ls.Boosting().train(task)
    found = ls.conformal(trees, table.take(known), target, coverage=0.9).measure(trees, table.take(new))
    return {"rows": found.rows, "covered": round(found.covered, 4), "mean_size": round(found.mean_size, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    results = []
    for name, (target, left_out) in SETS.items():
        table = datasets.load(name).with_features([target, *left_out])
        runs = [measure(table, target, np.random.default_rng(seed).permutation(len(table))) for seed in range(SEEDS)]
        covered = [each["covered"] for each in runs]
        results.append(
            {
                "set": name, "split": "at random", "runs": runs,
                "mean": round(float(np.mean(covered)), 4), "std": round(float(np.std(covered, ddof=1)), 4),
            }
        )  # fmt: skip
        if name == "bike-sharing":
            results.append({"set": name, "split": "by time", **measure(table, target, np.arange(len(table)))})
        print(results[-1 if name != "bike-sharing" else -2]["set"], covered, results[-1])
    RESULTS.write_text(
        json.dumps(
            {
                "command": "python benchmarks/conformal_coverage.py",
                "coverage": 0.9,
                "results": results,
                "environment": describe_environment(),
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
