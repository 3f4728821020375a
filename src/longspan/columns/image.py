"""Pictures: files, Pillow images or arrays, read once at the size that trains."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PILImage
from PIL import ImageOps, UnidentifiedImageError

from longspan.columns.base import Column
from longspan.columns.draws import warp_images
from longspan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from longspan.columns.draws import Draws

__all__ = ["MAX_PIXELS", "Image", "open_image"]

MAX_PIXELS = 178_956_970
"""Larger pictures are refused by their header: twice the size at which Pillow warns of a decompression bomb."""

_PEEKED = 64  # pictures looked at to learn the number of channels and the common size


def open_image(value: Any) -> PILImage.Image:
    """A picture from a path, bytes, an array `(H, W)` or `(H, W, C)` uint8, or a Pillow image; pixels not yet decoded.

    Raises:
        ValueError: no picture, with the reason.
    """
    if isinstance(value, PILImage.Image):
        return value
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        if value.dtype != np.uint8 or value.ndim not in (2, 3):
            raise ValueError(f"an array picture must be uint8 (H, W) or (H, W, C), got {value.dtype} {value.shape}")
        return PILImage.fromarray(value[..., 0] if value.ndim == 3 and value.shape[-1] == 1 else value)
    if isinstance(value, bytes):
        source: Any = io.BytesIO(value)
    elif isinstance(value, str | Path):
        source = Path(value)
        if not source.exists():
            raise ValueError("the file does not exist")
        if source.is_dir():
            raise ValueError("this is a folder, not a picture")
        if source.stat().st_size == 0:
            raise ValueError("the file is empty")
    else:
        raise ValueError(f"a picture is a path, an array or a Pillow image, not {type(value).__name__}")
    try:
        picture = PILImage.open(source)
    except UnidentifiedImageError:
        raise ValueError("this is no picture in a format that can be read") from None
    except PILImage.DecompressionBombError:
        raise ValueError(f"the picture claims more than {MAX_PIXELS:,} pixels") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"cannot be opened ({error})") from None
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(f"the picture claims {picture.width} x {picture.height} pixels, more than {MAX_PIXELS:,}")
    return picture


@final
@dataclass(frozen=True, kw_only=True)
class Image(Column):
    """A picture: encoded as `(H, W, C)` uint8 at `size_px`; `prepare` gives `(B, C, H, W)` float32, normalised."""

    kind: ClassVar[str] = "image"

    size_px: tuple[int, int] | None = None
    """Height and width that the network sees; learnt where all pictures have one size."""
    channels: int | None = None
    """1 for grey, 3 for colour; learnt from the training rows (grey only if all of them are)."""
    resize: Literal["crop", "squish", "pad"] = "crop"
    """How another shape becomes `size_px`: cut the middle out, distort, or fill up with black."""
    mean: tuple[float, ...] | None = None
    """Per channel, of values in 0..1; learnt from the training rows, or that of the pretrained weights."""
    std: tuple[float, ...] | None = None
    """Per channel, of values in 0..1."""

    def __post_init__(self) -> None:
        """Check the size."""
        if self.size_px is not None and (len(self.size_px) != 2 or min(self.size_px) < 1):
            raise ConfigError(f"Image.size_px must be (height, width) of at least 1 pixel, got {self.size_px!r}")
        if self.channels not in (None, 1, 3):
            raise ConfigError(f"Image.channels must be 1 (grey) or 3 (colour), got {self.channels!r}")
        if self.resize not in ("crop", "squish", "pad"):
            raise ConfigError(f"Image.resize must be 'crop', 'squish' or 'pad', got {self.resize!r}")

    def fit(self, values: Iterable[Any]) -> Self:
        """Channels and size, from the headers of the first training pictures; pixels are not decoded here."""
        if self.size_px is not None and self.channels is not None:
            return self
        modes, sizes = set(), set()
        for value in islice(values, _PEEKED):
            try:
                picture = open_image(value)
            except ValueError:
                continue  # reported with its name when the rows are read
            modes.add(picture.mode)
            sizes.add((picture.height, picture.width))
        if not sizes:
            raise DataError("None of the first training pictures can be opened; check the folder and the pattern.")
        if self.size_px is None and len(sizes) > 1:
            raise ConfigError(f"The pictures have different sizes ({_some(sizes)} pixels ...). Say size_px=, e.g. 224.")
        grey = modes <= {"L", "1", "I;16", "I", "F"}
        return replace(self, size_px=self.size_px or sizes.pop(), channels=self.channels or (1 if grey else 3))

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width, channels."""
        assert self.size_px is not None
        assert self.channels is not None
        return (*self.size_px, self.channels)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Bytes: a quarter of the memory of floats, and exact."""
        return np.uint8

    def check(self, value: Any) -> str | None:
        """What stops this picture from being read, pixels included."""
        try:
            self.encode(value)
        except ValueError as error:
            return str(error)
        return None

    def encode(self, value: Any) -> np.ndarray:
        """Decode and resize (antialiased), turned upright as its EXIF note says."""
        assert self.size_px is not None
        height, width = self.size_px
        if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.shape in (self.shape, self.shape[:2]):
            return value.reshape(self.shape)
        picture = open_image(value)
        try:
            # A large JPEG is decoded at the smallest of its own scales that still holds the wanted pixels.
            side = max(width, height)  # the same for a picture that EXIF turns by 90 degrees
            picture.draft("L" if self.channels == 1 else "RGB", (side, side))
            picture = _to_mode(ImageOps.exif_transpose(picture), "L" if self.channels == 1 else "RGB")
        except (OSError, ValueError, SyntaxError, EOFError, PILImage.DecompressionBombError) as error:
            raise ValueError(f"cannot be decoded ({error})") from None
        if picture.size != (width, height):
            picture = _resize(picture, width, height, self.resize)
        return np.asarray(picture).reshape(self.shape)

    def prepare(self, batch: torch.Tensor, draws: Draws | None = None) -> torch.Tensor:
        """`(B, H, W, C)` uint8 as `(B, C, H, W)` float32, changed as drawn, of mean 0 and spread 1 over training rows.

        The result lies channels-last in memory, which is how the pictures are kept and what convolutions like best.
        """
        assert self.mean is not None
        assert self.std is not None
        mean = torch.tensor(self.mean, device=batch.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, device=batch.device).view(1, -1, 1, 1)
        unit = batch.permute(0, 3, 1, 2).float()
        if draws is None or not (draws.colour or draws.geometry != "none"):
            return unit.sub_(mean * 255).div_(std * 255)
        return warp_images(unit.mul_(1 / 255), draws).sub_(mean).div_(std)

    def decode(self, encoded: Any) -> np.ndarray:
        """The pixels, `(H, W)` or `(H, W, 3)` uint8."""
        pixels = np.asarray(encoded)
        return pixels[..., 0] if pixels.shape[-1] == 1 else pixels

    def show_html(self, value: Any) -> str:
        """A thumbnail with the pixels inside the page."""
        try:
            picture = _to_mode(open_image(value), "RGB")
        except (ValueError, OSError) as error:
            return html.escape(f"({error})")
        picture.thumbnail((96, 96))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _to_mode(picture: PILImage.Image, mode: str) -> PILImage.Image:
    if picture.mode == mode:
        picture.load()
        return picture
    if picture.mode.startswith("I") or picture.mode == "F":  # 16 bits: Pillow would clip at 255 instead of scaling
        values = np.asarray(picture, np.float32)
        picture = PILImage.fromarray((values / max(float(values.max()) / 255, 1e-9)).clip(0, 255).astype(np.uint8))
    if picture.mode in ("P", "PA", "LA", "RGBA") and ("transparency" in picture.info or picture.mode != "P"):
        rgba = picture.convert("RGBA")  # see-through pixels show white, as on a page
        picture = PILImage.alpha_composite(PILImage.new("RGBA", rgba.size, "white"), rgba)
    return picture.convert(mode)


def _resize(picture: PILImage.Image, width: int, height: int, how: str) -> PILImage.Image:
    bilinear = PILImage.Resampling.BILINEAR
    if how == "squish":
        return picture.resize((width, height), bilinear, reducing_gap=2.0)
    if how == "pad":
        return ImageOps.pad(picture, (width, height), bilinear)
    scale = max(width / picture.width, height / picture.height)
    kept_w, kept_h = min(width / scale, picture.width), min(height / scale, picture.height)
    left, top = (picture.width - kept_w) / 2, (picture.height - kept_h) / 2
    return picture.resize((width, height), bilinear, box=(left, top, left + kept_w, top + kept_h), reducing_gap=2.0)


def _some(sizes: set[tuple[int, int]]) -> str:
    return ", ".join(f"{h}x{w}" for h, w in sorted(sizes)[:3])
