"""fastai's loader: photos in a folder to normalised float batches of 224 px, images per second.

What `fine_tune` waits for: open, decode, `Resize(224)` (a random square crop of the shorter side in training), to a
float tensor, normalise, batch of 64; worker processes as fastai chooses them. fastai keeps nothing between epochs, so
every pass costs the same; the first pass also starts the workers.

    python benchmarks/peers/fastai_loader.py --epochs 3
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import fastai
import packs
import torch
from fastai.vision.all import ImageDataLoaders, Normalize, Resize, imagenet_stats


def main() -> None:
    """Runs the benchmark and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3, help="passes over the photos")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2, help="loader processes; fastai's default is one per core")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    rates: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        files = packs.unpack_pets(Path(folder))
        loaders = ImageDataLoaders.from_path_func(
            Path(folder),
            files,
            packs.is_cat,
            valid_pct=0.0,
            item_tfms=Resize(224),
            batch_tfms=Normalize.from_stats(*imagenet_stats),
            bs=options.batch_size,
            num_workers=options.workers,
            device=torch.device("cpu"),
        )
        for _ in range(options.epochs):
            started = time.perf_counter()
            count = sum(len(images) for images, _ in loaders.train)
            rates.append(round(count / (time.perf_counter() - started)))
    print(
        json.dumps(
            {
                "benchmark": "fastai_loader",
                "versions": {"fastai": fastai.__version__, "torch": torch.__version__},
                "settings": vars(options),
                "photos": len(files),
                "images_per_second_by_pass": rates,
                "images_per_second": max(rates),
            }
        )
    )


if __name__ == "__main__":
    main()
