"""Does the ceiling analysis name the faulty stage? Numbers of real digits, read in stages, one broken on purpose.

python benchmarks/ceiling_faulty.py

Each pipeline finds the digits of a number by the gaps between them, cuts them out, classifies them with a support
vector machine (trained on other digits than those it is tested on), and joins the classes. Faults, one at a time:

- find: in a known fraction of the images the last digit is not found;
- read: the classifier is taught that every 3 is an 8 and every 8 a 3;
- join: in a known fraction of the numbers two digits change places.

`results/ceiling_faulty.json` says, over five seeds, how often the faulty stage is the one with the largest gain, the
interval of its gain, and what the other stages' gains are. The classifier is not perfect without a fault either: its
gain is there in all runs. Takes less than a minute on one core.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import longspan as ls
from longspan.report import describe_environment

SEEDS = range(5)
FAULTS = ("none", "find", "read", "join")
FRACTION = 0.3
TRAIN, TEST = 250, 300
LOOK = ls.datasets.NumbersConfig(gap_px=(2, 6), noise=6, specks=0)


def drawn(values: np.ndarray) -> float:
    """A number in [0, 1) that depends on the values alone: a given stage does the same to the same sample."""
    return float(np.random.default_rng(np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)).random())


def find(image: np.ndarray) -> list[list[int]]:
    ink = np.concatenate([[False], (image > 90).sum(axis=0) > 0, [False]])
    edges = np.flatnonzero(ink[1:] != ink[:-1]).tolist()
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [[left, 0, right, len(image)] for left, right in pairs if right - left > 2]


def find_all_but_one(image: np.ndarray) -> list[list[int]]:
    boxes = find(image)
    return boxes[:-1] if drawn(image) < FRACTION else boxes


def cut(image: np.ndarray, box: list[float]) -> np.ndarray:
    x0, _, x1, _ = map(int, box)
    part = image[:, x0:x1]
    rows = np.flatnonzero((part > 90).any(axis=1))
    return part[rows[0] : rows[-1] + 1] if len(rows) else part


def join(digits: list[int]) -> str:
    return "".join(map(str, digits))


def join_in_disorder(digits: list[int]) -> str:
    if len(digits) > 1 and drawn(np.asarray(digits, np.int64)) < FRACTION:
        digits = [digits[1], digits[0], *digits[2:]]
    return join(digits)


def swapped(digits: list[int]) -> list[int]:
    return [{3: 8, 8: 3}.get(digit, digit) for digit in digits]


def pipeline(finder: Callable[..., Any] = find, joiner: Callable[..., Any] = join) -> ls.Pipeline:
    stretched = ls.Image(resize="stretch")
    return ls.Pipeline(
        [
            ls.Stage("find", finder, reads="image", adds="boxes"),
            ls.Stage("cut", cut, reads=["image", "boxes"], adds={"cuts": stretched}, each="boxes"),
            ls.Stage(
                "read", make_pipeline(StandardScaler(), SVC()), reads="cuts", adds="digits", each="cuts", size_px=12
            ),
            ls.Stage("join", joiner, reads="digits", adds="number"),
        ]
    )


def measure(seed: int) -> list[dict[str, Any]]:
    """One analysis per fault, on the same numbers; the first one of all as it prints."""
    digits = ls.datasets.load("digits")
    rows = np.random.default_rng(seed).permutation(len(digits))
    train = ls.datasets.make_numbers(digits.take(rows[:1200]), TRAIN, seed=2 * seed, config=LOOK)
    test = ls.datasets.make_numbers(digits.take(rows[1200:]), TEST, seed=2 * seed + 1, config=LOOK)
    taught = [swapped(cells) for cells in train.column_values("digits")]
    found = []
    for fault in FAULTS:
        reader = pipeline(
            find_all_but_one if fault == "find" else find, join_in_disorder if fault == "join" else join
        ).fit(train.with_column("digits", ls.Raw(), taught) if fault == "read" else train, seed=seed)
        ceiling = reader.ceiling(test, seed=seed)
        found.append({"fault": fault, "printed": repr(ceiling), **ceiling.to_json()})
    return found


def summary(fault: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    gains = {
        stage: [s["gain"] for run in runs for s in run["stages"] if s["stage"] == stage and s["gain"] is not None]
        for stage in ("find", "read", "join")
    }
    found = {
        "error": round(statistics.mean(run["error"] for run in runs), 4),
        "named": [run["worst"] for run in runs],
        "gain": {
            stage: {"mean": round(statistics.mean(g), 4), "sd": round(statistics.stdev(g), 4)}
            for stage, g in gains.items()
        },
    }
    if fault != "none":
        own = [s for run in runs for s in run["stages"] if s["stage"] == fault]
        found["named_right"] = sum(run["worst"] == fault for run in runs) / len(runs)
        found["intervals"] = [[round(s["gain_low"], 4), round(s["gain_high"], 4)] for s in own]
        found["intervals_above_0"] = sum(s["gain_low"] > 0 for s in own) / len(own)
    return found


def main() -> None:
    start = time.process_time()
    runs = [run for seed in SEEDS for run in measure(seed)]
    faults = {fault: summary(fault, [run for run in runs if run["fault"] == fault]) for fault in FAULTS}
    record = {
        "command": "python benchmarks/ceiling_faulty.py",
        "environment": describe_environment(),
        "seeds": list(SEEDS),
        "rows": {"train": TRAIN, "test": TEST},
        "faulty": {"find": FRACTION, "join": FRACTION, "read": "every 3 and every 8"},
        "level": 0.95,
        "cpu_seconds": round(time.process_time() - start, 1),
        "faults": faults,
        "one_of_them": next(run["printed"] for run in runs if run["fault"] == "find").splitlines(),
    }
    path = Path(__file__).parent / "results" / "ceiling_faulty.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
