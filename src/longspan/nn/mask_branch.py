"""The branch of Mask R-CNN that predicts the mask of the object in a region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.nn.detection_targets import DetectionTargets
from longspan.nn.regions import pool_regions

__all__ = ["MaskBranch"]

_POOLED = 14  # bins across and down of a region as the branch reads it; its masks have twice as many
_PASTED_AT_ONCE = 32


@final
class MaskBranch(nn.Module):
    """Masks of 28 x 28 for every class from the pyramid's maps, by torchvision's layers.

    Source: He et al. 2017, "Mask R-CNN", section 3 and fig. 4, right.
    Differs: `width` and `depth` (paper: 256 and 4); every image has a loss of its own, the mean over its positive
    regions (torchvision: over those of the batch); masks are pasted into the image where RoIAlign read them, to the
    fraction of a pixel (torchvision: rounded to whole pixels).
    """

    def __init__(self, in_channels: int, num_classes: int, *, width: int, depth: int) -> None:
        """Build `depth` convolutions of `width` channels, one that doubles the size, and one to the classes."""
        from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

        super().__init__()
        self.head = MaskRCNNHeads(in_channels, (width,) * depth, 1)
        self.predictor = MaskRCNNPredictor(width if depth else in_channels, width, num_classes + 1)

    def forward(self, maps: Sequence[Tensor], strides: Sequence[int], regions: Sequence[Tensor]) -> Tensor:
        """Logits `(R, 1 + K, 28, 28)`, class 0 is background, of all regions of B images; see `pool_regions`."""
        return self.predictor(self.head(pool_regions(maps, strides, regions, _POOLED)))

    def losses(
        self,
        logits: Tensor,
        targets: Sequence[DetectionTargets],
        masks: Tensor,
        regions: Sequence[Tensor],
        numbers: Sequence[Tensor],
    ) -> Tensor:
        """Cross-entropy of each image `(B,)`: of the target class's mask, mean over the pixels of its positive regions.

        Args:
            logits: Of all positive regions, image by image.
            targets: Of each image.
            masks: `(B, M, H, W)` bool, for every encoded row.
            regions: Of each image `(P, 4)`.
            numbers: Of each image `(P,)`: which object each region is matched to.
        """
        from torchvision.ops import roi_align

        side, losses = logits.shape[-1], []
        by_image = logits.split([len(each) for each in regions])
        for image, (each, target, found) in enumerate(zip(by_image, targets, numbers, strict=True)):
            rows = torch.arange(len(each), device=each.device)
            if not len(each):
                losses.append(each.sum() * 0)  # so that every weight has a gradient in every batch
                continue
            boxes = torch.cat([found[:, None].to(each.dtype), regions[image]], dim=1)
            wanted = roi_align(masks[image, target.rows, None].to(each.dtype), boxes, side)[:, 0]
            own = each[rows, target.classes[found] + 1]
            losses.append(F.binary_cross_entropy_with_logits(own, wanted))
        return torch.stack(losses)

    def of_kinds(self, logits: Tensor, kinds: Tensor) -> Tensor:
        """How probable the mask of a class is, `(N, 28, 28)`, from logits `(N, 1 + K, 28, 28)` and classes from 1."""
        return logits[torch.arange(len(logits), device=logits.device), kinds].sigmoid()

    def paste(self, small: Tensor, boxes: Tensor, size_px: tuple[int, int]) -> Tensor:
        """Masks in the image, `(N, H, W)` bool: where the probability is at least one half.

        Args:
            small: `(N, 28, 28)` probabilities.
            boxes: `(N, 4)` in pixels.
            size_px: Height and width of the image.
        """
        masks = torch.empty((len(small), *size_px), dtype=torch.bool, device=small.device)
        for start in range(0, len(small), _PASTED_AT_ONCE):
            part = slice(start, start + _PASTED_AT_ONCE)
            down = _blend(boxes[part, 1], boxes[part, 3], size_px[0], small.shape[1])
            across = _blend(boxes[part, 0], boxes[part, 2], size_px[1], small.shape[2])
            masks[part] = down @ small[part] @ across.transpose(1, 2) >= 0.5
        return masks


def _blend(low: Tensor, high: Tensor, pixels: int, places: int) -> Tensor:
    """Weights `(N, pixels, places)` that interpolate a row of mask values from `low` to `high` at pixels; 0 outside.

    Pixel i samples at the coordinate i and not i + 1/2: torchvision's RoIAlign reads a mask half a pixel further on,
    so a learned mask lies half a pixel before.
    """
    at = torch.arange(pixels, device=low.device, dtype=low.dtype) - low[:, None]
    at = at / (high - low).clamp_min(1.0)[:, None] * places - 0.5
    steps = torch.arange(places, device=low.device, dtype=low.dtype)
    return (1 - (at[:, :, None] - steps).abs()).clamp_min(0)
