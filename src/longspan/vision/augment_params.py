"""What chance does to each row of one batch, and how images and points follow it.

Coordinates are pixels with the origin at the centre of the top-left pixel, x to the right, y down. Everything geometric
(rotate, shift, scale, crop, flip) is one matrix a row, so an image is resampled once, and masks and boxes can follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, final

from longspan.errors import ConfigError, ShapeError
from longspan.lazy_torch import functional as F
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "AugmentParams",
    "Fill",
    "Geometry",
    "Resample",
    "affine_matrices",
    "warp_images",
    "warp_masks",
    "warp_points",
]

Fill = float | Literal["border", "reflect"]
"""What stands outside the image: its edge pixels drawn out, its mirror image, or a value (0..1; 0..255 for uint8)."""

Resample = Literal["bicubic", "bilinear"]
"""How a warped image is read between its pixels: bicubic keeps it sharp, bilinear blurs it and takes half the time."""

Geometry = Literal["none", "flip", "affine"]
"""What the matrices of a batch may hold at most: nothing, left-right mirroring, or anything."""

_CHUNK_VALUES = 1 << 20
"""Images are warped about this many values at a time, so that grid, samples and colour stay in the CPU's cache."""


@final
@dataclass(frozen=True, slots=True)
class AugmentParams:
    """What happens to each of the B rows of one batch."""

    matrix: Tensor
    """`(B, 2, 3)` float32: maps OUTPUT pixel coordinates to INPUT pixel coordinates."""
    gain: Tensor
    """`(B,)` float32: contrast factor about the image's mean grey; 1 = unchanged."""
    bias: Tensor
    """`(B,)` float32: brightness added, in units of the full range; 0 = unchanged."""
    geometry: Geometry = "affine"
    """What the matrices hold at most; a promise of who made them, so that nothing has to be read back from a GPU."""
    colour: bool = True
    """False promises that every gain is 1 and every bias is 0."""
    fill: Fill = field(default="border")
    """What stands outside the image, unless `warp_images` is told otherwise."""
    resample: Resample = "bilinear"
    """How images are read between their pixels."""

    def __post_init__(self) -> None:
        """Refuse shapes that do not belong together."""
        count = len(self.matrix)
        if self.matrix.shape != (count, 2, 3) or self.gain.shape != (count,) or self.bias.shape != (count,):
            raise ShapeError(
                "AugmentParams needs matrix (B, 2, 3), gain (B,) and bias (B,); got "
                f"{tuple(self.matrix.shape)}, {tuple(self.gain.shape)} and {tuple(self.bias.shape)}."
            )

    def __len__(self) -> int:
        """The number of rows, B."""
        return len(self.matrix)

    @staticmethod
    def identity(count: int) -> AugmentParams:
        """Parameters that change nothing in `count` rows."""
        matrix = torch.eye(2, 3).repeat(count, 1, 1)
        return AugmentParams(matrix, torch.ones(count), torch.zeros(count), geometry="none", colour=False)

    def take(self, rows: slice | Tensor) -> AugmentParams:
        """The draws of some rows, so that a whole epoch can be drawn at once and handed out a batch at a time."""
        parts = (self.matrix[rows], self.gain[rows], self.bias[rows])
        return self._with(*parts)

    def to(self, device: torch.device | str) -> AugmentParams:
        """The same draws on `device`."""
        parts = (part.to(device, non_blocking=True) for part in (self.matrix, self.gain, self.bias))
        return self._with(*parts)

    def _with(self, matrix: Tensor, gain: Tensor, bias: Tensor) -> AugmentParams:
        return AugmentParams(
            matrix, gain, bias, geometry=self.geometry, colour=self.colour, fill=self.fill, resample=self.resample
        )


def affine_matrices(
    size_px: tuple[int, int],
    *,
    rotate_deg: Tensor,
    zoom: Tensor,
    shift: Tensor,
    crop_size: Tensor,
    crop_offset: Tensor,
    flip: Tensor,
) -> Tensor:
    """Matrices from output to input pixels, `(B, 2, 3)` float32, for images of `size_px` that keep their size.

    In the order in which a person sees it: the image is rotated and zoomed about its centre, shifted, cropped (the
    crop fills the frame), and mirrored.

    Args:
        size_px: height and width.
        rotate_deg: `(B,)` degrees, counter-clockwise as seen.
        zoom: `(B,)` factor by which the content grows.
        shift: `(B, 2)` by which fraction of width and height the content moves right and down.
        crop_size: `(B, 2)` fraction of width and height that the crop keeps.
        crop_offset: `(B, 2)` distance of the crop's centre from the frame's, as fraction of width and height.
        flip: `(B,)` bool, mirror left to right.
    """
    height, width = size_px
    side = torch.tensor([width, height], dtype=torch.float64)
    centre = (side - 1) / 2
    # From the output backwards: mirror, then into the crop ...
    stretch = crop_size.double().clone()
    stretch[:, 0] *= 1 - 2 * flip.double()
    inner = crop_offset.double() * side - shift.double() * side  # ... then undo the shift ...
    angle = torch.deg2rad(rotate_deg.double())
    cos, sin = torch.cos(angle), torch.sin(angle)
    # ... then undo zoom and rotation: with y down, a clockwise turn as seen is [[cos, -sin], [sin, cos]].
    back = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2) / zoom.double()[:, None, None]
    linear = back * stretch[:, None, :]
    # Sums and not `@`: a product this small would wake all threads.
    offset = (back * inner[:, None, :]).sum(-1) + centre - (linear * centre).sum(-1)
    return torch.cat([linear, offset[:, :, None]], dim=2).float()


def warp_images(images: Tensor, augment_params: AugmentParams, *, fill: Fill | None = None) -> Tensor:
    """Images after their draws: `(B, C, H, W)` of the same dtype, memory format and device; `images` stays intact.

    Float images are in 0..1 (before normalisation) and are clamped to it when colour changes; uint8 in 0..255.
    Resampling is as `augment_params.resample` says, clamped to the range, without a low-pass filter: fit for zooms near
    1 or above, not for shrinking to half and less.
    Work is skipped where `draws.geometry` and `draws.colour` promise that there is none (the very same `images` come
    back when there is nothing to do); mirroring alone moves whole pixels and is exact.

    Args:
        images: `(B, C, H, W)` float or uint8; contiguous or channels-last.
        augment_params: for the same B rows, on the same device.
        fill: what stands outside the image; `draws.fill` if None.

    Raises:
        ShapeError: `images` is not `(B, C, H, W)` with B = `len(draws)`.
    """
    if images.ndim != 4 or len(images) != len(augment_params):
        raise ShapeError(
            f"warp_images needs images ({len(augment_params)}, C, H, W) for as many params, got {tuple(images.shape)}."
        )
    fill = augment_params.fill if fill is None else fill
    if isinstance(fill, str) and fill not in ("border", "reflect"):
        raise ConfigError(f"fill must be 'border', 'reflect' or a number, got {fill!r}.")
    if augment_params.geometry != "affine" and not augment_params.colour:
        return images if augment_params.geometry == "none" else _flip(images, augment_params.matrix)
    count = len(images)
    size = count
    if images.device.type == "cpu":
        # A multiple of the threads: torch shares out whole images.
        threads = torch.get_num_threads()
        size = max(1, math.ceil(_CHUNK_VALUES / max(1, images[0].numel()) / threads)) * threads
    if count <= size:
        last = images.is_contiguous(memory_format=torch.channels_last)
        return _warp(images, augment_params, fill).contiguous(
            memory_format=torch.channels_last if last else torch.contiguous_format
        )
    warped = torch.empty_like(images)
    for start in range(0, count, size):
        part = slice(start, start + size)
        warped[part] = _warp(images[part], augment_params.take(part), fill)
    return warped


def _warp(images: Tensor, augment_params: AugmentParams, fill: Fill) -> Tensor:
    """Geometry, then colour, of a few images."""
    if augment_params.geometry == "flip":
        images = _flip(images, augment_params.matrix)
    values = images if images.is_floating_point() else images.float()
    top = 1.0 if images.is_floating_point() else 255.0
    if augment_params.geometry == "affine":
        values = _resample(values, augment_params.matrix.to(values.dtype), fill, augment_params.resample)
        if augment_params.resample == "bicubic" and images.is_floating_point():
            values = values.clamp_(0, top)  # beside an edge it overshoots
    if augment_params.colour:
        gain, bias = augment_params.gain.to(values.dtype), augment_params.bias.to(values.dtype)
        mean = values.mean(dim=(1, 2, 3))
        offset = mean * (1 - gain) + bias * top
        values = torch.addcmul(offset[:, None, None, None], values, gain[:, None, None, None]).clamp_(0, top)
    if not images.is_floating_point():
        values = values.round_().clamp_(0, 255)
    return values.to(images.dtype)


def _flip(images: Tensor, matrix: Tensor) -> Tensor:
    """Mirror the images whose matrix looks from right to left."""
    mirrored = matrix[:, 0, 0] < 0
    if images.device.type == "cpu":
        # Half the traffic of `where`, which would write a mirrored copy of every image first.
        flipped = images.clone()
        rows = mirrored.nonzero()[:, 0]
        flipped[rows] = images[rows].flip(-1)
        return flipped
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def _resample(images: Tensor, matrix: Tensor, fill: Fill, mode: Resample) -> Tensor:
    """Samples of float `images` at the places that `matrix` names."""
    height, width = images.shape[-2:]
    size = torch.tensor([width, height], dtype=images.dtype, device=images.device)
    # grid_sample without align_corners has its -1 and 1 at the outer edges of the corner pixels.
    scaled = matrix * (2 / size)[:, None]
    constant = scaled[:, :, 2] + 1 / size - 1
    along_x = scaled[:, :, 0, None] * torch.arange(width, dtype=images.dtype, device=images.device)
    along_y = (
        scaled[:, :, 1, None] * torch.arange(height, dtype=images.dtype, device=images.device) + constant[:, :, None]
    )
    # One addition a coordinate, x and y in planes of their own: several times faster than affine_grid's product.
    grid = (along_x[:, :, None, :] + along_y[:, :, :, None]).permute(0, 2, 3, 1)
    if isinstance(fill, str):
        padding = "border" if fill == "border" else "reflection"
        return F.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)
    moved = images - fill if fill else images
    sampled = F.grid_sample(moved, grid, mode=mode, padding_mode="zeros", align_corners=False)
    return sampled.add_(fill) if fill else sampled


def warp_masks(masks: Tensor, augment_params: AugmentParams, fill: int) -> Tensor:
    """Masks after the draws of their images: `(B, C, H, W)` of the same dtype and device; `masks` stays intact.

    Each pixel takes the number nearest to the very place where `warp_images` samples, so numbers are never blended;
    mirroring alone moves whole pixels. What the warp brings in from outside is `fill`, however the image goes on
    there: nobody drew a mask for it.

    Args:
        masks: `(B, C, H, W)` bool or whole numbers.
        augment_params: for the same B rows, on the same device.
        fill: what stands outside.

    Raises:
        ShapeError: `masks` is not `(B, C, H, W)` with B = `len(draws)`.
    """
    if masks.ndim != 4 or len(masks) != len(augment_params):
        raise ShapeError(
            f"warp_masks needs masks ({len(augment_params)}, C, H, W) for as many params, got {tuple(masks.shape)}."
        )
    if augment_params.geometry != "affine":
        return masks if augment_params.geometry == "none" else _flip(masks, augment_params.matrix)
    count, channels, height, width = masks.shape
    size = max(1, _CHUNK_VALUES // max(1, masks[:1].numel())) if masks.device.type == "cpu" else max(1, count)
    warped = torch.empty_like(masks, memory_format=torch.contiguous_format)
    for start in range(0, count, size):
        part = slice(start, start + size)
        # A frame of `fill`, one pixel wide, stands for all that lies outside.
        framed = F.pad(masks[part], (1, 1, 1, 1), value=fill).flatten(2)
        places = _nearest(augment_params.matrix[part], height, width)[:, None].expand(-1, channels, -1)
        torch.gather(framed, 2, places, out=warped[part].view(len(framed), channels, -1))
    return warped


def _nearest(matrix: Tensor, height: int, width: int) -> Tensor:
    """For each pixel, `(B, H * W)`, where it looks in an image of `height + 2` by `width + 2`: the position there."""
    places = []
    for axis, side in ((0, width), (1, height)):
        along_x = matrix[:, axis, 0, None] * torch.arange(width, dtype=matrix.dtype, device=matrix.device)
        along_y = matrix[:, axis, 1, None] * torch.arange(height, dtype=matrix.dtype, device=matrix.device)
        # One for the frame and a half for rounding: what is cut off after the point is then at least 0.
        along_y += matrix[:, axis, 2, None] + 1.5
        places.append((along_x[:, None, :] + along_y[:, :, None]).clamp_(0, side + 1.5).int())
    return places[1].mul_(width + 2).add_(places[0]).flatten(1).long()


def warp_points(xy: Tensor, augment_params: AugmentParams) -> Tensor:
    """Where points of the input image lie in the output image: `(B, N, 2)` (x, y) in pixels, float.

    Points may end up outside the image. The inverse of the draw's matrix is used.

    Raises:
        ShapeError: `xy` is not `(B, N, 2)` with B = `len(draws)`.
    """
    if xy.ndim != 3 or len(xy) != len(augment_params) or xy.shape[-1] != 2:
        raise ShapeError(
            f"warp_points needs points ({len(augment_params)}, N, 2) for as many params, got {tuple(xy.shape)}."
        )
    linear, offset = augment_params.matrix[:, :, :2].double(), augment_params.matrix[:, :, 2].double()
    moved = torch.linalg.solve(linear, (xy.double() - offset[:, None, :]).transpose(1, 2))
    return moved.transpose(1, 2).to(xy.dtype if xy.is_floating_point() else torch.float32)
