"""Pixels from whatever holds an image: a file, bytes, an array, a Pillow image; upright, in one mode, at one size."""

from __future__ import annotations

import io
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as PILImage

from longspan.lazy_torch import is_tensor
from longspan.storage.file_signatures import other_content
from longspan.vision.remarks import remark

__all__ = [
    "MAX_PIXELS",
    "Resize",
    "look",
    "one_at_a_time",
    "open_image",
    "read_pixels",
    "resize",
    "turned_by_exif",
    "turned_unseen",
]

Resize = Literal["crop", "stretch", "pad"]
MAX_PIXELS = 178_956_970
"""Larger images are refused by their header: twice the size at which Pillow warns of a decompression bomb."""

_ENORMOUS_PIXELS = 1 << 25
_ENORMOUS = threading.Lock()
_SEVERAL_FRAMES = ("GIF", "TIFF", "WEBP", "PNG")  # in MPO the others are previews of the first
_FIRST_FRAME = ("several frames or pages", "Only the first of each is used.")
_SEE_THROUGH = (
    "transparent parts",
    "They are read as white, whatever colour is stored there. For another background: put the images on it and save "
    "them without transparency.",
)
_FEW_LEVELS = (
    "16 bits and use less than an eighth of their range, as those of 10 or 12 bits do",
    "They are read with 65,535 as white, so that few grey levels are left: convert all images by one scale first.",
)
_WHITE_16_BITS = 65535.0
_STRIP_PIXELS = 1 << 20
_TURNED = range(2, 9)  # EXIF orientations that turn or mirror
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that lie on their side


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def open_image(value: Any) -> PILImage.Image:
    """An image from a path, bytes, an array `(H, W)` or `(H, W, C)` uint8, or a Pillow image; pixels not yet decoded.

    Raises:
        ValueError: no image, with the reason.
    """
    if isinstance(value, PILImage.Image):
        return value
    if is_tensor(value):
        value = value.cpu().numpy()
    if isinstance(value, np.ndarray):
        if value.dtype != np.uint8 or value.ndim not in (2, 3) or value.shape[2:] not in ((), (1,), (3,), (4,)):
            raise ValueError(
                f"an array image must be uint8 (H, W) or (H, W, C) with 1, 3 or 4 channels, got {value.dtype} "
                f"{value.shape}; several images are a list of them"
            )
        if not value.size:
            raise ValueError(f"the array {value.shape} holds no pixel")
        return PILImage.fromarray(value[..., 0] if value.ndim == 3 and value.shape[-1] == 1 else value)
    if isinstance(value, bytes):
        source: Any = io.BytesIO(value)
    elif isinstance(value, str | Path):
        source = Path(value)
        try:
            status = source.stat()
        except FileNotFoundError:
            raise ValueError("the file does not exist") from None
        except (OSError, ValueError) as error:  # no permission, a name too long, a zero byte in it
            raise ValueError(f"cannot be opened ({error})") from None
        if stat.S_ISDIR(status.st_mode):
            raise ValueError("this is a folder, not an image")
        if status.st_size == 0:
            raise ValueError("the file is empty")
    else:
        raise ValueError(f"an image is a path, an array or a Pillow image, not {type(value).__name__}")
    try:
        image = PILImage.open(source)
    except UnidentifiedImageError:
        what = other_content(value if isinstance(value, bytes) else _head_of(source))
        raise ValueError(f"this is {what or 'not an image in a format that can be read'}") from None
    except PILImage.DecompressionBombError:
        raise ValueError(f"the image claims more than {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # readers of damaged files raise what they like
        raise ValueError(f"cannot be opened ({error})") from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise ValueError(f"the image claims {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
    return image


def look(value: Any) -> tuple[str, tuple[int, int]]:
    """Mode, and height and width as seen upright, from the header."""
    image = open_image(value)
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
        return image.mode, (image.width, image.height) if turned else (image.height, image.width)
    except Exception as error:
        raise ValueError(f"its header cannot be read ({error})") from None
    finally:
        if image is not value:
            image.close()


def turned_by_exif(value: Any) -> bool:
    """Whether an EXIF orientation turns the stored image by 90 degrees."""
    image = open_image(value)
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
    finally:
        if image is not value:
            image.close()


def turned_unseen(value: Any) -> bool:
    """Whether an EXIF orientation turns or mirrors the stored image without changing its height and width."""
    image = open_image(value)
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        return orientation in _TURNED and (orientation not in _SIDEWAYS or image.width == image.height)
    finally:
        if image is not value:
            image.close()


def read_pixels(value: Any, mode: str, side_px: int) -> PILImage.Image:
    """A new image of `mode`, upright; a large JPEG at the smallest of its own scales that still holds `side_px`.

    Height and width are asked for as one: EXIF may turn the image by 90 degrees.
    """
    image = open_image(value)
    try:
        with one_at_a_time(image):
            if image is value:  # the caller's own image stays as it is
                return _to_mode(ImageOps.exif_transpose(image), mode)
            if image.format in _SEVERAL_FRAMES and getattr(image, "is_animated", False):
                remark(*_FIRST_FRAME)
            image.draft(mode, (side_px, side_px))
            ImageOps.exif_transpose(image, in_place=True)
            made = _to_mode(image, mode)
            return made.copy() if made is image else made
    except Warning:  # made an error by the caller's filters
        raise
    except Exception as error:  # decoders of damaged files raise what they like
        raise ValueError(f"cannot be decoded ({error})") from None
    finally:
        if image is not value:
            image.close()


@contextmanager
def one_at_a_time(image: PILImage.Image) -> Iterator[None]:
    """Wait until no other thread decodes an enormous image: a few small files could fill the memory together."""
    with _ENORMOUS if image.width * image.height > _ENORMOUS_PIXELS else nullcontext():
        yield


def _to_mode(image: PILImage.Image, mode: str) -> PILImage.Image:
    see_through = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "La", "RGBa")
    if image.mode == mode and not see_through:
        return image
    if image.mode.startswith("I") or image.mode == "F":  # more than 8 bits: Pillow would clip at 255, not scale
        white = _white(image)
        if image.mode != "F" and max(float(np.asarray(strip).max()) for _, strip in _strips(image)) < white / 8:
            remark(*_FEW_LEVELS)
        gone = image.info.get("transparency")  # the one value that a PNG file declares transparent
        if isinstance(gone, int) and any(bool((np.asarray(strip) == gone).any()) for _, strip in _strips(image)):
            remark(*_SEE_THROUGH)
        image = _by_strips(image, "L", lambda strip: _scaled(strip, white / 255, gone))
    elif see_through:
        image = _on_white(image)
    return image.convert(mode)


def _white(image: PILImage.Image) -> float:
    """The value of white, which is the same for all images of a kind: by the type, never by an image's own maximum.

    Raises:
        ValueError: values outside of that range: the file says nothing about what white is.
    """
    if image.mode.startswith("I;16"):
        return _WHITE_16_BITS
    strips = [np.nan_to_num(np.asarray(strip, np.float64)) for _, strip in _strips(image)]
    low, high = min(float(strip.min()) for strip in strips), max(float(strip.max()) for strip in strips)
    white, kind = (1.0, "floating-point") if image.mode == "F" else (_WHITE_16_BITS, "32-bit")
    if low < 0 or high > white:
        raise ValueError(
            f"its {kind} values run from {low:g} to {high:g}, but 0 is read as black and {white:g} as white; convert "
            "all images by one scale to 8 or 16 bits first"
        )
    return white


def _scaled(strip: PILImage.Image, scale: float, transparent: object) -> PILImage.Image:
    """8 bits; the value that is transparent becomes white."""
    values = np.nan_to_num(np.asarray(strip, np.float32))
    scaled = (values / scale).clip(0, 255).round().astype(np.uint8)
    if isinstance(transparent, int):
        scaled[values == transparent] = 255
    return PILImage.fromarray(scaled)


def _on_white(image: PILImage.Image) -> PILImage.Image:
    """The image on a white ground, as a viewer shows it; what is stored in transparent pixels is not looked at."""
    key = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:  # of a PNG file of 16 bits, whose pixels Pillow halves
        image.info["transparency"] = tuple(value >> 8 for value in key)
    if image.mode == "La":
        image = image.convert("LA")
    lowest = 255

    def change(strip: PILImage.Image) -> PILImage.Image:
        nonlocal lowest
        rgba = strip.convert("RGBA")
        lowest = min(lowest, int(np.asarray(rgba)[..., 3].min()))
        return PILImage.alpha_composite(PILImage.new("RGBA", rgba.size, "white"), rgba).convert("RGB")

    made = _by_strips(image, "RGB", change)
    if lowest < 255:
        remark(*_SEE_THROUGH)
    return made


def _strips(image: PILImage.Image) -> Iterator[tuple[int, PILImage.Image]]:
    """Some rows at a time, with the number of the first."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _by_strips(image: PILImage.Image, mode: str, change: Callable[[PILImage.Image], PILImage.Image]) -> PILImage.Image:
    """An image of `mode`, changed strip by strip: as a whole, each step would take the memory of one more image."""
    changed = PILImage.new(mode, image.size)
    for top, strip in _strips(image):
        changed.paste(change(strip), (0, top))
    return changed


def resize(image: PILImage.Image, width: int, height: int, how: Resize) -> PILImage.Image:
    """The image at `width` x `height`: cropped at the centre, stretched, or padded with black; antialiased."""
    bilinear = PILImage.Resampling.BILINEAR
    if how == "stretch":
        return image.resize((width, height), bilinear, reducing_gap=2.0)
    if how == "pad":
        scale = min(width / image.width, height / image.height)
        kept = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
        padded = PILImage.new(image.mode, (width, height))
        padded.paste(
            image.resize(kept, bilinear, reducing_gap=2.0),
            ((width - kept[0]) // 2, (height - kept[1]) // 2),
        )
        return padded
    scale = max(width / image.width, height / image.height)
    kept_w, kept_h = min(width / scale, image.width), min(height / scale, image.height)
    left, top = (image.width - kept_w) / 2, (image.height - kept_h) / 2
    return image.resize((width, height), bilinear, box=(left, top, left + kept_w, top + kept_h), reducing_gap=2.0)
