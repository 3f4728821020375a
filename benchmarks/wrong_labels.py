"""How many planted wrong labels does the list of "probably wrong labels" find, and how many of its rows are wrong?

    OMP_NUM_THREADS=1 python benchmarks/wrong_labels.py

Handwritten digits (scikit-learn's 1,797). A share of the labels is exchanged for another digit at random; a small
network is trained on these labels in five folds, and every row is judged by the network that did not see it, as
`longspan train SOURCE --folds 5` does. Beside it, with lists of the same length: rows drawn at random, and the rows to
whose label a logistic regression, in as many folds, gives the lowest probability. Three seeds of labels, folds and
training. Writes `benchmarks/results/wrong_labels.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import longspan as ls
from longspan import datasets
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "wrong_labels.json"
SHARES, SEEDS, FOLDS, EPOCHS = (0.02, 0.05, 0.10), (0, 1, 2), 5, 10


def planted(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, set[int]]:
    """The labels with a share of them exchanged for another one, and the rows where."""
    rng = np.random.default_rng([seed, round(share * 1000)])
    rows = rng.choice(len(labels), round(share * len(labels)), replace=False)
    changed = labels.copy()
    changed[rows] = (labels[rows] + rng.integers(1, 10, len(rows))) % 10
    return changed, set(rows.tolist())


def listed(images: np.ndarray, labels: np.ndarray, seed: int) -> list[int]:
    """The rows whose label is probably wrong, the surest first."""
    table = ls.Table.from_arrays({"image": images, "digit": labels}, {"image": ls.Image(), "digit": ls.Category()})
    recipe = ls.Recipe("lenet5", epochs=EPOCHS, lr=3e-3, config=ls.TrainConfig(batch_size=32))
    result = ls.cross_validate(table, "image", "digit", recipe, folds=FOLDS, seed=seed, allow_leaks=True)
    return [each.row for each in result.suspect_labels()]


def least_likely(images: np.ndarray, labels: np.ndarray, seed: int) -> list[int]:
    """All rows, in the order of the probability that a logistic regression gives to their label."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    pixels = images.reshape(len(images), -1) / 255
    found = cross_val_predict(LogisticRegression(max_iter=300), pixels, labels, cv=folds, method="predict_proba")
    return np.argsort(found[np.arange(len(labels)), labels]).tolist()


def judged(rows: list[int], wrong: set[int]) -> dict[str, float]:
    """Of the planted labels those that are listed, and of the listed rows those that were planted."""
    hits = len(wrong.intersection(rows))
    return {"listed": len(rows), "found": round(hits / len(wrong), 4), "right": round(hits / max(1, len(rows)), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    digits = datasets.load("digits")
    images = np.repeat(np.repeat(digits.arrays["image"], 2, axis=1), 2, axis=2)  # 16 px: lenet5 pools twice
    labels = np.asarray(digits.column_values("digit"))
    results = []
    for share in SHARES:
        runs = []
        for seed in SEEDS:
            changed, wrong = planted(labels, share, seed)
            rows = listed(images, changed, seed)
            drawn = np.random.default_rng(seed).choice(len(labels), len(rows), replace=False).tolist()
            runs.append(
                {
                    "seed": seed, "planted": len(wrong), "longspan": judged(rows, wrong),
                    "logistic regression": judged(least_likely(images, changed, seed)[: len(rows)], wrong),
                    "at random": judged(drawn, wrong),
                }
            )  # fmt: skip
            print(share, runs[-1], flush=True)
        means = {
            way: {
                what: {
                    "mean": round(float(np.mean([run[way][what] for run in runs])), 4),
                    "std": round(float(np.std([run[way][what] for run in runs], ddof=1)), 4),
                }
                for what in ("found", "right")
            }
            for way in ("longspan", "logistic regression", "at random")
        }
        results.append({"share": share, "rows": len(labels), "runs": runs, **means})
    RESULTS.write_text(
        json.dumps(
            {
                "command": "OMP_NUM_THREADS=1 python benchmarks/wrong_labels.py", "folds": FOLDS, "epochs": EPOCHS,
                "network": "lenet5", "environment": describe_environment(), "results": results,
            },
            indent=1,
        )
        + "\n",
        encoding="utf-8",
    )  # fmt: skip


if __name__ == "__main__":
    main()
