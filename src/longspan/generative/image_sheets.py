"""Many images as one, and image files that are whole."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from longspan.storage.files import write_whole

__all__ = ["save_image", "sheet"]

_GAP_PX = 2


def sheet(images: np.ndarray, across: int | None = None) -> np.ndarray:
    """Images `(N, H, W, C)` uint8 in rows, with white gaps: `(H', W', C)` uint8.

    Args:
        images: At least one.
        across: How many in a row; None: as many as rows, about.
    """
    count, height, width, channels = images.shape
    across = across or math.ceil(math.sqrt(count))
    rows = math.ceil(count / across)
    page = np.full((rows * (height + _GAP_PX) - _GAP_PX, across * (width + _GAP_PX) - _GAP_PX, channels), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = number // across * (height + _GAP_PX), number % across * (width + _GAP_PX)
        page[top : top + height, left : left + width] = image
    return page


def save_image(image: np.ndarray, path: str | Path) -> Path:
    """Write `(H, W, C)` uint8 as a PNG file, which is never half-written."""
    grey = image[..., 0] if image.shape[-1] == 1 else image
    write_whole(Path(path), lambda part: Image.fromarray(grey).save(part, format="PNG"))
    return Path(path)
