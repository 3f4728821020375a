"""Does a temperature mend the probabilities of a small residual network on CIFAR-10?

    OMP_NUM_THREADS=2 python benchmarks/calibration.py

ResNet-20 from scratch on 6,000 training images, eight epochs without augmentation, so that it is too sure of itself.
The temperature is fitted on 2,000 other training images; the expected calibration error (15 bins of equal numbers of
rows, 95 % interval over resampled rows) is that of the 10,000 test images, before and after. Writes
`benchmarks/results/calibration.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import longspan as ls
from longspan.explain.calibration import calibrate
from longspan.inference.measured_rows import measured_rows
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "calibration.json"
TRAIN, VALID, TEST, EPOCHS = 6000, 2000, 10_000, 8


def probabilities_of(model: Any, table: ls.Table) -> tuple[np.ndarray, np.ndarray]:
    """Of each row, and the number of its class."""
    measured = measured_rows(model, table, "label")
    probabilities, labels = measured.probabilities(measured.predictions())
    return probabilities, np.array([labels.index(value) for value in measured.values])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of rows, for a quick look")
    options = parser.parse_args()
    train, valid, test = (round(options.scale * count) for count in (TRAIN, VALID, TEST))
    table = ls.datasets.load("cifar10")
    parts = np.asarray(table.column_values("part"))
    runs = []
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        own = rng.permutation(np.flatnonzero(parts == "train"))[: train + valid]
        held_out = np.sort(rng.permutation(np.flatnonzero(parts == "test"))[:test])
        rows = table.take(np.sort(own))
        task = ls.Task(
            rows.split(valid=valid, seed=seed, stratify="label"), "image", "label", size_px=32, allow_leaks=True
        )
        started = time.perf_counter()
        learner = ls.Learner(
            task, "resnet20", seed=seed, progress=False,
            config=ls.TrainConfig(batch_size=64, keep="last", weight_decay=0.01),
        )  # fmt: skip
        model = learner.fit_one_cycle(EPOCHS, lr=5e-3).predictor()
        seconds = time.perf_counter() - started
        fit = calibrate(*probabilities_of(model, rows.take(task.valid.numpy())), seed=seed)
        probabilities, targets = probabilities_of(model, table.take(held_out))
        before, after = (calibrate(each, targets, seed=seed) for each in (probabilities, fit.scale(probabilities)))
        runs.append(
            {
                "seed": seed, "accuracy": round(float((probabilities.argmax(axis=1) == targets).mean()), 4),
                "temperature": round(fit.temperature, 3), "train_seconds": round(seconds, 1),
                "before": {"error": round(before.error, 4), "interval": [round(each, 4) for each in before.interval]},
                "after": {"error": round(after.error, 4), "interval": [round(each, 4) for each in after.interval]},
            }
        )  # fmt: skip
        print(runs[-1], flush=True)
    RESULTS.write_text(
        json.dumps(
            {
                "command": f"OMP_NUM_THREADS=2 python benchmarks/calibration.py --seeds {options.seeds} --scale "
                f"{options.scale:g}",
                "network": "resnet20", "epochs": EPOCHS, "rows": {"train": train, "valid": valid, "test": test},
                "environment": describe_environment(device="cpu", precision="float32"), "runs": runs,
            },
            indent=1,
        )
        + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
