"""The census table as fastai's course has it, beside fastai: accuracy and seconds, in one run on one machine.

    python benchmarks/adult_beside_fastai.py --fastai FASTAI/bin/python --rounds 5

Nine columns, batches of 64, three epochs of one cycle, a fifth of the rows held out at random: seconds are those from
the table in memory to the trained network, after all imports; imports are timed apart, in a process of their own.
Then the loop alone: how many rows a second the perceptron learns from
in the quicker of two epochs with ten validation rows, beside fastai's and beside a hand-written loop with the same
layers. Every round runs each side once, in a process of its own and in another order; ratios are of one round. Writes
`results/adult_beside_fastai.json` after every round, with the load of the machine when a side began.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "adult_beside_fastai.json"
_LABELS = ("workclass", "education", "marital-status", "occupation", "relationship", "race")
_IMPORTS = "import longspan, sklearn.metrics, torch._dynamo; longspan.Learner, longspan.datasets"
_NUMBERS = ("age", "fnlwgt", "education-num")


def ours(seed: int, threads: int) -> dict[str, Any]:
    """Accuracy and seconds of the course's training, and rows a second of an epoch."""
    import numpy as np
    import sklearn.metrics  # noqa: F401  # what the first training imports; fastai imports it at once
    import torch
    import torch._dynamo

    import longspan as ls

    torch.set_num_threads(threads)
    table = ls.datasets.load("adult-small")
    started = time.perf_counter()
    learner = _learner(ls, table.with_column("person", _person(ls)).split(valid=0.2, seed=seed), seed)
    learner.fit_one_cycle(3)
    seconds = time.perf_counter() - started
    parts = np.full(len(table), "train", dtype=object)
    parts[np.random.default_rng(seed).permutation(len(table))[: len(table) // 5]] = "test"
    parts[np.flatnonzero(parts == "test")[:10]] = "valid"
    split = table.with_column("person", _person(ls)).with_column("part", ls.Category(), parts.tolist())
    alone = _learner(ls, split.split(column="part"), seed)
    alone.fit_one_cycle(3)
    rate = max(len(alone.task.train) / epoch["seconds"] for epoch in alone.history[1:])
    return {
        "accuracy": round(float(learner.evaluate()["accuracy"]), 5),
        "seconds": round(seconds, 3),
        "rows_per_second": round(rate),
    }


def _person(ls: Any) -> Any:
    return ls.Features(categories=_LABELS, numbers=_NUMBERS)


def _learner(ls: Any, split: Any, seed: int) -> Any:
    task = ls.Task(split, "person", "salary", allow_leaks=True)
    return ls.Learner(task, "mlp", config=ls.TrainConfig(batch_size=64), seed=seed, progress=False)


def import_seconds(python: str, statement: str) -> float:
    """Seconds in which a new process imports all that a training uses."""
    started = time.perf_counter()
    subprocess.run([python, "-c", statement], check=True, capture_output=True)
    return round(time.perf_counter() - started, 3)


def last_line(command: list[str]) -> dict[str, Any]:
    """What a program prints last, as JSON, and the load of the machine when it began."""
    load = round(os.getloadavg()[0], 2)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "load_before": load}


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of each side, and of the ratios within a round, with the lowest and the highest."""

    def spread(values: list[float]) -> dict[str, float]:
        return {
            "median": round(statistics.median(values), 4),
            "lowest": round(min(values), 4),
            "highest": round(max(values), 4),
        }

    found: dict[str, Any] = {}
    for side in ("longspan", "fastai", "hand-written"):
        runs = [each[side] for each in rounds if side in each]
        for name in ("accuracy", "seconds", "import_seconds", "rows_per_second"):
            if values := [run[name] for run in runs if name in run]:
                found[f"{side}: {name}"] = spread(values)
    for other, name in (("fastai", "seconds"), ("fastai", "rows_per_second"), ("hand-written", "rows_per_second")):
        pairs = [each["longspan"][name] / each[other][name] for each in rounds if other in each]
        if pairs:
            found[f"{name}, longspan / {other}"] = spread(pairs)
    pairs = [
        (ours["seconds"] + ours["import_seconds"]) / (theirs["seconds"] + theirs["import_seconds"])
        for ours, theirs in ((each["longspan"], each["fastai"]) for each in rounds if "fastai" in each)
    ]
    if pairs:
        found["seconds with imports, longspan / fastai"] = spread(pairs)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fastai", help="the python of an environment with fastai 2.8; without it, two sides alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, help="our side alone, with this seed")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.seed is not None:
        print(json.dumps(ours(options.seed, options.threads)))
        return
    from longspan.report import describe_environment

    rounds: list[dict[str, Any]] = []
    for seed in range(options.rounds):
        more = ["--seed", str(seed), "--threads", str(options.threads)]
        sides = {
            "longspan": [sys.executable, __file__, *more],
            "hand-written": [sys.executable, str(HERE / "peers" / "handwritten_adult.py"), *more],
        }
        if options.fastai:
            sides["fastai"] = [options.fastai, str(HERE / "peers" / "fastai_adult.py"), *more]
        names = list(sides)
        names = names[seed % len(names) :] + names[: seed % len(names)]
        rounds.append({name: last_line(sides[name]) for name in names})
        rounds[-1]["longspan"]["import_seconds"] = import_seconds(sys.executable, _IMPORTS)
        if options.fastai:
            rounds[-1]["fastai"]["import_seconds"] = import_seconds(options.fastai, "from fastai.tabular.all import *")
        found = {"summary": summary(rounds), "rounds": rounds, "threads": options.threads}
        print(json.dumps(rounds[-1]), flush=True)
        if options.fastai:
            text = json.dumps({**found, "environment": describe_environment()}, indent=1)
            options.out.write_text(text + "\n")
    print(json.dumps(summary(rounds), indent=1))


if __name__ == "__main__":
    main()
