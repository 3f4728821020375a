"""longspan's training loop alone: the same work as `peers/handwritten_mnist.py`, one JSON line.

LONGSPAN_DATA=../shared/data python benchmarks/loop.py --rows 12800 --epochs 4
"""

from __future__ import annotations

import argparse
import json
import statistics

import numpy as np
import torch

import longspan as ls


def main() -> None:
    """Train without augmentation and averaging; the first epoch, which loads libraries, is not counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=12_800)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    digits = ls.datasets.load("mnist").take(np.arange(options.rows + 10))
    roles = ["train"] * options.rows + ["valid"] * 10
    split = digits.with_column("role", ls.Category(), roles).split(column="role")
    task = ls.Task(split, inputs="image", targets="digit", allow_leaks=True)
    learner = ls.Learner(task, "deep_cnn", config=ls.TrainConfig(batch_size=128), progress=False)
    learner.fit_one_cycle(options.epochs, lr=3e-3)
    seconds = [record["seconds"] for record in learner.history[1:]]
    print(json.dumps({"images_per_second": round(options.rows / statistics.median(seconds)), "seconds": seconds}))


if __name__ == "__main__":
    main()
