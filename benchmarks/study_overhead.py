"""What a study costs beside the bare training runs: the same trainings by hand in one process, same threads, jobs=1.

python benchmarks/study_overhead.py --repeats 3 --out benchmarks/results/study_overhead.json
python benchmarks/study_overhead.py --deciding --epochs 1 5 --out benchmarks/results/study_overhead.json

The second command measures what choosing each run by the finished ones costs (`until="decided"`): processor seconds of
all decisions beside the training seconds of the runs, in a study that asks for more certainty than it can have and
never gives up, so that every run is chosen. One epoch makes runs of half a second, where it weighs most.
`benchmarks/stopping.py` has the time of one decision at 200 finished runs.

Both sides run in programs of their own, one after the other. What is compared is the time from the prepared task to the
last figure; the start of the worker process, with its imports, is part of the study's. Run it on an idle machine: five
minutes a repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import longspan as ls
from longspan.report import describe_environment
from longspan.study.runs import adaptive
from longspan.study.runs.runs import study_rows
from longspan.study.statistics import decide

SIZES, SEEDS = (200, 400, 800), 4


def make(epochs: int = 30) -> tuple[ls.Task, dict[str, ls.Recipe]]:
    """Two small residual networks on digits: runs of one to a few seconds, where overhead weighs most."""
    digits = ls.datasets.load("digits").split(valid=0.2, seed=0)
    task = ls.Task(digits, inputs="image", targets="digit", size_px=16, move_leaks=True)
    task.prepare()
    config = ls.TrainConfig(batch_size=32)
    return task, {
        "width 8": ls.Recipe(ls.SmallResNetConfig(blocks=1, width=8), epochs=epochs, config=config),
        "width 16": ls.Recipe(ls.SmallResNetConfig(blocks=1, width=16), epochs=epochs, config=config),
    }


def by_hand(threads: int) -> dict[str, Any]:
    """A loop that anyone would write: train, predict, count, keep the figure."""
    torch.set_num_threads(threads)
    task, strategies = make()
    held_out = task.table.take(task.valid.numpy())
    truth = held_out.column_values("digit")
    started = time.perf_counter()
    figures = []
    for seed in range(SEEDS):
        for size in SIZES:
            for name, recipe in strategies.items():
                learner = recipe.train(task.subset(study_rows(task, seed, size)), seed=seed)
                said = learner.predict(held_out.select("image"))
                wrong = sum(each.value != true for each, true in zip(said, truth, strict=True))
                figures.append([name, size, seed, wrong / len(truth)])
    return {"seconds": time.perf_counter() - started, "figures": sorted(figures)}


def as_study(threads: int) -> dict[str, Any]:
    """The same as a study with jobs=1."""
    task, strategies = make()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        study = ls.Study(task, strategies, SIZES, SEEDS, path=Path(folder) / "study.sqlite", threads=threads)
        study.run(jobs=1, progress=False)
        seconds = time.perf_counter() - started
        frame = study.frame()
    figures = frame.select("strategy", "size", "seed", "error").rows()
    return {"seconds": seconds, "inside": frame["seconds"].sum(), "figures": sorted(map(list, figures))}


def deciding(threads: int, epochs: int) -> dict[str, Any]:
    """Processor seconds of all decisions of a study, and the seconds of its trainings."""
    task, strategies = make(epochs)
    decide._FUTILE = 0.0
    spent: list[float] = []

    def timed(*state: Any, **rule: Any) -> Any:
        began = time.process_time()
        found = decide.next_step(*state, **rule)
        spent.append(time.process_time() - began)
        return found

    adaptive.next_step = timed
    with tempfile.TemporaryDirectory() as folder:
        study = ls.Study(task, strategies, SIZES, SEEDS, path=Path(folder) / "study.sqlite", threads=threads)
        study.run(jobs=1, progress=False, until="decided", level=1 - 1e-12)
        trained = float(study.frame()["seconds"].sum())
        return {
            "epochs": epochs, "runs": len(study.frame()), "decisions": len(spent),
            "processor_seconds_of_decisions": round(sum(spent), 3),
            "slowest_decision": round(max(spent), 3), "training_seconds": round(trained, 1),
            "percent_of_training": round(100 * sum(spent) / trained, 3),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, nargs="+", default=[30], help="of each training, with --deciding")
    parser.add_argument("--side", choices=("hand", "study"), help=argparse.SUPPRESS)
    parser.add_argument("--deciding", action="store_true", help="what choosing the runs costs, and nothing else")
    options = parser.parse_args()
    if options.deciding:
        found = [deciding(options.threads, epochs) for epochs in options.epochs]
        print(json.dumps(found, indent=2))
        if options.out:
            known = json.loads(options.out.read_text()) if options.out.exists() else {}
            options.out.write_text(json.dumps(known | {"deciding": found}, indent=2) + "\n")
        return
    if options.side:
        print(json.dumps(by_hand(options.threads) if options.side == "hand" else as_study(options.threads)))
        return
    load = os.getloadavg()[0]
    pairs = []
    for repeat in range(options.repeats):
        sides = ("hand", "study") if repeat % 2 == 0 else ("study", "hand")  # neither always comes first
        pairs.append({side: measured(side, options.threads) for side in sides})
        assert pairs[-1]["hand"]["figures"] == pairs[-1]["study"]["figures"], "both sides train the same"
    overheads = [pair["study"]["seconds"] / pair["hand"]["seconds"] - 1 for pair in pairs]
    result = {
        "runs": len(pairs[0]["hand"]["figures"]),
        "seconds_by_hand": [round(pair["hand"]["seconds"], 2) for pair in pairs],
        "seconds_as_study": [round(pair["study"]["seconds"], 2) for pair in pairs],
        "seconds_inside_runs": [round(pair["study"]["inside"], 2) for pair in pairs],
        "overhead_percent": [round(100 * each, 2) for each in overheads],
        "overhead_percent_median": round(100 * statistics.median(overheads), 2),
        "same_figures": True,
        "load_at_start": round(load, 2),
        "threads": options.threads,
        "environment": describe_environment(),
    }
    print(json.dumps(result, indent=2))
    if options.out:
        known = json.loads(options.out.read_text()) if options.out.exists() else {}
        kept = {name: known[name] for name in ("deciding",) if name in known}
        options.out.write_text(json.dumps(result | kept, indent=2) + "\n")


def measured(side: str, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--side", side, "--threads", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
