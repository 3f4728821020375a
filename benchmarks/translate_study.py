"""BLEU of the strategies of system translate with more and more training sentences, and which of two is ahead.

python benchmarks/translate_study.py --runs runs/translate --out benchmarks/results/translate_study.json
python benchmarks/translate_study.py --sizes 1000 --strategies staged word-by-word --runs runs/short --out FILE

A network sees 28 epochs of all 29,000 sentences, and more of fewer: 28 times the root of 29,000 / sentences, up to 60.
Validation chooses the epoch. Each run has a folder of its own; a run that is there is not run again, and one that was
stopped goes on. What --out holds of other strategies and sizes stays there; "environment" is that of the latest call,
and each run has its processor.

Differences have intervals over test sentences (paired bootstrap); that of another training is not in them, unless
--seeds says so.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
from pathlib import Path

import numpy as np

from longspan.metrics.translation import BleuCounts
from longspan.report.environment import describe_environment
from longspan.systems import SystemRun, find_system
from longspan.systems.translate import TRANSLATIONS, TranslateOptions

ALL = 29_000
EPOCHS, MOST_EPOCHS = 28, 60
SIZES = (1000, 3000, 10_000, ALL)
STRATEGIES = ("word-by-word", "staged", "middle", "transformer", "gru")
NETWORKS = ("middle", "transformer", "gru")
TESTS = ("test2016", "test2017")
DRAWS = 2000


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", required=True, help="folder for the runs")
    options.add_argument("--out", required=True)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options.add_argument("--strategies", nargs="+", default=STRATEGIES, choices=STRATEGIES)
    options.add_argument("--seeds", type=int, default=1)
    given = options.parse_args()
    runs, counts = [], {}
    for size, strategy, seed in itertools.product(
        given.sizes, sorted(given.strategies, key=STRATEGIES.index), range(given.seeds)
    ):
        folder = Path(given.runs) / f"{strategy}-{size}-{seed}"
        if not (folder / TRANSLATIONS).is_file() or not (folder / "result.json").is_file():
            epochs = min(MOST_EPOCHS, round(EPOCHS * math.sqrt(ALL / size)))
            chosen = TranslateOptions(
                strategy=strategy, train_rows=size, epochs=epochs, resume=(folder / "checkpoints").is_dir()
            )
            find_system("translate").run(chosen, SystemRun("translate", folder, seed=seed))
        result = json.loads((folder / "result.json").read_text("utf-8"))
        runs.append(
            {
                "strategy": strategy, "sentences": size, "seed": seed,
                **({"epochs": result["options"]["epochs"]} if strategy in NETWORKS else {}),
                "processor": result["environment"]["processor"],
                "metrics": {name: value for name, value in result["metrics"].items() if "per_second" not in name},
            }
        )  # fmt: skip
        for test in TESTS:
            counts.setdefault((size, test), {}).setdefault(strategy, []).append(counts_of(folder, test))
    found = {"runs": runs, "differences": differences(counts), "draws": DRAWS}
    if Path(given.out).is_file():
        keep_others(found, json.loads(Path(given.out).read_text("utf-8")))
    found["environment"] = describe_environment(device="cpu", precision="float32")
    Path(given.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for each in found["differences"]:
        print(each)


def keep_others(found, earlier):
    """Add runs and differences of an earlier call that this one did not measure."""
    for part, strategies, others in (
        ("runs", ("strategy",), ("sentences", "seed")),
        ("differences", ("first", "second"), ("sentences", "test")),
    ):
        both = earlier[part] + found[part]
        by_key = {tuple(each[key] for key in (*strategies, *others)): each for each in both}  # the later one stays
        found[part] = sorted(
            by_key.values(),
            key=lambda each, names=strategies: (each["sentences"], *(STRATEGIES.index(each[key]) for key in names)),
        )


def counts_of(folder, test):
    """What BLEU counts in each test sentence of a run."""
    with (folder / TRANSLATIONS).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["part"] == test]
    return BleuCounts.of([row["translation"] for row in rows], [row["reference"] for row in rows], lowercase=True)


def differences(counts):
    """By size and test set, for each two strategies: BLEU of the first less that of the second, mean over seeds."""
    found = []
    for (size, test), by_strategy in counts.items():
        rows = len(next(iter(by_strategy.values()))[0].lengths)
        draws = [np.arange(rows), *np.random.default_rng(0).integers(0, rows, (DRAWS, rows))]
        scores = {
            strategy: np.array([np.mean([each.cumulative(draw)[3] for each in seeds]) for draw in draws])
            for strategy, seeds in by_strategy.items()
        }
        for one, other in itertools.combinations(scores, 2):
            over = scores[one] - scores[other]
            low, high = np.quantile(over[1:], [0.025, 0.975]).tolist()
            found.append(
                {
                    "sentences": size, "test": test, "first": one, "second": other,
                    "difference": round(float(over[0]), 2), "low": round(low, 2), "high": round(high, 2),
                    "first ahead": round(float((over[1:] > 0).mean()), 4),
                }
            )  # fmt: skip
    return found


if __name__ == "__main__":
    main()
