"""Masks at the size of the image, with smooth borders: logits are interpolated before the class is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from longspan.lazy_torch import torch
from longspan.vision.resize_transform import ResizeTransform

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["classes_in_source"]

_AT_A_TIME = 1 << 24
"""Interpolated logits in memory together."""


def classes_in_source(logits: Tensor | np.ndarray, transform: ResizeTransform, fill: int) -> npt.NDArray[np.uint8]:
    """The class of every pixel of the source `(h, w)`, from logits `(K, H, W)` of the frame; `fill` where it was cut.

    Logits are interpolated bilinearly at the centres of the source's pixels; padding around the image has no say. The
    nearest pixel's class instead would leave steps as large as the image was scaled down. Log-probabilities do as well:
    they differ from logits by a number that is the same for all classes. An array is interpolated by numpy, as PyTorch
    does it.
    """
    shown_x, *across = _between(transform, 0)
    shown_y, *down = _between(transform, 1)
    lerp: Any = _lerp
    if not isinstance(logits, np.ndarray):
        logits, lerp = logits.float(), torch.lerp
        across, down = map(torch.from_numpy, across), map(torch.from_numpy, down)
    (left, right, weight_x), (top, bottom, weight_y) = across, down
    (height, width), classes = transform.source_px, logits.shape[0]
    found = np.full((height, width), fill, np.uint8)
    lines = max(1, _AT_A_TIME // max(1, classes * width))
    for start in range(0, height, lines):
        some = slice(start, start + lines)
        rows = lerp(logits[:, top[some]], logits[:, bottom[some]], weight_y[some][None, :, None])
        values = lerp(rows[:, :, left], rows[:, :, right], weight_x[None, None, :])
        found[some] = np.asarray(values.argmax(0)).astype(np.uint8)
    found[~shown_y] = fill
    found[:, ~shown_x] = fill
    return found


def _lerp(start: np.ndarray, end: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """As `torch.lerp`, which is exact at both ends."""
    step = end - start
    return np.where(weight < 0.5, start + weight * step, end - step * (1 - weight))


def _between(transform: ResizeTransform, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each source pixel along x (0) or y (1): whether the frame shows it, two frame pixels, the second's weight."""
    count, size = transform.source_px[1 - axis], transform.size_px[1 - axis]
    corners = np.zeros((2, 2))
    corners[1, axis] = count
    first, last = transform.points_to_frame(corners)[:, axis]  # where the source begins and ends in the frame
    centres = first + (np.arange(count) + 0.5) * (last - first) / count
    shown = (centres >= 0) & (centres < size)
    # Pixels that show some of the padding, or lie outside the frame, are not looked at.
    low = min(max(np.ceil(max(first, 0.0) - 1e-6), 0), size - 1)
    high = max(min(np.floor(min(last, float(size)) + 1e-6) - 1, size - 1), low)
    places = np.clip(centres - 0.5, low, high)
    left = np.floor(places).astype(np.int64)
    right = np.minimum(left + 1, int(high))
    return shown, left, right, (places - left).astype(np.float32)
