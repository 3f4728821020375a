"""fastai on MNIST: the deep CNN of *Deep Learning from Scratch*, ch. 8, eight one-cycle epochs from memory.

Written as a careful fastai user would: images as uint8 in memory, a batch sliced and normalised at once (no transform
per item, no worker processes), `Learner.fit_one_cycle` with fastai's own Adam (weight decay 0.01) and schedule. Trains
on all 60,000 rows, measures accuracy once on the 10,000. Differs from the book: one-cycle learning rate, batch 128, and
no dropout on the logits unless `--logit-dropout` (it only hurts); dropout 0.5 stays after the 50 units.

    python benchmarks/peers/fastai_mnist.py --epochs 8 --seeds 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator

import fastai
import packs
import torch
from fastai.basics import DataLoader, DataLoaders, Learner, set_seed
from fastai.callback import progress as _progress  # noqa: F401 - adds no_bar to Learner
from fastai.callback import schedule as _schedule  # noqa: F401 - adds fit_one_cycle to Learner
from torch import Tensor, nn

_MEAN, _STD = 0.1307, 0.3081


class _Batches(DataLoader):
    """fastai's DataLoader over tensors in memory that slices a whole batch at a time."""

    def __init__(self, images: Tensor, labels: Tensor, *, bs: int, shuffle: bool) -> None:
        self.images, self.labels = images, labels
        super().__init__(dataset=range(len(labels)), bs=bs, shuffle=shuffle, drop_last=shuffle, num_workers=0)

    def create_batches(self, samps: Iterator[int]) -> Iterator[tuple[Tensor, Tensor]]:
        rows = list(samps)
        last = len(rows) - len(rows) % self.bs if self.drop_last else len(rows)
        for start in range(0, last, self.bs):
            chosen = torch.as_tensor(rows[start : start + self.bs])
            yield self.images[chosen].float().div_(255).sub_(_MEAN).div_(_STD), self.labels[chosen]


def _deep_cnn(logit_dropout: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, middle, outputs, padding in [(1, 16, 16, 1), (16, 32, 32, 2), (32, 64, 64, 1)]:
        layers += [nn.Conv2d(inputs, middle, 3, padding=1), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(middle, outputs, 3, padding=padding), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(1024, 50), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(50, 10)]
    layers += [nn.Dropout(0.5)] if logit_dropout else []
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def main() -> None:
    """Runs the benchmark and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr-max", type=float, default=3e-3)
    parser.add_argument("--rows", type=int, default=60_000, help="fewer rows for a short throughput run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--channels-last", action="store_true", help="not what a fastai user does by default")
    parser.add_argument("--logit-dropout", action="store_true", help="the book's dropout after the last layer")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    images, labels = (torch.from_numpy(array.copy()) for array in packs.mnist("train"))
    test_images, test_labels = (torch.from_numpy(array.copy()) for array in packs.mnist("t10k"))
    images, labels = images[: options.rows].unsqueeze(1), labels[: options.rows]
    valid = _Batches(test_images.unsqueeze(1), test_labels, bs=1000, shuffle=False)
    accuracies: list[float] = []
    seconds: list[float] = []
    for seed in range(options.seeds):
        set_seed(seed, reproducible=True)
        train = _Batches(images, labels, bs=options.batch_size, shuffle=True)
        model = _deep_cnn(options.logit_dropout)
        if options.channels_last:
            model = model.to(memory_format=torch.channels_last)
        learner = Learner(DataLoaders(train, valid, device="cpu"), model, loss_func=nn.CrossEntropyLoss())
        # Validation after every epoch would only cost fastai time: the test rows are read once, after training.
        learner.dls.loaders[1] = []
        started = time.perf_counter()
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(options.epochs, options.lr_max)
        seconds.append(time.perf_counter() - started)
        learner.model.eval()
        with torch.inference_mode():
            right = sum(int((learner.model(x).argmax(1) == y).sum()) for x, y in valid)
        accuracies.append(100 * right / len(test_labels))
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    trained = options.epochs * (len(labels) // options.batch_size) * options.batch_size
    print(
        json.dumps(
            {
                "benchmark": "fastai_mnist",
                "versions": {"fastai": fastai.__version__, "torch": torch.__version__},
                "settings": vars(options),
                "images_per_second": round(trained / statistics.median(seconds)),
                "seconds": [round(value, 2) for value in seconds],
                "test_accuracy_percent": accuracies,
                "test_accuracy_mean": round(statistics.mean(accuracies), 4),
                "test_accuracy_sd": round(spread, 4),
                "peak_memory_mb": packs.peak_memory_mb(),
            }
        )
    )


if __name__ == "__main__":
    main()
