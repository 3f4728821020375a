"""How many planted wrong labels are among the 5 % most suspicious rows, on photos?

    OMP_NUM_THREADS=2 python benchmarks/planted_labels.py

37 breeds of pets (1,029 photos of `pets-small`; three breeds have 200 photos each, the others 10 to 18), and 10 classes
of CIFAR-10 (3,000 training images). 5 % of the labels are exchanged for another one at random. Every row is judged by
new layers on SqueezeNet's ImageNet features that were not trained on it, in five folds. Rankings: the probability of
the given label minus that of the best other one, out of fold; self-influence (TracIn, last layer) of a network that was
trained on all rows, wrong labels included; the sum of the places in both. Beside them rows at random. Of the wrong
labels that are found among the first 5 % the mean over seeds of labels, folds and training. Writes
`benchmarks/results/planted_labels.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import longspan as ls
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "planted_labels.json"
SHARE, FOLDS, EPOCHS, IMAGES = 0.05, 5, 6, 3000
SIZES_PX = {"pets": 160, "cifar10": 96}


def rows_of(name: str, limit: int | None) -> tuple[ls.Table, str]:
    """The photos and the column of their class."""
    if name == "pets":
        table, target = ls.datasets.load("pets-small"), "breed"
    else:
        table, target = ls.datasets.load("cifar10"), "label"
        table = table.take(np.flatnonzero(np.asarray(table.column_values("part")) == "train"))
        table = table.sample(IMAGES, seed=0)
    return (table if limit is None else table.sample(limit, seed=0)), target


def planted(labels: list[str], seed: int) -> tuple[list[str], set[int]]:
    """The labels with 5 % of them exchanged for another one, and the rows where."""
    rng = np.random.default_rng(seed)
    names = sorted(set(labels))
    rows = rng.choice(len(labels), round(SHARE * len(labels)), replace=False).tolist()
    changed = list(labels)
    for row in rows:
        changed[row] = str(rng.choice([name for name in names if name != labels[row]]))
    return changed, set(rows)


def recipe(target: str) -> ls.Recipe:
    """New layers on frozen features."""
    return ls.Recipe(
        "squeezenet1_1",
        weights="imagenet",
        phases=(ls.Phase(epochs=EPOCHS, lr=2e-3, frozen=1.0),),
        heads={target: ls.Classify(dropout=0.3)},
        config=ls.TrainConfig(batch_size=32, weight_decay=0.05, keep="last"),
    )


def rankings(table: ls.Table, target: str, size_px: int, seed: int) -> dict[str, list[int]]:
    """Rows from the most to the least suspicious, by each ranking."""
    result = ls.cross_validate(
        table, "image", target, recipe(target), folds=FOLDS, seed=seed, size_px=size_px, allow_leaks=True
    )
    scores, head = result.scores, result.heads[target]
    probabilities = head.class_scores(scores.predictions[target]).numpy()
    given = scores.targets[target].numpy().astype(int)
    own = probabilities[np.arange(len(given)), given].copy()
    probabilities[np.arange(len(given)), given] = -1
    margin = own - probabilities.max(axis=1)
    task = ls.Task(table.split(valid=0, seed=seed), "image", target, size_px=size_px, allow_leaks=True)
    learner = recipe(target).train(task, seed=seed)
    orders = {
        "out of fold": np.asarray(scores.rows)[np.argsort(margin, kind="stable")].tolist(),
        "self-influence": [row for row, _ in ls.explain.self_influence(learner, table, target)],
    }
    ranks = sum(np.argsort(np.asarray(order)) for order in orders.values())  # of each row its places in both orders
    return {
        **orders,
        "both": np.argsort(ranks, kind="stable").tolist(),
        "at random": np.random.default_rng(seed).permutation(len(table)).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=tuple(SIZES_PX), default=tuple(SIZES_PX))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="only so many rows, for a quick look; writes nothing")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for name in options.data:
        table, target = rows_of(name, options.limit)
        labels = [str(each) for each in table.column_values(target)]
        runs = []
        for seed in range(options.seeds):
            changed, wrong = planted(labels, seed)
            started = time.perf_counter()
            found = rankings(
                table.with_column(target, ls.Category(), changed), target, SIZES_PX[name], seed
            )  # fmt: skip
            first = round(SHARE * len(labels))
            shares = {how: len(wrong.intersection(rows[:first])) / len(wrong) for how, rows in found.items()}
            runs.append(
                {"seed": seed, "planted": len(wrong), "seconds": round(time.perf_counter() - started, 1), **shares}
            )
            print(name, runs[-1], flush=True)
        means = {
            how: {
                "mean": round(float(np.mean([run[how] for run in runs])), 4),
                "std": round(float(np.std([run[how] for run in runs], ddof=1)), 4) if len(runs) > 1 else None,
            }
            for how in ("out of fold", "self-influence", "both", "at random")
        }
        results[name] = {"rows": len(labels), "classes": len(set(labels)), "runs": runs, "found": means}
    if options.limit is None:
        RESULTS.write_text(
            json.dumps(
                {
                    "command": f"OMP_NUM_THREADS=2 python benchmarks/planted_labels.py --seeds {options.seeds} "
                    f"--data {' '.join(options.data)}",
                    "share": SHARE, "folds": FOLDS, "epochs": EPOCHS, "size_px": SIZES_PX,
                    "environment": describe_environment(device="cpu", precision="float32"), "results": results,
                },
                indent=1,
            )
            + "\n"
        )  # fmt: skip


if __name__ == "__main__":
    main()
