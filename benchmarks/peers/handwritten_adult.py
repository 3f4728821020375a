"""The perceptron of the census table as a plain PyTorch loop over tensors in memory: rows a second.

    python benchmarks/peers/handwritten_adult.py --epochs 3

The same layers, batches and optimizer as `longspan`'s mlp has; the rows are encoded before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise

import torch
from torch import nn

_ROWS = 26_049
_CLASSES = (10, 17, 8, 16, 7, 6)
_NUMBERS = 3


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [min(600, round(1.6 * count**0.56)) for count in _CLASSES]
        self.embeddings = nn.ModuleList(nn.Embedding(c, w) for c, w in zip(_CLASSES, widths, strict=True))
        sizes = [sum(widths) + _NUMBERS, 200, 100]
        layers: list[nn.Module] = []
        for low, high in pairwise(sizes):
            layers += [nn.Linear(low, high, bias=False), nn.ReLU(), nn.BatchNorm1d(high)]
        self.layers = nn.Sequential(*layers, nn.Linear(100, 2))

    def forward(self, numbers: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        embedded = [embedding(classes[:, place]) for place, embedding in enumerate(self.embeddings)]
        return self.layers(torch.cat([numbers, *embedded], dim=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    numbers, targets = torch.randn(_ROWS, _NUMBERS), torch.randint(0, 2, (_ROWS,))
    classes = torch.stack([torch.randint(0, count, (_ROWS,)) for count in _CLASSES], dim=1)
    net = _Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, betas=(0.9, 0.99), fused=True)
    rates = []
    for _ in range(options.epochs):
        started = time.perf_counter()
        for rows in torch.randperm(_ROWS).tensor_split(-(-_ROWS // options.batch_size)):  # none of a single row
            loss = nn.functional.cross_entropy(net(numbers[rows], classes[rows]), targets[rows])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        rates.append(round(_ROWS / (time.perf_counter() - started)))
    print(json.dumps({"rows_per_second": max(rates[1:] or rates), "by_epoch": rates, "settings": vars(options)}))


if __name__ == "__main__":
    main()
