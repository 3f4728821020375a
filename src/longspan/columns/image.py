"""Images: files, Pillow images or arrays, read once at the size that trains."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.augmentation import Augmentation
from longspan.columns.base import Column
from longspan.columns.spec import ImageSpec
from longspan.errors import ConfigError, Fault, data_error
from longspan.lazy_torch import torch
from longspan.metrics.row_errors import RAW_VALUE, RowError
from longspan.old_names import current_value
from longspan.vision.augment import Augment
from longspan.vision.augment_params import AugmentParams, warp_images
from longspan.vision.image_io import Resize, look, read_pixels, resize
from longspan.vision.imagenet_colours import IMAGENET_MEAN, IMAGENET_STD
from longspan.vision.resize_transform import ResizeTransform

__all__ = ["Image"]

_WHOLE_PX = 1 << 20  # a JPEG is not read at one of its smaller scales
_CACHED = 1 << 18  # floats
_PEEKED = 64  # images looked at to learn the number of channels and the common size
_MOST_PIXELS = 1 << 24  # of one sample
_STATISTICS_SIDE_PX = 64  # mean and spread are taken from about so many pixels a side


@final
@dataclass(frozen=True, kw_only=True)
class Image(Column):
    """An image: encoded as `(H, W, C)` uint8 at `size_px`; `prepare` gives `(B, C, H, W)` float32, normalised.

    Read as a person sees it: turned upright by its EXIF note, transparent parts on white, the first frame of several.
    Values of more than 8 bits are scaled by their type, the same for all images: 0 to 65535 for 16 bits, 0 to 1 for
    floating-point numbers. Values outside are refused.
    """

    kind: ClassVar[str] = "image"
    in_files: ClassVar[bool] = True
    encodes_pixels: ClassVar[bool] = True
    blendable: ClassVar[bool] = True
    augmentation: ClassVar[type | None] = Augment

    size_px: tuple[int, int] | None = None
    """Height and width that the network sees; learned where all images have one size."""
    channels: int | None = None
    """1 for grey, 3 for colour; learned from the training rows (grey only if all of them are)."""
    resize: Resize | Literal["auto"] = "auto"
    """How another shape becomes `size_px`: "crop" cuts the middle out, "stretch" changes the shape, "pad" fills up with
    black; "auto" pads where a target lies in the image, such as a mask or boxes, and crops elsewhere."""
    mean: tuple[float, ...] | None = None
    """Per channel, of values in 0..1; learned from the training rows, or that of the pretrained weights."""
    std: tuple[float, ...] | None = None
    """Per channel, of values in 0..1."""

    def __post_init__(self) -> None:
        """Check size, channels and statistics."""
        if isinstance(self.size_px, int):
            object.__setattr__(self, "size_px", (self.size_px, self.size_px))
        if self.size_px is not None and (
            len(self.size_px) != 2 or not all(isinstance(side, int) and side >= 1 for side in self.size_px)
        ):
            raise ConfigError(f"Image.size_px must be (height, width) of at least 1 pixel, got {self.size_px!r}")
        if self.size_px is not None and self.size_px[0] * self.size_px[1] > _MOST_PIXELS:  # also in a stranger's file
            raise ConfigError(
                f"Image.size_px {self.size_px[0]} x {self.size_px[1]} is more than the {_MOST_PIXELS:,} pixels that "
                "one sample may have; large images are read smaller, or tile by tile (tiles=True)"
            )
        if self.channels not in (None, 1, 3):
            raise ConfigError(f"Image.channels must be 1 (grey) or 3 (colour), got {self.channels!r}")
        object.__setattr__(self, "resize", current_value("Image.resize", self.resize))
        if self.resize not in ("auto", "crop", "stretch", "pad"):
            raise ConfigError(f"Image.resize must be 'auto', 'crop', 'stretch' or 'pad', got {self.resize!r}")
        numbers = (*(self.mean or ()), *(self.std or ()))
        if not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers):
            raise ConfigError(f"Image.mean and Image.std are finite numbers, got {self.mean!r} and {self.std!r}")
        if (self.mean is None) != (self.std is None) or len(self.mean or ()) != len(self.std or ()):
            raise ConfigError(f"Image.mean and Image.std go together, got {self.mean!r} and {self.std!r}")
        if self.std is not None and not min(self.std) > 0:
            raise ConfigError(f"Image.std must be above 0, got {self.std!r}")
        if self.mean is not None and self.channels is not None and len(self.mean) != self.channels:
            raise ConfigError(f"Image.mean has {len(self.mean)} values for {self.channels} channels")

    def fit(self, values: Iterable[Any]) -> Self:
        """Channels and size, from the headers of the first training images; pixels are not decoded here.

        Raises:
            DataError: none of them can be opened; it names them all.
            ConfigError: they have different sizes, and `size_px` is not given.
        """
        if self.resize == "auto":
            return replace(self, resize="crop").fit(values)
        if self.size_px is not None and self.channels is not None:
            return self
        modes, sizes, faults = set(), set(), []
        for number, value in enumerate(values):
            try:
                mode, size = look(value)
            except ValueError as error:  # reported with its row when the rows are read, unless all are like this
                faults.append(Fault(str(value) if isinstance(value, str | Path) else f"image {number}", str(error)))
                continue
            modes.add(mode)
            sizes.add(size)
            if number - len(faults) + 1 == _PEEKED:
                break
        if not sizes:
            raise data_error("No training image can be opened:", faults, "Check the folder, the pattern, the files.")
        if self.size_px is None and len(sizes) > 1:
            raise ConfigError(
                f"The images have different sizes ({_some(sizes)} pixels ...). Pass size_px=, for example 224."
            )
        grey = modes <= {"L", "1", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
        return replace(self, size_px=self.size_px or sizes.pop(), channels=self.channels or (1 if grey else 3))

    def with_located_targets(self) -> Self:
        """Padded unless another way was chosen: what is cut off cannot be found."""
        return replace(self, resize="pad") if self.resize == "auto" else self

    def fit_small(self, values: Callable[[], Iterable[Any]], side_px: int) -> Self:
        """Channels, and the common size where it is at most `side_px`, else a square of it; nothing is cut off.

        Raises:
            DataError: no image can be opened.
        """
        try:
            fitted = replace(self, size_px=None).fit(values())
        except ConfigError:  # they differ in size
            fitted = replace(self, size_px=(side_px, side_px)).fit(values())
        assert fitted.size_px is not None
        size_px = (side_px, side_px) if min(fitted.size_px) > side_px else fitted.size_px
        return replace(fitted, size_px=size_px, resize="stretch")

    @property
    def needs_encoded(self) -> bool:
        """Whether mean and spread are unknown."""
        return self.mean is None

    def fit_encoded(self, batches: Iterable[torch.Tensor]) -> Self:
        """Mean and spread of each channel, unless given; of large images from every few pixels.

        Args:
            batches: Encoded training images, `(B, H, W, C)` uint8 each.
        """
        if not self.needs_encoded:
            return self
        counts = np.zeros((self.shape[2], 256), np.int64)
        stride = max(1, min(self.shape[:2]) // _STATISTICS_SIDE_PX)
        for batch in batches:
            pixels = batch[:, ::stride, ::stride].numpy()
            for channel in range(len(counts)):
                counts[channel] += np.bincount(pixels[..., channel].ravel(), minlength=256)
        levels = np.arange(256) / 255
        fractions = counts / counts.sum(axis=1, keepdims=True)
        mean = fractions @ levels
        std = np.sqrt(np.maximum(fractions @ levels**2 - mean**2, 0))
        return replace(
            self,
            mean=tuple(round(float(m), 4) for m in mean),
            std=tuple(round(float(s), 4) or 1.0 for s in std),  # a constant image has no spread to divide by
        )

    def with_size(self, size_px: tuple[int, int]) -> Self:
        """This column at another height and width."""
        return replace(self, size_px=size_px)

    def for_weights(self, weights: str) -> Self:
        """Mean and spread of ImageNet for "imagenet" and "faces"; of grey images their mean over the colours."""
        if weights not in ("imagenet", "faces"):
            return self
        grey = self.channels == 1
        mean = (sum(IMAGENET_MEAN) / 3,) if grey else IMAGENET_MEAN
        std = (sum(IMAGENET_STD) / 3,) if grey else IMAGENET_STD
        return replace(self, mean=mean, std=std)

    def with_statistics_of(self, other: Column) -> Self:
        """Mean and spread of another fitted image column, where it has as many channels."""
        if not isinstance(other, Image) or other.channels != self.channels:
            return self
        return replace(self, mean=other.mean, std=other.std)

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
        """What stops this image from being read, pixels included."""
        try:
            self.encode(value)
        except ValueError as error:
            return str(error)
        return None

    def encode(self, value: Any) -> np.ndarray:
        """Decode and resize (antialiased), turned upright as its EXIF note says."""
        assert self.size_px is not None
        height, width = self.size_px
        # Only grey may come without its axis of channels: for colour, (H, W) becomes three times as much.
        shapes = (self.shape, self.shape[:2]) if self.channels == 1 else (self.shape,)
        if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.shape in shapes:
            return value.reshape(self.shape)
        image = read_pixels(value, "L" if self.channels == 1 else "RGB", max(width, height))
        if image.size != (width, height):
            image = resize(image, width, height, "crop" if self.resize == "auto" else self.resize)
        return np.asarray(image).reshape(self.shape)

    def encoded_array(self, array: np.ndarray) -> np.ndarray | None:
        """Images `(N, H, W)` or `(N, H, W, C)` uint8 that have the size and channels of this column already."""
        as_is = (self.shape, self.shape[:2]) if self.channels == 1 else (self.shape,)
        return array.reshape(len(array), *self.shape) if array.shape[1:] in as_is else None

    def encoding_settings(self) -> dict[str, Any]:
        """All but mean and spread, which `prepare` uses."""
        return {name: value for name, value in self.to_json().items() if name not in ("mean", "std")}

    def context_of(self, value: Any) -> ResizeTransform:
        """How this image lies in the frame that `encode` makes of it, from its header alone; for fitted columns.

        Raises:
            ValueError: the image cannot be opened.
        """
        assert self.size_px is not None
        return ResizeTransform(look(value)[1], self.size_px, "crop" if self.resize == "auto" else self.resize)

    def pixels(self, value: Any) -> np.ndarray:
        """The whole image at its own size, `(h, w, C)` uint8, turned upright.

        Raises:
            ValueError: the image cannot be read.
        """
        assert self.channels is not None
        image = read_pixels(value, "L" if self.channels == 1 else "RGB", _WHOLE_PX)
        return np.array(image).reshape(image.height, image.width, self.channels)

    def prepare(self, batch: torch.Tensor, augment_params: AugmentParams | None = None) -> torch.Tensor:
        """`(B, H, W, C)` uint8 as `(B, C, H, W)` float32, changed as drawn, of mean 0 and spread 1 over training rows.

        The result lies channels-last in memory, which is how the images are kept and what convolutions like best.
        """
        assert self.mean is not None
        assert self.std is not None
        mean = torch.tensor(self.mean, device=batch.device)
        std = torch.tensor(self.std, device=batch.device)
        if augment_params is None or not (augment_params.colour or augment_params.geometry != "none"):
            if torch.compiler.is_exporting():  # a graph for any number of images cannot take few at a time
                return (batch.float() * (1 / (std * 255)) - mean / std).permute(0, 3, 1, 2)
            # Whole lines at a time: three channels alone are too short a row for vector instructions.
            lines = batch.flatten(2)  # (B, H, W * C)
            scale, shift = (1 / (std * 255)).repeat(batch.shape[2]), (mean / std).repeat(batch.shape[2])
            rows = torch.empty(lines.shape, device=batch.device)
            # On a processor so many images at a time as stay in its cache from step to step.
            few = max(1, _CACHED // max(1, lines[:1].numel())) if batch.device.type == "cpu" else max(1, len(batch))
            for some, read in zip(rows.split(few), lines.split(few), strict=True):
                some.copy_(read).mul_(scale).sub_(shift)
            return rows.view(batch.shape).permute(0, 3, 1, 2)
        unit = batch.permute(0, 3, 1, 2).float().mul_(1 / 255)
        return warp_images(unit, augment_params).sub_(mean.view(1, -1, 1, 1)).div_(std.view(1, -1, 1, 1))

    def prepared_pixels(self, batch: torch.Tensor, augment_params: AugmentParams | None = None) -> torch.Tensor:
        """`(B, H, W, C)` uint8 after augmentation, as `prepare` gives them but not normalised."""
        raw = replace(self, mean=(0.0,) * self.shape[2], std=(1.0,) * self.shape[2])
        unit = raw.prepare(batch, augment_params).clamp(0, 1)
        return (unit * 255).round().byte().permute(0, 2, 3, 1).contiguous()

    def spec(self) -> ImageSpec:
        """Channels and size."""
        assert self.size_px is not None
        assert self.channels is not None
        return ImageSpec(self.channels, self.size_px)

    def draw_params(self, config: Augmentation, rows: torch.Tensor, epoch: int, seed: int) -> AugmentParams:
        """Warps and colours of `rows` in `epoch`; images of one row and one config are changed alike."""
        assert isinstance(config, Augment)
        assert self.size_px is not None
        return config.draw(rows, epoch, seed, self.size_px)

    def decode(self, encoded: Any) -> np.ndarray:
        """The pixels, `(H, W)` or `(H, W, 3)` uint8."""
        pixels = np.asarray(encoded)
        return pixels[..., 0] if pixels.shape[-1] == 1 else pixels

    @property
    def row_error(self) -> RowError:
        """Equal or not; as a target an image needs an error of the user's own."""
        return RAW_VALUE

    def show_html(self, value: Any) -> str:
        """A thumbnail with the pixels inside the page."""
        try:
            image = read_pixels(value, "RGB", 96)
        except ValueError as error:
            return html.escape(f"({error})")
        image.thumbnail((96, 96))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _some(sizes: set[tuple[int, int]]) -> str:
    return ", ".join(f"{h}x{w}" for h, w in sorted(sizes)[:3])
