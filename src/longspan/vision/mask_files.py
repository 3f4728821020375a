"""The numbers that a mask stores, from a file, a Pillow image or an array: never scaled, blended or converted."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import ExifTags, ImageOps

from longspan.lazy_torch import is_tensor
from longspan.vision.image_io import one_at_a_time, open_image

__all__ = ["JPEG", "palette_of", "read_stored"]

JPEG = "it is stored as JPEG, which blurs class numbers and colours into others; save masks as PNG"

_WHOLE = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes of one whole number for each pixel


def read_stored(value: Any) -> np.ndarray:
    """Whole numbers `(h, w)`, or colours `(h, w, 3)` uint8; turned upright by an EXIF note, as images are.

    Of a palette image the positions in the palette count, not its colours. What says how see-through a pixel is, is
    left out.

    Raises:
        ValueError: it is not a mask, with the reason; JPEG files are refused, whatever their name says.
    """
    if is_tensor(value):
        value = value.cpu().numpy()
    if isinstance(value, np.ndarray):
        plain = value[..., 0] if value.ndim == 3 and value.shape[-1] == 1 else value
        whole = plain.ndim == 2 and plain.dtype.kind in "iub"
        if not (whole or (plain.ndim == 3 and plain.shape[-1] == 3 and plain.dtype == np.uint8)):
            raise ValueError(f"an array mask holds whole numbers (h, w), got {value.dtype} {value.shape}")
        if not plain.size:
            raise ValueError(f"the array {value.shape} holds no pixel")
        return plain.astype(np.uint8) if plain.dtype == bool else plain
    image = open_image(value)
    if image.format in ("JPEG", "MPO", "JPEG2000") and image is not value:
        image.close()
        raise ValueError(JPEG)
    try:
        with one_at_a_time(image):
            turned = image
            if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                turned = ImageOps.exif_transpose(image)
            stored, mode = np.asarray(turned), turned.mode
    except Exception as error:  # decoders of damaged files raise what they like
        raise ValueError(f"cannot be decoded ({error})") from None
    finally:
        if image is not value:
            image.close()
    if mode in _WHOLE:
        return stored.astype(np.uint8) if mode == "1" else stored
    if mode in ("LA", "PA"):
        return stored[..., 0]
    if mode in ("RGB", "RGBA"):
        return stored[..., :3]
    raise ValueError(f"a mask is a grey, palette or RGB image, this one is {mode}; save it as PNG")


def palette_of(value: Any) -> np.ndarray | None:
    """The colours of a palette image, `(N, 3)` uint8; None for images without a palette, and for arrays.

    Raises:
        ValueError: the file cannot be opened.
    """
    if isinstance(value, np.ndarray) or is_tensor(value):
        return None
    image = open_image(value)
    try:
        if image.mode not in ("P", "PA") or image.palette is None:
            return None
        raw = image.palette
        colours = raw.palette if raw.mode == "RGB" and raw.rawmode in (None, "RGB") else image.getpalette("RGB")
        return np.frombuffer(bytes(colours or b""), np.uint8)[: len(colours or b"") // 3 * 3].reshape(-1, 3)
    except Exception as error:  # decoders of damaged files raise what they like
        raise ValueError(f"its palette cannot be read ({error})") from None
    finally:
        if image is not value:
            image.close()
