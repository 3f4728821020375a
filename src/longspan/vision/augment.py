"""Augmentation: the same images, a little different in every epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, final, get_args

from longspan.errors import ConfigError, check_names
from longspan.lazy_torch import torch
from longspan.randomness import uniform
from longspan.vision.augment_params import AugmentParams, Fill, Geometry, Resample, affine_matrices

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Augment"]

_MOST_STRETCH = 4 / 3
"""A random crop is at most this much wider or taller than the image, as in Szegedy et al. 2015, section 6."""

_CHANCES = 12
"""Numbers drawn for a row: turn, zoom, shift x and y, crop area, stretch, x and y, mirror, brightness, contrast, and
slant."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Augment:
    """How far chance may change an image in training; everything is off by default.

    It draws for whole batches, and a row's draw is a function of (seed, epoch, row): see `longspan.randomness`. The
    draws are applied by `longspan.vision.augment_params.warp_images` to float images in 0..1, before normalisation, or
    to uint8 ones.

    Raises:
        ConfigError: a value is out of its range; all faults are named at once.

    Example:
        >>> draws = Augment.digits().draw(torch.tensor([3, 4]), epoch=0, seed=0, size_px=(28, 28))
        >>> draws.matrix.shape
        torch.Size([2, 2, 3])
    """

    rotate_deg: float = 0.0
    """Turn by up to this many degrees either way; 0..180."""
    shear_deg: float = 0.0
    """Slant upright lines by up to this many degrees either way, as handwriting does; 0..60."""
    shift: float = 0.0
    """Move by up to this fraction of the side, in each direction; 0..1, 1 excluded."""
    scale: float = 0.0
    """Zoom by a factor between 1 / (1 + scale) and 1 + scale, even in its logarithm; >= 0."""
    crop: float = 1.0
    """Smallest fraction of the area that a random crop keeps; 0.01..1, 1 = off. Crops are stretched by up to 4/3."""
    flip: bool = False
    """Mirror left to right, half of the time. Not for digits, letters, or anything that has a handedness."""
    brightness: float = 0.0
    """Add up to this fraction of the full range, or take it away; 0..1."""
    contrast: float = 0.0
    """Multiply the distance from the mean grey by 1 / (1 + contrast) to 1 + contrast, even in the logarithm; >= 0."""
    fill: Fill = "border"
    """What stands outside the image: "border" (edge pixels), "reflect" (mirror image), or a value in 0..1."""
    resample: Resample = "bicubic"
    """How an image that is turned, moved or zoomed is read between its pixels. "bilinear" takes half the time and blurs
    it, so that the images to predict, which are not warped, are sharper than any in training: where texture matters,
    as on radiographs, predictions are then biased."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        faults = []
        for name, low, high in (
            ("rotate_deg", 0, 180),
            ("shear_deg", 0, 60),
            ("shift", 0, 0.999),
            ("scale", 0, 9),
            ("crop", 0.01, 1),
            ("brightness", 0, 1),
            ("contrast", 0, 9),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                faults.append(f"Augment.{name} must be a number in {low}..{high}, got {value!r}")
        if not isinstance(self.flip, bool):
            faults.append(f"Augment.flip must be True or False, got {self.flip!r}")
        number = isinstance(self.fill, int | float) and not isinstance(self.fill, bool) and 0 <= self.fill <= 1
        if not number and self.fill not in ("border", "reflect"):
            faults.append(f"Augment.fill must be 'border', 'reflect' or a number in 0..1, got {self.fill!r}")
        if self.resample not in get_args(Resample):
            faults.append(f"Augment.resample must be 'bicubic' or 'bilinear', got {self.resample!r}")
        if faults:
            raise ConfigError("; ".join(faults) + ".")

    @classmethod
    def photos(cls) -> Augment:
        """A mild choice for photographs: mirrored, slightly turned, zoomed and lit."""
        return cls(rotate_deg=10, scale=0.1, flip=True, brightness=0.1, contrast=0.2, fill="reflect")

    @classmethod
    def digits(cls) -> Augment:
        """A mild choice for characters on a black ground: slightly turned, shifted and zoomed; never mirrored.

        Strokes have no texture to lose, so the faster resampling does.
        """
        return cls(rotate_deg=10, shift=0.08, scale=0.1, fill=0.0, resample="bilinear")

    @property
    def geometry(self) -> Geometry:
        """What the draws' matrices hold at most."""
        if self.rotate_deg or self.shear_deg or self.shift or self.scale or self.crop < 1:
            return "affine"
        return "flip" if self.flip else "none"

    @property
    def colour(self) -> bool:
        """Whether brightness or contrast is drawn."""
        return bool(self.brightness or self.contrast)

    @property
    def active(self) -> bool:
        """Whether anything is drawn at all."""
        return self.colour or self.geometry != "none"

    def draw(self, rows: Tensor, epoch: int, seed: int, size_px: tuple[int, int]) -> AugmentParams:
        """What happens to `rows` in `epoch`: draws on the CPU, each a function of (seed, epoch, row) alone.

        Args:
            rows: `(B,)` integer row numbers of the table.
            epoch: number of the epoch.
            seed: the run's seed.
            size_px: height and width of the images.
        """
        return self._draws(uniform(seed, "augment", epoch, rows.cpu(), _CHANCES), size_px)

    def views(self, n: int, rows: Tensor, size_px: tuple[int, int], seed: int = 0) -> list[AugmentParams]:
        """`n` fixed views of `rows` for test-time augmentation, whose predictions are averaged.

        The first view is the image as it is; with `flip`, the second is its exact mirror image. The others are random
        draws, of which every second one is mirrored. A view depends on (seed, view, row) alone.

        Raises:
            ConfigError: `n` is less than 1.
        """
        if n < 1:
            raise ConfigError(f"Test-time augmentation needs at least 1 view, got {n}.")
        width = size_px[1]
        plain = AugmentParams.identity(len(rows))
        mirror = torch.tensor([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]]).repeat(len(rows), 1, 1)
        made = (
            [plain, AugmentParams(mirror, plain.gain, plain.bias, geometry="flip", colour=False)]
            if self.flip
            else [plain]
        )
        for view in range(len(made), n):
            chances = uniform(seed, "augment view", view, rows.cpu(), _CHANCES)
            chances[:, 8] = 0.0 if view % 2 else 1.0  # mirrored, if mirroring is on, or not
            made.append(self._draws(chances, size_px))
        return made[:n]

    def _draws(self, chances: Tensor, size_px: tuple[int, int]) -> AugmentParams:
        """Turn `(B, 12)` numbers in [0, 1) into draws; one column for each effect, whether it is on or off."""
        spread = 2 * chances - 1  # -1..1
        flip = (chances[:, 8] < 0.5) & self.flip
        crop_size = torch.ones(len(chances), 2, dtype=torch.float64)
        if self.crop < 1:
            area = self.crop + (1 - self.crop) * chances[:, 4]
            # The most stretched crop of this area that still fits into the image.
            most = torch.clamp(-torch.log(area), max=math.log(_MOST_STRETCH))
            stretch = torch.exp(spread[:, 5] * most / 2)
            crop_size = area.sqrt()[:, None] * torch.stack([stretch, 1 / stretch], dim=1)
        if self.geometry == "none":
            matrix = AugmentParams.identity(len(chances)).matrix
        else:
            matrix = affine_matrices(
                size_px,
                rotate_deg=self.rotate_deg * spread[:, 0],
                zoom=torch.exp(math.log1p(self.scale) * spread[:, 1]),
                shift=self.shift * spread[:, 2:4],
                crop_size=crop_size,
                crop_offset=(1 - crop_size) / 2 * spread[:, 6:8],
                flip=flip,
            )
            if self.shear_deg:
                matrix = _slanted(matrix, torch.tan(torch.deg2rad(self.shear_deg * spread[:, 11])), size_px[0])
        return AugmentParams(
            matrix=matrix,
            gain=torch.exp(math.log1p(self.contrast) * spread[:, 10]).float(),
            bias=(self.brightness * spread[:, 9]).float(),
            geometry=self.geometry,
            colour=self.colour,
            fill=self.fill,
            resample=self.resample,
        )

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> Augment:
        """The augmentation whose `to_json` gave `settings`; before there was a choice, resampling was bilinear.

        Raises:
            UnknownNameError: a setting that does not exist.
        """
        check_names("augmentation setting", settings, [each.name for each in fields(cls)])
        return cls(**{"resample": "bilinear", **settings})


def _slanted(matrix: Tensor, slope: Tensor, height: int) -> Tensor:
    """`matrix` `(B, 2, 3)` behind a shear about the middle row: `slope` `(B,)` columns to the side for each row."""
    shear = torch.eye(3, dtype=torch.float64).repeat(len(slope), 1, 1)
    shear[:, 0, 1] = slope.double()
    shear[:, 0, 2] = -slope.double() * (height - 1) / 2
    return (matrix.double() @ shear).float()
