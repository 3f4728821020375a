"""The objects of an image, and which anchors or proposals are matched to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

__all__ = ["DetectionTargets", "covered_fraction", "draw_samples", "match", "split_targets"]

NEGATIVE, NEITHER = -1, -2
"""As in torchvision's `Matcher`: background; overlaps an object too little to be one and too much to be background."""

_EVALUATION_SEED = 0


@final
@dataclass(frozen=True, slots=True)
class DetectionTargets:
    """The boxes of one image, x0, y0, x1, y1 in pixels."""

    boxes: Tensor
    """`(N, 4)`: the objects."""
    classes: Tensor
    """`(N,)` int64, from 0."""
    ignored: Tensor
    """`(M, 4)`: crowds and objects too hard to count; a detection there is neither right nor wrong."""
    rows: Tensor
    """`(N,)` int64: which rows of the encoded boxes these are."""


def split_targets(encoded: Tensor) -> list[DetectionTargets]:
    """Encoded boxes `(B, M, 6)` (x0, y0, x1, y1, class, 1 if ignored) image by image; rows without area are empty."""
    filled = (encoded[:, :, 2] > encoded[:, :, 0]) & (encoded[:, :, 3] > encoded[:, :, 1])
    ignored = encoded[:, :, 5] > 0.5
    targets = []
    for boxes, used, passed_over in zip(encoded, filled & ~ignored, filled & ignored, strict=True):
        rows = torch.where(used)[0]
        targets.append(DetectionTargets(boxes[rows, :4], boxes[rows, 4].long(), boxes[passed_over, :4], rows))
    return targets


def match(matcher: Callable[[Tensor], Tensor], targets: DetectionTargets, boxes: Tensor) -> Tensor:
    """For each of `boxes` `(A, 4)` the number of the object it is matched to, else -1 (background) or -2 (neither).

    Args:
        matcher: torchvision's, from overlaps `(N, A)` to numbers.
        targets: Of the image.
        boxes: Anchors or proposals. Those that lie with half their area or more in an ignored box are neither, unless
            they are matched to an object.
    """
    from torchvision.ops import box_iou

    if len(targets.boxes) and len(boxes):
        matches = matcher(box_iou(targets.boxes, boxes))
    else:
        matches = boxes.new_full((len(boxes),), NEGATIVE, dtype=torch.int64)
    if len(targets.ignored):
        within = (covered_fraction(boxes, targets.ignored) >= 0.5).any(dim=1)
        matches = torch.where((matches == NEGATIVE) & within, NEITHER, matches)
    return matches


def covered_fraction(boxes: Tensor, others: Tensor) -> Tensor:
    """Which fraction of each of `boxes` `(A, 4)` each of `others` `(M, 4)` covers: `(A, M)`."""
    low = torch.maximum(boxes[:, None, :2], others[:, :2])
    high = torch.minimum(boxes[:, None, 2:], others[:, 2:])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return (high - low).clamp_min(0).prod(dim=2) / area[:, None].clamp_min(1e-6)


def draw_samples(
    labels: Sequence[Tensor], size: int, positive_fraction: float, *, training: bool
) -> list[tuple[Tensor, Tensor]]:
    """For each image the indices of the positive and of the negative boxes that enter its loss, both ascending.

    Source: torchvision's `BalancedPositiveNegativeSampler`, with the same random numbers.

    Args:
        labels: For each image `(A,)`: above 0 positive, 0 negative, -1 neither.
        size: Boxes of one image.
        positive_fraction: Of them, if there are so many; negatives fill the rest.
        training: Draw from torch's default generator, which the training loop seeds at every step. Otherwise every
            image has a generator of its own with a fixed seed, so that its loss depends on the image alone.
    """
    drawn = []
    for each in labels:
        generator = None if training else torch.Generator(each.device).manual_seed(_EVALUATION_SEED)
        positive, negative = torch.where(each >= 1)[0], torch.where(each == 0)[0]
        num_positive = min(len(positive), int(size * positive_fraction))
        counts = (num_positive, min(len(negative), size - num_positive))
        chosen = [
            indices[torch.randperm(len(indices), device=each.device, generator=generator)[:count]].sort().values
            for indices, count in zip((positive, negative), counts, strict=True)
        ]
        drawn.append((chosen[0], chosen[1]))
    return drawn
