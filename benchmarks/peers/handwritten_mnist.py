"""The fastest honest hand-written PyTorch loop for the deep CNN: what longspan's loop is held against (>= 0.97).

The same work as one training step of longspan in float32: rows sliced from uint8 in memory, one batch at a time made
float and normalised, channels-last convolutions, AdamW (fused), one-cycle learning rate, nothing else. Maximum pooling
stands before ReLU, which gives the same numbers (both are monotone) on a quarter of the pixels. No augmentation, no
averaging of weights, no progress bar: a figure for the loop alone. Freed memory is kept (see `packs`);
`--default-malloc` shows what that is worth.

    python benchmarks/peers/handwritten_mnist.py --epochs 1
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import packs
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MEAN, _STD = 0.1307, 0.3081


def deep_cnn(relu_first: bool = False) -> nn.Sequential:
    """The network of *Deep Learning from Scratch*, ch. 8: `(B, 1, 28, 28)` float in, logits `(B, 10)` out."""
    layers: list[nn.Module] = []
    for inputs, middle, outputs, padding in [(1, 16, 16, 1), (16, 32, 32, 2), (32, 64, 64, 1)]:
        layers += [nn.Conv2d(inputs, middle, 3, padding=1), nn.ReLU(inplace=True)]
        tail = [nn.ReLU(inplace=True), nn.MaxPool2d(2)] if relu_first else [nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(middle, outputs, 3, padding=padding), *tail]
    layers += [nn.Flatten(), nn.Linear(1024, 50), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(50, 10)]
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def to_input(images: Tensor, memory_format: torch.memory_format) -> Tensor:
    """uint8 `(B, 1, 28, 28)` to normalised float32 in the wanted layout."""
    return images.float().mul_(1 / (255 * _STD)).sub_(_MEAN / _STD).contiguous(memory_format=memory_format)


def main() -> None:
    """Runs the benchmark and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr-max", type=float, default=3e-3)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nchw", action="store_true", help="PyTorch's default layout instead of channels-last")
    parser.add_argument("--relu-first", action="store_true", help="ReLU before pooling, as the book writes it")
    parser.add_argument("--default-malloc", action="store_true", help="give freed memory back at every step")
    options = parser.parse_args()
    if not options.default_malloc:
        packs.keep_freed_memory()
    torch.set_num_threads(options.threads)
    memory_format = torch.contiguous_format if options.nchw else torch.channels_last

    images, labels = (torch.from_numpy(array.copy()) for array in packs.mnist("train"))
    test_images, test_labels = (torch.from_numpy(array.copy()) for array in packs.mnist("t10k"))
    images, labels = images[: options.rows].unsqueeze(1), labels[: options.rows]
    size = options.batch_size
    steps = len(labels) // size
    seconds: list[float] = []
    accuracies: list[float] = []
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        model = deep_cnn(options.relu_first).to(memory_format=memory_format)
        optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr_max, weight_decay=0.01, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, options.lr_max, total_steps=steps * options.epochs, pct_start=0.25
        )
        started = time.perf_counter()
        for _ in range(options.epochs):
            order = torch.randperm(len(labels))
            for rows in order[: steps * size].split(size):
                loss = F.cross_entropy(model(to_input(images[rows], memory_format)), labels[rows])
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
        seconds.append(time.perf_counter() - started)
        model.eval()
        with torch.inference_mode():
            parts = zip(test_images.unsqueeze(1).split(1000), test_labels.split(1000), strict=True)
            right = sum(int((model(to_input(x, memory_format)).argmax(1) == y).sum()) for x, y in parts)
        accuracies.append(100 * right / len(test_labels))
    print(
        json.dumps(
            {
                "benchmark": "handwritten_mnist",
                "versions": {"torch": torch.__version__},
                "settings": vars(options),
                "images_per_second": round(options.epochs * steps * size / statistics.median(seconds)),
                "seconds": [round(value, 2) for value in seconds],
                "test_accuracy_percent": accuracies,
                "test_accuracy_mean": round(statistics.mean(accuracies), 4),
                "peak_memory_mb": packs.peak_memory_mb(),
            }
        )
    )


if __name__ == "__main__":
    main()
