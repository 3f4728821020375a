"""The census table as fastai's course has it, beside fastai: accuracy and seconds, in one run on one machine.

    python benchmarks/adult_beside_fastai.py --fastai FASTAI/bin/python

Nine columns, batches of 64, three epochs of one cycle, a fifth of the rows held out at random; and how many rows a
second the perceptron learns from, beside a hand-written loop. Writes `results/adult_beside_fastai.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "adult_beside_fastai.json"
_LABELS = ("workclass", "education", "marital-status", "occupation", "relationship", "race")
_NUMBERS = ("age", "fnlwgt", "education-num")


def last_line(command: list[str]) -> dict[str, object]:
    """What a program prints last, as JSON."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(seeds: int, threads: int) -> dict[str, object]:
    """Accuracy and seconds, from the table in memory to the trained network, and rows a second of an epoch."""
    import torch

    import longspan as ls

    torch.set_num_threads(threads)
    table = ls.datasets.load("adult-small")
    accuracies, seconds, rates = [], [], []
    for seed in range(seeds):
        started = time.perf_counter()
        person = ls.Features(categories=_LABELS, numbers=_NUMBERS)
        split = table.with_column("person", person).split(valid=0.2, seed=seed)
        task = ls.Task(split, "person", "salary", allow_leaks=True)
        learner = ls.Learner(task, "mlp", config=ls.TrainConfig(batch_size=64), seed=seed, progress=False)
        learner.fit_one_cycle(3)
        seconds.append(round(time.perf_counter() - started, 2))
        accuracies.append(learner.evaluate()["accuracy"])
        rates.append(max(round(len(task.train) / epoch["seconds"]) for epoch in learner.history))
    return {"accuracy": accuracies, "seconds": seconds, "rows_per_second": rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fastai", help="the python of an environment with fastai 2.8; without it, our side alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    from longspan.report import describe_environment

    more = ["--threads", str(options.threads)]
    found: dict[str, object] = {"longspan": ours(options.seeds, options.threads)}
    found["hand-written loop"] = last_line([sys.executable, str(HERE / "peers" / "handwritten_adult.py"), *more])
    if options.fastai:
        command = [options.fastai, str(HERE / "peers" / "fastai_adult.py"), "--seeds", str(options.seeds), *more]
        found["fastai"] = last_line(command)
        RESULTS.write_text(json.dumps({**found, "environment": describe_environment()}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
