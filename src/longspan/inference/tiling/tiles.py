"""Images larger than those a network was trained on, a tile at a time and without seams."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
import torch
from torch import Tensor

from longspan.errors import ConfigError, ShapeError

__all__ = ["segment_tiled"]


def segment_tiled(
    probabilities_of: Callable[[Tensor], Tensor],
    image: Tensor,
    tile_px: tuple[int, int],
    *,
    overlap: float = 0.25,
    batch_size: int = 8,
) -> Tensor:
    """Probabilities `(K, H, W)` float32 of a whole image, on the CPU, from those of overlapping tiles.

    Where tiles overlap, each counts the less the nearer its own edge is, down to next to nothing at the edge itself,
    where a network sees only half of what surrounds a pixel. So one tile passes smoothly into the next. Tiles are as
    evenly spread as whole pixels allow.

    Args:
        probabilities_of: From tiles `(B, h, w, C)` uint8 to `(B, K, h, w)`.
        image: `(H, W, C)` uint8. A side shorter than a tile is filled up with its mirror image.
        tile_px: Height and width of a tile: those of the images in training.
        overlap: Least fraction of a tile's side that it has in common with its neighbour, from 0 to below 1.
        batch_size: Tiles at a time.

    Raises:
        ConfigError: `tile_px`, `overlap` or `batch_size` that cannot be.
        ShapeError: the image is not `(H, W, C)`, or `probabilities_of` gives another size than it was given.
    """
    if min(tile_px) < 1:
        raise ConfigError(f"tile_px must be (height, width) of at least 1 pixel, got {tile_px!r}.")
    if not 0 <= overlap < 1:
        raise ConfigError(f"overlap must be at least 0 and below 1, got {overlap!r}.")
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size!r}.")
    if image.ndim != 3 or 0 in image.shape:
        raise ShapeError(f"An image to be cut into tiles is (height, width, channels), got {tuple(image.shape)}.")
    height, width = image.shape[:2]
    image = _filled_up(image, tile_px)
    corners = [
        (top, left)
        for top in _starts(image.shape[0], tile_px[0], overlap)
        for left in _starts(image.shape[1], tile_px[1], overlap)
    ]
    window = _ramp(tile_px[0], overlap)[:, None] * _ramp(tile_px[1], overlap)
    total = torch.zeros(image.shape[:2])
    summed: Tensor | None = None
    for start in range(0, len(corners), batch_size):
        some = corners[start : start + batch_size]
        tiles = torch.stack([image[top : top + tile_px[0], left : left + tile_px[1]] for top, left in some])
        outputs = probabilities_of(tiles).float().cpu()
        if outputs.ndim != 4 or (len(outputs), *outputs.shape[2:]) != (len(some), *tile_px):
            raise ShapeError(
                f"The network gives {tuple(outputs.shape)} for {len(some)} tiles of {tile_px[0]} x {tile_px[1]} px; "
                f"({len(some)}, K, {tile_px[0]}, {tile_px[1]}) is needed: probabilities of K classes at every pixel."
            )
        if summed is None:
            summed = torch.zeros(outputs.shape[1], *image.shape[:2])
        for (top, left), output in zip(some, outputs, strict=True):
            place = (slice(top, top + tile_px[0]), slice(left, left + tile_px[1]))
            summed[:, *place] += output * window
            total[place] += window
    assert summed is not None
    return summed.div_(total)[:, :height, :width]


def _filled_up(image: Tensor, tile_px: tuple[int, int]) -> Tensor:
    """The image, mirrored below and to the right as far as a tile reaches, again and again if need be."""
    for axis, side in enumerate(tile_px):
        own = image.shape[axis]
        if own < side:
            places = np.pad(np.arange(own), (0, side - own), mode="reflect")
            image = image.index_select(axis, torch.from_numpy(places).to(image.device))
    return image


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    """Where tiles begin so that they cover a side of at least one tile, and overlap by at least that fraction."""
    step = max(1, int(tile * (1 - overlap)))
    gaps = ceil((side - tile) / step)
    return [round(number * (side - tile) / gaps) for number in range(gaps + 1)] if gaps else [0]


def _ramp(tile: int, overlap: float) -> Tensor:
    """Weights along one side, `(tile,)`: 1 in the middle, falling to the edges over what neighbours share."""
    shared = max(1.0, tile * overlap)
    from_edge = torch.minimum(torch.arange(tile) + 0.5, tile - torch.arange(tile) - 0.5)
    return (from_edge / shared).clamp_max(1.0)
