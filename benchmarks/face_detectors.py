"""MTCNN and the Ultra-Light detector on the validation photos of the WIDER FACE pack: average precision and time.

Run: OMP_NUM_THREADS=1 python benchmarks/face_detectors.py

Needs the data set wider-face-small, the extra detect and the weights of both. Writes
benchmarks/results/face_detectors.json. Both were trained by their authors on the training part of WIDER FACE.
"""

import json
import platform
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import longspan as ls
from longspan.metrics.average_precision import value_figures
from longspan.people import face_detector
from longspan.people.mtcnn import mtcnn
from longspan.people.ultra_light import ultra_light

OUT = Path(__file__).parent / "results" / "face_detectors.json"
SIDES = (32, 96)


def main():
    torch.set_num_threads(1)
    table = ls.datasets.load("wider-face-small")
    parts = table.column_values("part")
    rows = [row for row in range(len(table)) if parts[row] == "valid"]
    photos = [np.asarray(Image.open(table.value(row, "image")).convert("RGB")) for row in rows]
    truth = [table.value(row, "boxes") for row in rows]
    small, large = (float(side**2) for side in SIDES)
    areas = {"small": (0.0, small), "medium": (small, large), "large": (large, 1e10)}
    loose = mtcnn(min_face_px=12, thresholds=(0.5, 0.5, 0.05))  # average precision ranks all that is found
    stages = [stage.what for stage in loose.stages]
    detectors = {
        "mtcnn": lambda photo: stages[2](photo, stages[1](photo, stages[0](photo))),
        "ultra-light": ultra_light(threshold=0.05),
    }
    results = {
        "command": "python benchmarks/face_detectors.py", "python": platform.python_version(),
        "torch": torch.__version__, "photos": len(photos), "faces": sum(map(len, truth)),
    }  # fmt: skip
    for name, find in detectors.items():
        found = [find(photo) for photo in photos]
        figures = value_figures(truth, found, areas)
        usual = face_detector(name)
        started = time.perf_counter()
        for photo in photos:
            usual(photo)
        seconds = (time.perf_counter() - started) / len(photos)
        results[name] = {key: round(value, 4) for key, value in figures.items()} | {
            "seconds a photo, usual settings, one thread": round(seconds, 3)
        }
        print(name, results[name], flush=True)
    OUT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
