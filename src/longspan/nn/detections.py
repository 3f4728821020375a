"""What detectors return, and how candidate boxes become detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["DetectorOutputs", "class_wise_nms", "clip", "full_precision", "stack_detections", "survivors"]


class DetectorOutputs(NamedTuple):
    """Outputs of a detector for B images. What was not computed has no elements."""

    losses: Tensor
    """`(B,)` float32, the loss of each image; `(0,)` without targets."""
    detections: Tensor
    """`(B, D, 6)` float32: x0, y0, x1, y1 in pixels, score, class; the highest score first, then rows of zeros.
    `(B, 0, 6)` in a training step, which does not need them."""
    masks: Tensor
    """`(B, D, H, W)` bool, the mask of each detection, from detectors with a mask branch; else `(B, 0, 0, 0)`."""
    small_masks: Tensor
    """`(B, D, M, M)` float32, how probable it is in M x M parts of the box that they belong to the object; zeros where
    there is no detection. `(B, 0, 0, 0)` without a mask branch."""


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

    if torch.compiler.is_exporting():
        return _as_many_as_ever(boxes, scores, classes, size_px, overlap=overlap, most=most)
    boxes = clip_boxes_to_image(boxes, (size_px[0], size_px[1]))
    large = remove_small_boxes(boxes, 1e-2)
    boxes, scores, classes = boxes[large], scores[large], classes[large]
    kept = batched_nms(boxes, scores, classes, overlap)[:most]
    return boxes[kept], scores[kept], classes[kept]


def _as_many_as_ever(
    boxes: Tensor, scores: Tensor, classes: Tensor, size_px: Sequence[int], *, overlap: float, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """`class_wise_nms` with `min(N, most)` results whatever the boxes are, zeros after the last that stays.

    Exported graphs have tensors of known sizes; a candidate with score 0 counts as none.
    """
    height, width = size_px[0], size_px[1]
    boxes = clip(boxes, height, width)
    sides = boxes[:, 2:] - boxes[:, :2]
    scores = torch.where((sides >= 1e-2).all(dim=1), scores, 0.0)
    stays = survivors(boxes, scores, classes, overlap)
    best, chosen = torch.where(stays, scores, 0.0).topk(min(len(scores), most))
    there = best > 0
    return boxes[chosen] * there[:, None], best, classes[chosen] * there


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes `(N, 4)` cut off at the borders of the image."""
    return torch.minimum(boxes.clamp_min(0), boxes.new_tensor([width, height, width, height], dtype=boxes.dtype))


def survivors(boxes: Tensor, scores: Tensor, kinds: Tensor, overlap: float) -> Tensor:
    """`(N,)` bool: which boxes non-maximum suppression within each kind leaves.

    Boxes of different kinds are moved apart, as torchvision's `batched_nms` does.
    """
    from torchvision.ops import nms

    apart = kinds.to(boxes.dtype) * (boxes.max() + 1)
    kept = nms(boxes + apart[:, None], scores, overlap)
    return torch.zeros_like(scores).index_fill(0, kept, 1.0) > 0


def stack_detections(found: Sequence[tuple[Tensor, Tensor, Tensor]], most: int) -> Tensor:
    """Boxes, scores and classes of each image as one tensor `(B, most, 6)`."""
    if torch.compiler.is_exporting():
        rows = [
            torch.cat([boxes, scores[:, None], kinds[:, None].to(boxes.dtype)], 1) for boxes, scores, kinds in found
        ]
        return torch.stack([torch.nn.functional.pad(row, (0, 0, 0, most - len(row))) for row in rows])
    stacked = found[0][0].new_zeros(len(found), most, 6)
    for row, (boxes, scores, classes) in zip(stacked, found, strict=True):
        count = len(boxes)
        row[:count, :4], row[:count, 4], row[:count, 5] = boxes, scores, classes.to(row.dtype)
    return stacked
