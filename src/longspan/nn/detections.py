"""What detectors return, and how candidate boxes become detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["DetectorOutputs", "class_wise_nms", "full_precision", "stack_detections"]


class DetectorOutputs(NamedTuple):
    """Outputs of a detector for B images. What was not computed has no elements."""

    losses: Tensor
    """`(B,)` float32, the loss of each image; `(0,)` without targets."""
    detections: Tensor
    """`(B, D, 6)` float32: x0, y0, x1, y1 in pixels, score, class; the highest score first, then rows of zeros.
    `(B, 0, 6)` in a training step, which does not need them."""
    masks: Tensor
    """`(B, D, H, W)` bool, the mask of each detection, from detectors with a mask branch; else `(B, 0, 0, 0)`."""


def full_precision(device: torch.device) -> torch.autocast:
    """Inside, float32 is computed in float32, also within a forward pass under autocast."""
    return torch.autocast(device.type, enabled=False)


def class_wise_nms(
    boxes: Tensor, scores: Tensor, classes: Tensor, size_px: Sequence[int], *, overlap: float, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """One image's candidates after clipping and non-maximum suppression within each class, highest score first.

    Args:
        boxes: `(N, 4)`.
        scores: `(N,)`.
        classes: `(N,)`.
        size_px: Height and width of the image.
        overlap: Of two boxes of one class with a larger intersection over union, the one with the higher score stays.
        most: How many may stay.
    """
    from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

    boxes = clip_boxes_to_image(boxes, (size_px[0], size_px[1]))
    large = remove_small_boxes(boxes, 1e-2)
    boxes, scores, classes = boxes[large], scores[large], classes[large]
    kept = batched_nms(boxes, scores, classes, overlap)[:most]
    return boxes[kept], scores[kept], classes[kept]


def stack_detections(found: Sequence[tuple[Tensor, Tensor, Tensor]], most: int) -> Tensor:
    """Boxes, scores and classes of each image as one tensor `(B, most, 6)`."""
    stacked = found[0][0].new_zeros(len(found), most, 6)
    for row, (boxes, scores, classes) in zip(stacked, found, strict=True):
        count = len(boxes)
        row[:count, :4], row[:count, 4], row[:count, 5] = boxes, scores, classes.to(row.dtype)
    return stacked
