"""One network for two targets, of which one is mostly missing, beside two networks; at two network sizes.

    LONGSPAN_DATA=../shared/data python benchmarks/multitask.py [--jobs 2]

MNIST: every training row says whether the digit is even; only one row in five says which digit it is. Errors are those
on 5,000 of the official test digits, means over seeds with 95 % intervals, and the probability that together errs less,
paired by seed. A study file beside the result keeps what is finished.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

import longspan as ls
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "multitask.json"
SIZES, SEEDS, STEPS = [500, 2000], 5, 400
WIDTHS = {"small": 4, "large": 16}


def make_task() -> ls.Task:
    digits = ls.datasets.load("mnist")
    parts = np.asarray(digits.column_values("part"))
    rng = np.random.default_rng(0)
    train = rng.permutation(np.flatnonzero(parts == "train"))[: max(SIZES)]
    test = rng.permutation(np.flatnonzero(parts == "test"))[:5000]
    rows = digits.take(np.concatenate([train, test]))
    known = np.concatenate([np.arange(len(train)) % 5 == 0, np.ones(len(test), bool)])
    labels = [int(value) for value in rows.column_values("digit")]
    rows = rows.with_column("even", ls.Category(), [label % 2 == 0 for label in labels])
    given = [label if there else None for label, there in zip(labels, known, strict=True)]
    rows = rows.with_column("digit", ls.Category(), given)
    rows = rows.with_column("role", ls.Category(), ["train"] * len(train) + ["valid"] * len(test))
    return ls.Task(rows.split(column="role"), inputs="image", targets=["digit", "even"], allow_leaks=True)


def main() -> None:
    """Run the study and write what it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scratch", type=Path, default=None, help="folder that keeps the study file")
    arguments = parser.parse_args()
    strategies = {}
    for name, width in WIDTHS.items():
        recipe = ls.Recipe(ls.SmallResNetConfig(blocks=1, width=width), lr=5e-3, config=ls.TrainConfig(batch_size=32))
        strategies |= {f"together, {name}": recipe, f"apart, {name}": ls.SingleTask(recipe)}
    task = make_task()
    with tempfile.TemporaryDirectory() as folder:
        path = (arguments.scratch or Path(folder)) / "multitask.sqlite"
        study = ls.Study(task, strategies, SIZES, SEEDS, budget=ls.Budget(steps=STEPS), path=path, threads=1)
        study.run(jobs=arguments.jobs)
        found = {
            "command": "python benchmarks/multitask.py",
            "rows used": {
                "training rows": SIZES,
                "with a digit": [sum(n % 5 == 0 for n in range(size)) for size in SIZES],
                "note": "subsets are random, so about one row in five has a digit; all have a parity",
            },
            "steps": STEPS,
            "seeds": SEEDS,
            "curves": {
                target: {name: curve.to_json() for name, curve in study.curves(target).items()}
                for target in task.target_names
            },
            "together errs less": {
                f"{target}, {name}": [
                    asdict(comparison)
                    for comparison in study.compare(f"together, {name}", f"apart, {name}", target=target)
                ]
                for target in task.target_names
                for name in WIDTHS
            },
            "environment": describe_environment(),
        }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    for target in task.target_names:
        for name, curve in study.curves(target).items():
            print(target, name, [(point.size, round(point.mean, 4)) for point in curve.points])


if __name__ == "__main__":
    main()
