"""Spoken commands by new voices, over growing training clips: from scratch, from photos, from a speech embedding.

Run: OMP_NUM_THREADS=1 python benchmarks/keywords_curve.py english|arabic [--seeds 0 1 2] [--rows 200 800 3174]

Needs the data set speech-commands-test or arabic-commands, and the weights of the speech embedding and of MobileNetV2.
Trains the system keywords on so many clips, drawn anew for each seed, and measures the accuracy on the test speakers.
With few clips there are as many epochs as take the same least number of steps. The gain over training from scratch is
paired by seed, with its 95 % interval over seeds (Student's t). Goes on where it stopped. Writes
benchmarks/results/keywords_curve_DATA.json.
"""

import argparse
import json
import math
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from longspan.study.statistics.t_distribution import t_quantile
from longspan.systems import SystemRun, find_system
from longspan.systems.keywords import KeywordsOptions

RESULTS = Path(__file__).parent / "results"
ROWS = {"english": [100, 400, 1600, 3174], "arabic": [60, 120, 240, 360]}
BATCH = 64
SCRATCH = "from scratch"
WAYS = {
    SCRATCH: ({"model": "bc_resnet1"}, 30, 700),
    "from photos": ({"model": "mobilenet_v2", "weights": "imagenet", "head_epochs": 10}, 6, 150),
    "speech embedding, frozen": ({"head_epochs": 40}, 0, 0),
    "speech embedding, fine-tuned": ({}, 8, 150),
}
"""Options, epochs of the whole network, and the steps that it takes at least."""


def accuracy(data, way, rows, seed):
    """Accuracies on the test speakers, and minutes."""
    options, epochs, least = WAYS[way]
    epochs = max(epochs, math.ceil(least / math.ceil(rows / BATCH)))
    with tempfile.TemporaryDirectory() as folder:
        run = SystemRun("keywords", Path(folder), seed=seed, quiet=True)
        begun = time.perf_counter()
        made = KeywordsOptions(data=data, train_rows=rows, epochs=epochs, batch_size=BATCH, **options)
        find_system("keywords").run(made, run)
        metrics = json.loads((Path(folder) / "result.json").read_text())["metrics"]
    return {"accuracy": round(metrics["test_accuracy"], 5), "minutes": round((time.perf_counter() - begun) / 60, 2)}


def summary(runs):
    """By rows and way: the mean and its extremes, and the gain over training from scratch."""
    found = {}
    for rows in sorted({each["rows"] for each in runs}):
        by_way = {
            way: {each["seed"]: each["accuracy"] for each in runs if (each["rows"], each["way"]) == (rows, way)}
            for way in WAYS
        }
        for way, by_seed in by_way.items():
            if not by_seed:
                continue
            values = [*by_seed.values()]
            figures = {"mean": round(float(np.mean(values)), 4), "low": min(values), "high": max(values)}
            gains = [by_seed[seed] - by_way[SCRATCH][seed] for seed in by_seed if seed in by_way[SCRATCH]]
            if way != SCRATCH and len(gains) > 1:
                half = t_quantile(0.975, len(gains) - 1) * float(np.std(gains, ddof=1)) / math.sqrt(len(gains))
                mean = float(np.mean(gains))
                figures["gain"] = {
                    "mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)
                }  # fmt: skip
            found.setdefault(str(rows), {})[way] = figures
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", choices=[*ROWS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=int, nargs="+")
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = RESULTS / f"keywords_curve_{given.data}.json"
    runs = json.loads(out.read_text())["runs"] if out.exists() else []
    known = {(each["way"], each["rows"], each["seed"]) for each in runs}
    for seed in given.seeds:
        for rows in given.rows or ROWS[given.data]:
            for way in WAYS:
                if (way, rows, seed) in known:
                    continue
                runs.append({"way": way, "rows": rows, "seed": seed, **accuracy(given.data, way, rows, seed)})
                print(runs[-1], flush=True)
                results = {
                    "command": f"python benchmarks/keywords_curve.py {given.data}",
                    "python": platform.python_version(), "torch": torch.__version__, "threads": 1,
                    "accuracy on test speakers, by training clips": summary(runs), "runs": runs,
                }  # fmt: skip
                out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
