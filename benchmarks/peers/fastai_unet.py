"""fastai, street scenes: how fast `unet_learner` trains on CamVid's 367 training images at 180 x 240.

As in fastai's own tutorial for CamVid, with SqueezeNet 1.1 as the network below:
`SegmentationDataLoaders.from_label_func`, `Resize`, `aug_transforms()`, `unet_learner(..., squeezenet1_1)`, all layers
trained. No image validates. The first pass, which loads libraries, is not counted.

    python benchmarks/peers/fastai_unet.py --rows 48 --epochs 2
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import fastai
import numpy as np
import packs
import torch
from fastai.vision.all import Callback, Resize, SegmentationDataLoaders, aug_transforms, model_meta, unet_learner
from safetensors.torch import load_file
from torchvision.models import squeezenet1_1

SIZE_PX = (180, 240)


def _pretrained_squeezenet(weights: object = None, **_: object) -> torch.nn.Module:
    model = squeezenet1_1()
    model.load_state_dict(load_file(packs.data_folder() / "weights" / "squeezenet1_1.safetensors"))
    return model


model_meta[_pretrained_squeezenet] = model_meta[squeezenet1_1]


class Passes(Callback):
    """Seconds of every pass over the training images."""

    def __init__(self) -> None:
        """None yet."""
        self.seconds: list[float] = []

    def before_train(self) -> None:
        """A pass begins."""
        self.started = time.perf_counter()

    def after_train(self) -> None:
        """A pass ends."""
        self.seconds.append(time.perf_counter() - self.started)


def main() -> None:
    """Runs the benchmark and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=48, help="images in a pass")
    parser.add_argument("--epochs", type=int, default=2, help="passes that count")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2, help="loader processes; fastai's default is one per core")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        images, classes = packs.unpack_street_scenes(Path(folder))
        loaders = SegmentationDataLoaders.from_label_func(
            Path(folder),
            images[: options.rows],
            lambda image: image.parents[1] / "labels" / f"{image.stem}_P.png",
            codes=np.array(classes),
            valid_pct=0,
            item_tfms=Resize(SIZE_PX),
            batch_tfms=aug_transforms(),
            bs=options.batch_size,
            num_workers=options.workers,
            device=torch.device("cpu"),
        )
        learner = unet_learner(loaders, _pretrained_squeezenet, pretrained=True)
        learner.unfreeze()
        passes = Passes()
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(options.epochs + 1, 1e-3, cbs=passes)
    trained = options.rows // options.batch_size * options.batch_size  # fastai drops a last batch that is not full
    seconds = passes.seconds[1:]
    print(
        json.dumps(
            {
                "benchmark": "fastai_unet",
                "versions": {"fastai": fastai.__version__, "torch": torch.__version__},
                "settings": vars(options),
                "parameters": sum(each.numel() for each in learner.model.parameters()),
                "images_per_second": round(trained / statistics.median(seconds), 3),
                "seconds": [round(each, 2) for each in seconds],
                "peak_memory_mb": packs.peak_memory_mb(),
            }
        )
    )


if __name__ == "__main__":
    main()
