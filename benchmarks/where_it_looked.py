"""Does Grad-CAM show the object? Trained networks against random weights, on pets' heads and CamVid's bicyclists.

    OMP_NUM_THREADS=1 python benchmarks/where_it_looked.py

Pets: is it a cat or a dog? The region is the box of the head. CamVid: is a bicyclist in the frame? The region is its
mask. SqueezeNet with ImageNet weights and new heads; rows that it was not trained on. Scores are paired: for each image
that of the trained network's map minus that of a map of the same network with random weights, with 95 % intervals over
images, for three seeds of the random weights. Writes `benchmarks/results/where_it_looked.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import longspan as ls
from longspan.report import describe_environment

RESULTS = Path(__file__).parent / "results" / "where_it_looked.json"
SEEDS = (0, 1, 2)


def pets() -> tuple[Any, Any, str, str, Any]:
    """Rows, the target, the column of regions, their label, and the class to explain (None: the predicted one)."""
    return ls.datasets.load("pets-small"), "cat", "head_box", None, None


def camvid() -> tuple[Any, Any, str, str, Any]:
    """Likewise; every third frame, as neighbours are almost equal."""
    table = ls.datasets.load("camvid")
    table = table.take(np.arange(0, len(table), 3))
    column = table.columns["mask"].fit(table.column_values("mask"))
    number = list(column.vocab).index("Bicyclist")
    there = [bool((column.classes(value) == number).any()) for value in table.column_values("mask")]
    return table.with_column("cyclist", ls.Category(), there), "cyclist", "mask", "Bicyclist", True


def measured(name: str, images: int) -> dict[str, Any]:
    """Scores of one set for each seed of the random weights."""
    table, target, column, label, outcome = {"pets": pets, "camvid": camvid}[name]()
    task = ls.Task(
        table.split(valid=0.4, stratify=target), inputs="image", targets=target, size_px=224,
        allow_leaks=name == "camvid", move_leaks=name == "pets",
    )  # fmt: skip
    learner = ls.Learner(
        task, "squeezenet1_1", weights="imagenet", pool="avg_max", progress=False,
        heads={target: ls.Classify(hidden=(512,), dropout=0.5)},
        config=ls.TrainConfig(batch_size=32, weight_decay=0.05),
    )  # fmt: skip
    learner.run([ls.Phase(epochs=8, lr=2e-3, frozen=1.0)])
    rows, regions = ls.explain.regions_of(learner, table.take(task.valid.numpy()), column, label)
    rows, regions = rows.take(np.arange(min(images, len(rows)))), regions[:images]
    found = []
    for seed in SEEDS:
        started = time.perf_counter()
        scores = ls.explain.attribution_scores(learner, rows, regions, outcome=outcome, seed=seed)
        found.append({"seed": seed, **asdict(scores), "seconds": round(time.perf_counter() - started, 1)})
        energy = scores.energy
        assert energy is not None
        print(name, seed, f"energy {energy.trained:.3f} against {energy.random:.3f}: {energy.interval}", flush=True)
    return {
        "accuracy": learner.evaluate()["accuracy"], "rows": len(task.train), "images": len(regions), "scores": found,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100, help="of each set")
    options = parser.parse_args()
    results = {name: measured(name, options.images) for name in ("pets", "camvid")}
    RESULTS.write_text(
        json.dumps(
            {
                "command": f"OMP_NUM_THREADS=1 python benchmarks/where_it_looked.py --images {options.images}",
                "environment": describe_environment(device="cpu", precision="float32"), "results": results,
            },
            indent=1,
        )
        + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
