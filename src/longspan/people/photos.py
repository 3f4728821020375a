"""Photos of people as arrays: upright, in colour."""

from __future__ import annotations

from typing import Any

import numpy as np

from longspan.vision.image_io import MAX_PIXELS, read_pixels

__all__ = ["photo_pixels"]


def photo_pixels(image: Any) -> np.ndarray:
    """A path, bytes, array or Pillow image as `(H, W, 3)` uint8, turned as its EXIF entry says.

    Raises:
        ValueError: it cannot be read, with the reason.
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        return image
    return np.asarray(read_pixels(image, "RGB", MAX_PIXELS))
