"""fastai, cats or dogs: SqueezeNet 1.1 with ImageNet weights, `fine_tune(1)` at 224 px, 824 / 205 photos.

The notebook of fastai's own book with its defaults: `ImageDataLoaders.from_path_func`, `valid_pct=0.2`, `Resize(224)`,
batch 64, `vision_learner(..., squeezenet1_1).fine_tune(1)`. The weights come from a safetensors file instead of a
download; nothing else differs. `seconds` counts `fine_tune` (both phases, with fastai's validation after each epoch),
`seconds_with_setup` also the making of the loaders and the learner. The split of a seed is printed as a checksum, and
can be made without fastai: `torch.manual_seed(seed); torch.randperm(1029)[:205]` are the validation rows, in the order
of the sorted file names.

    python benchmarks/peers/fastai_pets.py --seeds 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import zlib
from pathlib import Path

import fastai
import packs
import torch
from fastai.vision.all import ImageDataLoaders, Resize, error_rate, model_meta, set_seed, vision_learner
from safetensors.torch import load_file
from torchvision.models import squeezenet1_1


def _pretrained_squeezenet(weights: object = None, **_: object) -> torch.nn.Module:
    model = squeezenet1_1()
    model.load_state_dict(load_file(packs.data_folder() / "weights" / "squeezenet1_1.safetensors"))
    return model


# fastai looks up by constructor where to cut a network, its parameter groups and its normalisation.
model_meta[_pretrained_squeezenet] = model_meta[squeezenet1_1]


def main() -> None:
    """Runs the benchmark and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1, help="unfrozen epochs after the frozen one")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2, help="loader processes; fastai's default is one per core")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    errors: list[float] = []
    seconds: list[float] = []
    with_setup: list[float] = []
    splits: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        files = packs.unpack_pets(Path(folder))
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            set_seed(seed, reproducible=True)
            setup_started = time.perf_counter()
            loaders = ImageDataLoaders.from_path_func(
                Path(folder),
                files,
                packs.is_cat,
                valid_pct=0.2,
                seed=seed,
                item_tfms=Resize(224),
                bs=options.batch_size,
                num_workers=options.workers,
                device=torch.device("cpu"),
            )
            validation_names = ",".join(Path(file).name for file in loaders.valid_ds.items)
            splits.append(zlib.crc32(validation_names.encode()))
            learner = vision_learner(loaders, _pretrained_squeezenet, metrics=error_rate, pretrained=True)
            started = time.perf_counter()
            with learner.no_bar(), learner.no_logging():
                learner.fine_tune(options.epochs)
            ended = time.perf_counter()
            seconds.append(round(ended - started, 2))
            with_setup.append(round(ended - setup_started, 2))
            errors.append(round(float(learner.recorder.values[-1][-1]), 5))
    print(
        json.dumps(
            {
                "benchmark": "fastai_pets",
                "versions": {"fastai": fastai.__version__, "torch": torch.__version__},
                "settings": vars(options),
                "rows": {"train": len(loaders.train_ds), "valid": len(loaders.valid_ds)},
                "valid_split_crc32": splits,
                "error_rate": errors,
                "error_rate_mean": round(statistics.mean(errors), 5),
                "error_rate_sd": round(statistics.stdev(errors), 5) if len(errors) > 1 else 0.0,
                "seconds": seconds,
                "seconds_with_setup": with_setup,
                "seconds_median": statistics.median(seconds),
                "peak_memory_mb": packs.peak_memory_mb(),
            }
        )
    )


if __name__ == "__main__":
    main()
