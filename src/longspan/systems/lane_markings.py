"""Lane markings: thin bright streaks on the road."""

from __future__ import annotations

from typing import Any

import numpy as np

from longspan.vision.image_io import read_pixels

__all__ = ["FREE_SPACE", "LANES", "mark_lanes"]

FREE_SPACE = ("elsewhere", "free space")
"""Classes of the pixels that a network finds."""
LANES = ("elsewhere", "free space", "marking")
"""Classes after the markings are drawn in."""

_WIDTH_FRACTION = 0.03  # of the image's width: a marking is narrower
_CONTRAST = 14.0  # grey values of 255 by which a marking is brighter than the road beside it
_LEAST_PX = 3  # from top to bottom: smaller specks are none
_SMOOTHED_PX = 3


def mark_lanes(image: Any, free: np.ndarray) -> np.ndarray:
    """Free space with its markings, `(h, w)` uint8: classes of `LANES`.

    A marking is what is brighter than the road to its left and its right, and narrower than 3 % of the image: what
    an opening of each line of grey values by a longer segment takes away (the white top-hat transform). It must lie in
    the free space, whose small holes are filled first, and be at least 3 pixels high.

    Args:
        image: A path, an array or a Pillow image.
        free: `(h, w)` classes of `FREE_SPACE`, as large as the image.

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
    inside = _spread(_spread(road, width, np.maximum), width, np.minimum)  # a marking is often no road to a network
    inside &= _spread(_spread(inside.T, _SMOOTHED_PX, np.maximum), _SMOOTHED_PX, np.minimum).T
    found = np.where(road, np.uint8(1), np.uint8(0))
    marked = streaks & inside
    long = _spread(_spread(marked.T, _LEAST_PX, np.minimum), _LEAST_PX, np.maximum).T
    found[long & marked] = 2
    return found


def _spread(values: np.ndarray, width: int, take: np.ufunc) -> np.ndarray:
    """The least or the greatest value of `width` neighbours in each line, the pixel in their middle."""
    half = width // 2
    padded = np.pad(values, ((0, 0), (half, half)), mode="edge")
    return take.reduce(np.lib.stride_tricks.sliding_window_view(padded, width, axis=1), axis=2)
