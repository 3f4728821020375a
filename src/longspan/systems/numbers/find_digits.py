"""Segments a handwritten number into digits: connected ink, cut where it is thinnest."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image as PILImage

from longspan.vision.image_io import open_image

__all__ = ["cut_out", "find_digits", "join_digits"]

_CROP_PX = 28
_INSIDE_PX = 20  # MNIST's own margins: the digit fills 20 of 28 px
_LEAST_PX = 3  # narrowest digit
_LEAST_INK = 14  # pixels; smaller components are specks
_ABOVE = 0.8  # components that share this fraction of their columns are one digit
_WIDTH_TO_HEIGHT = 0.66  # of an average digit
_WIDTH_SPREAD = 0.28  # of the logarithm of its width
_NARROW = 0.5  # a 1 is thin: narrowness costs this fraction of the same width too much
_INK_COST = 0.25  # per pixel of ink on a cut
_CUT_COST = 1.6  # per cut


def find_digits(image: Any) -> list[list[float]]:
    """Boxes of the digits on an image of one number, light on dark, from left to right.

    Ink is lighter than Otsu's threshold after a 3 x 3 mean. Each connected component of ink is cut at the columns of
    least cost: the ink on the cuts, and the deviation of the parts from the width of an average digit.

    Source: over-segmentation by projected ink, as in Casey and Lecolinet 1996, "A survey of methods and strategies in
    character segmentation", section 3. Differs: the best cuts are found by dynamic programming over all columns.

    Args:
        image: `(H, W)` uint8, a path or a Pillow image.

    Returns:
        `[x0, y0, x1, y1]` in pixels for each digit; an empty list for an image without ink.
    """
    smooth = _mean_3x3(_grey(image).astype(np.float32))
    ink = smooth > max(_otsu(smooth), 40.0)
    pieces = _merged(_components(ink))
    if not pieces:
        return []
    heights = [rows[-1] + 1 - rows[0] for rows in (np.flatnonzero(piece.any(axis=1)) for piece in pieces)]
    expected = _WIDTH_TO_HEIGHT * float(np.median(heights))
    boxes = []
    for piece in pieces:
        columns = np.flatnonzero(piece.any(axis=0))
        start, end = int(columns[0]), int(columns[-1]) + 1
        for left, right in _cut(piece[:, start:end].sum(axis=0), expected):
            inside = np.flatnonzero(piece[:, start + left : start + right].any(axis=1))
            if len(inside):
                boxes.append([float(start + left), float(inside[0]), float(start + right), float(inside[-1] + 1)])
    return sorted(boxes)


def cut_out(image: Any, box: list[float]) -> np.ndarray:
    """The content of a box, resized to 20 px and centred in an image of 28 x 28 px; uint8."""
    pixels = _grey(image)
    height, width = pixels.shape
    x0, y0, x1, y1 = (round(side) for side in box)
    x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    part = pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    scale = _INSIDE_PX / max(part.shape)
    high, wide = (max(1, round(side * scale)) for side in part.shape)
    crop = np.zeros((_CROP_PX, _CROP_PX), np.uint8)
    top, left = (_CROP_PX - high) // 2, (_CROP_PX - wide) // 2
    resized = PILImage.fromarray(part).resize((wide, high), PILImage.Resampling.BILINEAR)
    crop[top : top + high, left : left + wide] = np.asarray(resized)
    return crop


def join_digits(digits: list[int]) -> str:
    """The number as text."""
    return "".join(str(digit) for digit in digits)


def _grey(image: Any) -> np.ndarray:
    if isinstance(image, np.ndarray) and image.ndim == 2:
        return image
    return np.asarray(open_image(image).convert("L"))


def _mean_3x3(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, 1, mode="edge")
    across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (across[:-2] + across[1:-1] + across[2:]) / 9


def _otsu(values: np.ndarray) -> float:
    """The threshold that maximises the variance between two groups (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=64)
    middle = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums[-1] / total * below - sums
        between = np.where((below > 0) & (below < total), gap**2 / (below * (total - below)), 0)
    return float(edges[int(between.argmax()) + 1])


def _components(ink: np.ndarray) -> list[np.ndarray]:
    """Masks of the connected components of ink (8-connected), without specks."""
    from scipy.ndimage import label

    labelled: Any = label(ink, structure=np.ones((3, 3)))
    labels, count = labelled
    masks = [labels == number for number in range(1, count + 1)]
    return [mask for mask in masks if mask.sum() >= _LEAST_INK]


def _merged(masks: list[np.ndarray]) -> list[np.ndarray]:
    """Components above each other are strokes of one digit."""
    kept: list[np.ndarray] = []
    for mask in sorted(masks, key=lambda each: -int(each.sum())):
        own = mask.any(axis=0)
        for place, other in enumerate(kept):
            if (own & other.any(axis=0)).sum() >= _ABOVE * own.sum():
                kept[place] = other | mask
                break
        else:
            kept.append(mask)
    return kept


def _cut(profile: np.ndarray, expected: float) -> list[tuple[int, int]]:
    """The cheapest parts of one component, by dynamic programming over the column of the last cut."""
    width = len(profile)
    off = np.log(np.arange(1, width + 1) / expected) / _WIDTH_SPREAD
    part_cost = off**2 * np.where(off < 0, _NARROW, 1.0)  # for a part 1, 2, ... columns wide
    if part_cost[-1] <= _CUT_COST:  # no cut can lower the cost
        return [(0, width)]
    cut_cost = _CUT_COST + _INK_COST * np.convolve(profile, [0.5, 0.5])[:width]  # for a cut before each column
    best, cut_before = np.full(width + 1, np.inf), np.zeros(width + 1, int)
    best[0] = 0.0
    for end in range(_LEAST_PX, width + 1):
        starts = np.arange(0, end - _LEAST_PX + 1)
        costs = best[starts] + part_cost[end - starts - 1]
        cut_before[end] = int(costs.argmin())
        best[end] = costs.min() + (cut_cost[end] if end < width else 0.0)
    parts, end = [], width
    while end > 0:
        parts.append((int(cut_before[end]), end))
        end = int(cut_before[end])
    return parts[::-1]
