"""Masks at the size of the image, with smooth borders: logits are interpolated before the class is chosen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from longspan.vision.resize_transform import ResizeTransform

__all__ = ["classes_in_source"]

_AT_A_TIME = 1 << 24
"""Interpolated logits in memory together."""


def classes_in_source(logits: Tensor, transform: ResizeTransform, fill: int) -> npt.NDArray[np.uint8]:
    """The class of every pixel of the source `(h, w)`, from logits `(K, H, W)` of the frame; `fill` where it was cut.

    Logits are interpolated bilinearly at the centres of the source's pixels; padding around the image has no say. The
    nearest pixel's class instead would leave steps as large as the image was scaled down. Log-probabilities do as well:
    they differ from logits by a number that is the same for all classes.
    """
    shown_x, left, right, weight_x = _between(transform, 0)
    shown_y, top, bottom, weight_y = _between(transform, 1)
    (height, width), classes = transform.source_px, logits.shape[0]
    logits = logits.float()
    found = np.full((height, width), fill, np.uint8)
    lines = max(1, _AT_A_TIME // max(1, classes * width))
    for start in range(0, height, lines):
        some = slice(start, start + lines)
        rows = torch.lerp(logits[:, top[some]], logits[:, bottom[some]], weight_y[some][None, :, None])
        values = torch.lerp(rows[:, :, left], rows[:, :, right], weight_x[None, None, :])
        found[some] = values.argmax(dim=0).to(torch.uint8).numpy()
    found[~shown_y] = fill
    found[:, ~shown_x] = fill
    return found


def _between(transform: ResizeTransform, axis: int) -> tuple[np.ndarray, Tensor, Tensor, Tensor]:
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
    return shown, torch.from_numpy(left), torch.from_numpy(right), torch.from_numpy((places - left).astype(np.float32))
