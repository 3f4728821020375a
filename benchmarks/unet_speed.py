"""How fast longspan's U-Net trains on CamVid, with the settings of street-scenes.

LONGSPAN_DATA=../shared/data python benchmarks/unet_speed.py --rows 48 --epochs 2
"""

from __future__ import annotations

import argparse
import json
import statistics

import numpy as np
import torch

import longspan as ls
from longspan.systems.street_scenes import scenes_training


def main() -> None:
    """Train on some images of the training part; the first pass, which loads libraries, is not counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    scenes = ls.datasets.load("camvid")
    scenes = scenes.take(np.flatnonzero(np.asarray(scenes.column_values("part")) == "train")[: options.rows])
    task = ls.Task(scenes.split(valid=0), inputs="image", targets="mask", size_px=(180, 240))
    learner = ls.Learner(task, "unet:squeezenet1_1", weights="imagenet", config=scenes_training(8), progress=False)
    learner.fit_one_cycle(options.epochs + 1, lr=2e-3)
    seconds = [record["seconds"] for record in learner.history[1:]]
    figures = {
        "images_per_second": round(options.rows / statistics.median(seconds), 3),
        "seconds": seconds,
        "parameters": sum(each.numel() for each in learner.network.parameters()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
