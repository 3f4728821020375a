"""Anchors: the boxes relative to which a detector predicts, laid out over the maps of a pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

__all__ = ["Anchors", "anchor_side_px"]


def anchor_side_px(strides: Sequence[int], size_px: tuple[int, int], *, per_octave: int, most: float) -> float:
    """Default side of the smallest square anchor of the finest map.

    Anchors double from map to map, as the strides do. The largest are 0.7 of the image's side (of a square of the
    same area), but no side is more than `most` strides, nor less than half of that.
    """
    largest = 0.7 * (size_px[0] * size_px[1]) ** 0.5 / strides[-1] / 2 ** ((per_octave - 1) / per_octave)
    return strides[0] * min(max(largest, most / 2), most)


@final
class Anchors(nn.Module):
    """Boxes of several shapes and sizes around every place of every map; without weights.

    Source: Ren et al. 2015, "Faster R-CNN", section 3.1.1, by torchvision's `AnchorGenerator`; sizes by map as in Lin
    et al. 2017, section 4.1, and within an octave as in Lin et al. 2018, "Focal loss", section 4.
    """

    def __init__(self, strides: Sequence[int], side_px: float, ratios: Sequence[float], per_octave: int = 1) -> None:
        """Lay out anchors for maps at `strides`.

        Args:
            strides: Of the maps, fine to coarse.
            side_px: Side of the smallest square anchor of the finest map.
            ratios: Height to width of every anchor's shape.
            per_octave: Sizes on each map, evenly spaced on a log scale.
        """
        from torchvision.models.detection.anchor_utils import AnchorGenerator

        super().__init__()
        self.strides = tuple(strides)
        steps = [2 ** (step / per_octave) for step in range(per_octave)]
        sizes = tuple(tuple(side_px * stride / strides[0] * step for step in steps) for stride in strides)
        self.generator = AnchorGenerator(sizes, (tuple(ratios),) * len(strides))
        self.per_place = len(ratios) * per_octave
        self._laid: tuple[object, list[Tensor]] | None = None

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """For each of the maps `(B, C, H_i, W_i)` anchors `(H_i * W_i * per_place, 4)`, row by row, in pixels."""
        key = ([tuple(each.shape[2:]) for each in maps], maps[0].device)
        laid = self._laid  # read once: another thread may ask for maps of another size
        if laid is None or laid[0] != key:
            laid = (key, [self._level(i, each.shape[2], each.shape[3], each.device) for i, each in enumerate(maps)])
            self._laid = laid
        return laid[1]

    def _level(self, level: int, height: int, width: int, device: torch.device) -> Tensor:
        stride = self.strides[level]
        down = torch.arange(height, dtype=torch.int32, device=device) * stride
        across = torch.arange(width, dtype=torch.int32, device=device) * stride
        y, x = torch.meshgrid(down, across, indexing="ij")
        corners = torch.stack([x.reshape(-1), y.reshape(-1)] * 2, dim=1)
        cells = self.generator.cell_anchors[level].to(device)
        return (corners[:, None] + cells).reshape(-1, 4)
