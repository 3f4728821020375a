"""What detectors give: losses and detections from one object, and how candidates become detections."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["DetectorOutputs", "Precision", "class_wise_nms", "stack_detections"]


@runtime_checkable
class DetectorOutputs(Protocol):
    """Outputs of a detector for B images; both questions may be asked in training and in evaluation."""

    def losses(self, targets: Tensor) -> Tensor:
        """Loss of each image `(B,)`, from encoded boxes `(B, M, 6)`: x0, y0, x1, y1, class, 1 if ignored."""
        ...

    def detections(self) -> Tensor:
        """`(B, D, 6)` float32: x0, y0, x1, y1 in pixels, score, class; the surest first, then lines of zeros."""
        ...


class Precision:
    """The autocast state of a forward pass, to go on in it when losses or detections are asked for later."""

    def __init__(self, device: torch.device) -> None:
        """Remember how things are now."""
        self.device_type = device.type
        self.dtype = torch.get_autocast_dtype(device.type)
        self.enabled = torch.is_autocast_enabled(device.type)

    def __call__(self) -> AbstractContextManager[object]:
        """A context in which things are as they were."""
        return torch.autocast(self.device_type, self.dtype, enabled=self.enabled)


def class_wise_nms(
    boxes: Tensor, scores: Tensor, classes: Tensor, size_px: Sequence[int], *, overlap: float, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The surest of one image's candidates, clipped to the image, without doubles of the same class.

    Args:
        boxes: `(N, 4)`.
        scores: `(N,)`.
        classes: `(N,)`.
        size_px: height and width of the image.
        overlap: of two boxes of one class that overlap by more (intersection over union) the surer one stays.
        most: how many may stay.
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
    for line, (boxes, scores, classes) in zip(stacked, found, strict=True):
        count = len(boxes)
        line[:count, :4], line[:count, 4], line[:count, 5] = boxes, scores, classes.to(line.dtype)
    return stacked
