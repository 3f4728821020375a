"""Mean and spread of the images that train, by which networks scale what they read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from longspan.columns import Image
from longspan.data.batches.samples import Samples

__all__ = ["with_statistics"]

_ROWS = 2048  # images that mean and spread are taken from: their error is then below 1 % of the spread


def with_statistics(column: Image, samples: Samples, name: str, rows: torch.Tensor) -> Image:
    """Mean and spread per channel, from evenly spaced training images and of large ones every few pixels."""
    chosen = rows[torch.linspace(0, len(rows) - 1, min(len(rows), _ROWS)).long()]
    counts = np.zeros((column.shape[2], 256), np.int64)
    stride = max(1, min(column.shape[:2]) // 64)
    for part in chosen.split(256):
        pixels = samples.inputs[name].read(part)[:, ::stride, ::stride].numpy()
        for channel in range(len(counts)):
            counts[channel] += np.bincount(pixels[..., channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    fractions = counts / counts.sum(axis=1, keepdims=True)
    mean = fractions @ levels
    std = np.sqrt(np.maximum(fractions @ levels**2 - mean**2, 0))
    return replace(
        column,
        mean=tuple(round(float(m), 4) for m in mean),
        std=tuple(round(float(s), 4) or 1.0 for s in std),  # a constant image has no spread to divide by
    )
