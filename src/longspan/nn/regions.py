"""Features of regions of an image: RoIAlign over the maps of a pyramid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["pool_regions", "region_levels"]

_CANONICAL_PX = 224.0
"""A region of this side belongs to the map of stride 16."""


def region_levels(regions: Tensor, strides: Sequence[int]) -> Tensor:
    """From which of the maps of `strides` each region `(R, 4)` is read: `(R,)` int64.

    Source: Lin et al. 2017, "Feature pyramid networks for object detection", eq. 1 with k0 = 4. Strides double.
    """
    finest = strides[0].bit_length() - 1
    side = (regions[:, 2:] - regions[:, :2]).clamp_min(0).prod(dim=1).sqrt()
    level = torch.floor(4 + torch.log2(side / _CANONICAL_PX) + 1e-6).clamp(finest, finest + len(strides) - 1)
    return level.long() - finest


def pool_regions(
    maps: Sequence[Tensor], strides: Sequence[int], regions: Sequence[Tensor], side: int, samples: int = 2
) -> Tensor:
    """`(R, C, side, side)` float32: every region cut out of the map that fits its size.

    Each of the side x side bins is the mean of samples x samples bilinear samples, as in torchvision's
    `MultiScaleRoIAlign` (not "aligned"), whose results and gradients these are. On the CPU they are computed as
    weighted sums of whole vectors of channels, which is several times faster there, above all backwards.

    Source: He et al. 2017, "Mask R-CNN", section 3 (RoIAlign).

    Args:
        maps: `(B, C, H_i, W_i)` for each of `strides`, fine to coarse.
        strides: each twice the one before.
        regions: for each of B images `(R_b, 4)` x0, y0, x1, y1 in pixels.
        side: bins across and down.
        samples: bilinear samples of a bin across and down.
    """
    flat = torch.cat(list(regions))
    if torch.compiler.is_exporting():
        return _pool_everywhere(maps, strides, flat, side, samples)
    rows = torch.repeat_interleave(
        torch.arange(len(regions), device=flat.device),
        torch.tensor([len(each) for each in regions], device=flat.device),
    )
    levels = region_levels(flat, strides)
    pool = _sum_vectors if flat.device.type == "cpu" else _pool_by_level
    return pool(maps, strides, flat, rows, levels, side, samples)


def _pool_everywhere(
    maps: Sequence[Tensor], strides: Sequence[int], regions: Tensor, side: int, samples: int
) -> Tensor:
    """The regions of one image, cut out of every map, of which the one that fits is kept: sizes are then known."""
    from torchvision.ops import roi_align

    levels = region_levels(regions, strides)
    boxes = torch.cat([regions.new_zeros(len(regions), 1), regions], dim=1)
    parts = [
        roi_align(each.float(), boxes, side, 1 / stride, samples) * (levels == level)[:, None, None, None]
        for level, (each, stride) in enumerate(zip(maps, strides, strict=True))
    ]
    return torch.stack(parts).sum(dim=0)


def _pool_by_level(
    maps: Sequence[Tensor],
    strides: Sequence[int],
    regions: Tensor,
    rows: Tensor,
    levels: Tensor,
    side: int,
    samples: int,
) -> Tensor:
    """By torchvision's `roi_align`, map by map; `rows` and `levels` `(R,)` say whose and which each region's map is."""
    from torchvision.ops import roi_align

    boxes = torch.cat([rows[:, None].to(regions.dtype), regions], dim=1)
    pooled = regions.new_zeros(len(regions), maps[0].shape[1], side, side)
    for level, (each, stride) in enumerate(zip(maps, strides, strict=True)):
        chosen = torch.where(levels == level)[0]
        pooled = pooled.index_copy(0, chosen, roi_align(each.float(), boxes[chosen], side, 1 / stride, samples))
    return pooled


def _sum_vectors(
    maps: Sequence[Tensor],
    strides: Sequence[int],
    regions: Tensor,
    rows: Tensor,
    levels: Tensor,
    side: int,
    samples: int,
) -> Tensor:
    """The same as sums over a table that holds the channels of every place of every map, one place a line."""
    channels = maps[0].shape[1]
    table = torch.cat([each.permute(0, 2, 3, 1).reshape(-1, channels) for each in maps]).float()
    sizes = torch.tensor([each.shape[2:] for each in maps])
    lines = torch.tensor([0, *(each.numel() // channels for each in maps[:-1])]).cumsum(0)
    height, width = sizes[levels].unbind(1)
    scaled = regions / torch.tensor(strides, dtype=regions.dtype)[levels, None]
    y, weight_y = _places(scaled[:, 1], scaled[:, 3], height, side, samples)
    x, weight_x = _places(scaled[:, 0], scaled[:, 2], width, side, samples)
    first = lines[levels] + rows * height * width
    line = (first[:, None, None] + y * width[:, None, None])[:, :, None, :, None] + x[:, None, :, None, :]
    weight = weight_y[:, :, None, :, None] * weight_x[:, None, :, None, :] / samples**2
    bins = len(regions) * side * side
    summed = F.embedding_bag(
        line.reshape(bins, (2 * samples) ** 2),
        table,
        mode="sum",
        per_sample_weights=weight.reshape(bins, (2 * samples) ** 2).to(table.dtype),
    )
    return summed.view(len(regions), side, side, channels).permute(0, 3, 1, 2)


def _places(low: Tensor, high: Tensor, size: Tensor, side: int, samples: int) -> tuple[Tensor, Tensor]:
    """Along one axis, the places between which each bin's samples lie and their weights: twice `(R, side, 2 samples)`.

    Samples more than a place outside the map count as zero, those nearer take its border.
    """
    step = (high - low).clamp_min(1.0) / side
    ticks = (torch.arange(side * samples, dtype=low.dtype) + 0.5) / samples
    at = low[:, None] + ticks * step[:, None]
    last = size[:, None] - 1
    inside = (at >= -1) & (at <= last + 1)
    at = at.clamp_min(0).minimum(last.to(at.dtype))
    before = at.long()
    fraction = at - before
    places = torch.stack([before, (before + 1).minimum(last)], dim=-1)
    weights = torch.stack([1 - fraction, fraction], dim=-1) * inside[:, :, None]
    return places.view(-1, side, 2 * samples), weights.view(-1, side, 2 * samples)
