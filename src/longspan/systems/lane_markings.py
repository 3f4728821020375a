"""Lane markings: thin bright streaks on the road."""

from __future__ import annotations

from typing import Any

import numpy as np

from longspan.vision.image_io import read_pixels

__all__ = ["FREE_SPACE", "LANES", "mark_lanes"]

FREE_SPACE = ("elsewhere", "free space")
"""Classes of the pixels that the network predicts."""
LANES = ("elsewhere", "free space", "marking")
"""The same classes, and the markings."""

_WIDTH_FRACTION = 0.03  # of the image width: markings are narrower
_CONTRAST = 14.0  # grey values of 255 by which a marking is brighter than the road beside it
_LEAST_PX = 3  # from top to bottom: smaller ones are specks
_SMOOTHED_PX = 3


def mark_lanes(image: Any, free: np.ndarray) -> np.ndarray:
    """Free space with its markings, `(h, w)` uint8: classes of `LANES`.

    A marking is brighter than the road to its left and right and narrower than 3 % of the image width: the residue
    of opening each line of grey values with a longer segment (the white top-hat transform). It must lie in the free
    space, whose small holes are filled first, and be at least 3 pixels high.

    Args:
        image: A path, an array or a Pillow image.
        free: `(h, w)` classes of `FREE_SPACE`, of the size of the image.

    Source: Meyer 1979, "Iterative image transformations for an automatic screening of cervical smears" (the top-hat);
    common for lane markings since Beucher and Yu 1994, "Road recognition in complex traffic situations".

    Example:
        >>> road = np.full((20, 100), 80, np.uint8)
        >>> road[:, 50:52] = 200
        >>> mark_lanes(road, np.ones((20, 100), np.uint8))[10, 48:54].tolist()
        [1, 1, 2, 2, 1, 1]
    """
    grey = np.asarray(read_pixels(image, "L", 1 << 20), np.float32)
    width = max(3, round(_WIDTH_FRACTION * grey.shape[1]) | 1)
    streaks = grey - _spread(_spread(grey, width, np.minimum), width, np.maximum) > _CONTRAST
    road = free == 1
    inside = _spread(
        _spread(road, width, np.maximum), width, np.minimum
    )  # networks often leave markings out of the road
    inside &= _spread(_spread(inside.T, _SMOOTHED_PX, np.maximum), _SMOOTHED_PX, np.minimum).T
    found = np.where(road, np.uint8(1), np.uint8(0))
    marked = streaks & inside
    long = _spread(_spread(marked.T, _LEAST_PX, np.minimum), _LEAST_PX, np.maximum).T
    found[long & marked] = 2
    return found


def _spread(values: np.ndarray, width: int, take: np.ufunc) -> np.ndarray:
    """Minimum or maximum of `width` neighbours along each line, centred on the pixel."""
    half = width // 2
    padded = np.pad(values, ((0, 0), (half, half)), mode="edge")
    return take.reduce(np.lib.stride_tricks.sliding_window_view(padded, width, axis=1), axis=2)
