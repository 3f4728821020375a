"""The branch of Mask R-CNN that draws the mask of what is in a region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.nn.detection_targets import DetectionTargets
from longspan.nn.regions import pool_regions

__all__ = ["MaskBranch"]

_POOLED = 14  # places of a region that the branch sees, across and down; its masks have twice as many
_PASTED_AT_ONCE = 32


@final
class MaskBranch(nn.Module):
    """Masks of 28 x 28 for every class from the pyramid's maps, by torchvision's layers.

    Source: He et al. 2017, "Mask R-CNN", section 3 and fig. 4, right.
    Differs: `width` and `depth` (paper: 256 and 4); every image has a loss of its own, the mean over its positive
    regions (torchvision: over those of the batch); masks are laid back into the image where RoIAlign took them from,
    to the fraction of a pixel (torchvision: rounded to whole pixels).
    """

    def __init__(self, in_channels: int, num_classes: int, *, width: int, depth: int) -> None:
        """Build `depth` convolutions of `width` channels, one that doubles the size, and one to the classes."""
        from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

        super().__init__()
        self.head = MaskRCNNHeads(in_channels, (width,) * depth, 1)
        self.predictor = MaskRCNNPredictor(width if depth else in_channels, width, num_classes + 1)

    def forward(self, maps: Sequence[Tensor], strides: Sequence[int], regions: Sequence[Tensor]) -> Tensor:
        """Logits `(R, 1 + K, 28, 28)`, class 0 being nothing, of all regions of B images; see `pool_regions`."""
        return self.predictor(self.head(pool_regions(maps, strides, regions, _POOLED)))

    def losses(
        self,
        logits: Tensor,
        truths: Sequence[DetectionTargets],
        masks: Tensor,
        regions: Sequence[Tensor],
        numbers: Sequence[Tensor],
    ) -> Tensor:
        """Cross-entropy of each image `(B,)`, mean over the places of its positive regions, of the true class's mask.

        Args:
            logits: of all positive regions, image by image.
            truths: of each image.
            masks: `(B, M, H, W)` bool, for every encoded line.
            regions: of each image `(P, 4)`.
            numbers: of each image `(P,)`: which true box each region answers for.
        """
        from torchvision.ops import roi_align

        side, losses = logits.shape[-1], []
        said = logits.split([len(each) for each in regions])
        for image, (each, truth, found) in enumerate(zip(said, truths, numbers, strict=True)):
            lines = torch.arange(len(each), device=each.device)
            if not len(each):
                losses.append(each.sum() * 0)  # the weights take part in every batch
                continue
            boxes = torch.cat([found[:, None].to(each.dtype), regions[image]], dim=1)
            wanted = roi_align(masks[image, truth.lines, None].to(each.dtype), boxes, side)[:, 0]
            own = each[lines, truth.classes[found] + 1]
            losses.append(F.binary_cross_entropy_with_logits(own, wanted))
        return torch.stack(losses)

    def paste(self, logits: Tensor, kinds: Tensor, boxes: Tensor, size_px: tuple[int, int]) -> Tensor:
        """Masks as they lie in the image, `(N, H, W)` bool: probability of the own class at least one half.

        Args:
            logits: `(N, 1 + K, 28, 28)`.
            kinds: `(N,)` classes from 1.
            boxes: `(N, 4)` in pixels.
            size_px: height and width of the image.
        """
        small = logits[torch.arange(len(logits), device=logits.device), kinds].sigmoid()
        masks = torch.empty((len(small), *size_px), dtype=torch.bool, device=logits.device)
        for start in range(0, len(small), _PASTED_AT_ONCE):
            part = slice(start, start + _PASTED_AT_ONCE)
            down = _blend(boxes[part, 1], boxes[part, 3], size_px[0], small.shape[1])
            across = _blend(boxes[part, 0], boxes[part, 2], size_px[1], small.shape[2])
            masks[part] = down @ small[part] @ across.transpose(1, 2) >= 0.5
        return masks


def _blend(low: Tensor, high: Tensor, pixels: int, places: int) -> Tensor:
    """Shares `(N, pixels, places)` by which a row of places from `low` to `high` gives a row of pixels; outside 0.

    Pixel i looks at the edge coordinate i and not i + 1/2: RoIAlign as torchvision does it reads a mask half a pixel
    further on, so what was learned lies half a pixel before.
    """
    at = torch.arange(pixels, device=low.device, dtype=low.dtype) - low[:, None]
    at = at / (high - low).clamp_min(1.0)[:, None] * places - 0.5
    steps = torch.arange(places, device=low.device, dtype=low.dtype)
    return (1 - (at[:, :, None] - steps).abs()).clamp_min(0)
