"""Maps of an image made larger, so that every place stays where it was."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["enlarge", "fit"]


def enlarge(maps: Tensor, factor: int, size: tuple[int, int]) -> Tensor:
    """Bilinear, `factor` times as many places a side: `(B, C, h, w)` to `(B, C, *size)`, channels-last.

    The scale is exactly `factor`, whatever the sizes: place i becomes the places from `factor` i on. What `size` asks
    for beyond `factor` times the map repeats its last row and column; what it does not ask for is cut off. Stretching
    the map to `size` instead, as is often done, shifts it by an amount that grows across the image wherever a side is
    no multiple of the stride, and most of all behind layers that do not pad (alexnet, squeezenet).

    Two products with small matrices: on a CPU the backward pass takes a quarter of the time of that of
    `F.interpolate`, and on a GPU it is the same on every run. For maps of up to a few hundred places a side.
    """
    if factor == 1:
        return fit(maps, size)
    rows, channels, height, width = maps.shape
    taller = _weights(maps, height, size[0], factor) @ maps.permute(0, 2, 3, 1).reshape(rows, height, width * channels)
    wider = _weights(maps, width, size[1], factor) @ taller.reshape(rows * size[0], width, channels)
    return wider.view(rows, *size, channels).permute(0, 3, 1, 2)


def fit(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """`(B, C, h, w)` as `(B, C, *size)`: cut off, or filled up with zeros, below and to the right."""
    below, right = size[0] - maps.shape[2], size[1] - maps.shape[3]
    if below > 0 or right > 0:
        maps = F.pad(maps, (0, max(0, right), 0, max(0, below)))
    return maps[:, :, : size[0], : size[1]]


def _weights(like: Tensor, places: int, wanted: int, factor: int) -> Tensor:
    """`(wanted, places)`: what each place contributes to each of the finer places."""
    centres = (torch.arange(wanted, device=like.device, dtype=torch.float32) + 0.5) / factor - 0.5
    own = torch.arange(places, device=like.device, dtype=torch.float32)
    return (1 - (centres.clamp(0, places - 1)[:, None] - own).abs()).clamp_min(0).to(like.dtype)
