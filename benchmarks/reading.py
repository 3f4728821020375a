"""Photos to 224 px batches: the first pass (decode, resize, keep) and later passes (from memory), one JSON line.

LONGSPAN_DATA=../shared/data python benchmarks/reading.py
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import replace

import numpy as np
import torch

import longspan as ls
from longspan.data import encode_rows
from longspan.train.protection.memory import keep_freed_memory


def main() -> None:
    """Read pets-small twice over; later passes give normalised float batches, as training gets them, and bytes."""
    keep_freed_memory()  # as every training asks for
    pets = ls.datasets.load("pets-small")
    column = replace(pets.columns["image"], size_px=(224, 224), channels=3, mean=(0.485,) * 3, std=(0.229,) * 3)
    rows = np.arange(len(pets))
    first = []
    for _ in range(2):
        started = time.perf_counter()
        samples = encode_rows(pets, rows, {"image": column}, {})
        first.append(time.perf_counter() - started)
    order = torch.randperm(len(pets))
    in_bytes, prepared = [], []
    for _ in range(3):
        started = time.perf_counter()
        for batch in samples.batches(order, 64):
            assert batch.inputs["image"].dtype == torch.uint8
        in_bytes.append(time.perf_counter() - started)
        started = time.perf_counter()
        for batch in samples.batches(order, 64):
            column.prepare(batch.inputs["image"])
        prepared.append(time.perf_counter() - started)
    count = len(pets)
    print(
        json.dumps(
            {
                "photos": count,
                "first_pass_images_per_second": round(count / first[0]),
                "first_pass_again_images_per_second": round(count / first[1]),
                "later_passes_images_per_second": round(count / statistics.median(in_bytes)),
                "later_passes_normalised_images_per_second": round(count / statistics.median(prepared)),
            }
        )
    )


if __name__ == "__main__":
    main()
