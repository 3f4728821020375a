"""What is to be found in an image, and which anchors or proposals answer for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

__all__ = ["DetectionTargets", "covered_fraction", "draw_samples", "match", "read_truth"]

NEGATIVE, NEITHER = -1, -2
"""As torchvision's `Matcher` says it: nothing is here; too little or too much to say so."""

_EVALUATION_SEED = 0


@final
@dataclass(frozen=True, slots=True)
class DetectionTargets:
    """The boxes of one image, x0, y0, x1, y1 in pixels."""

    boxes: Tensor
    """`(N, 4)`: what is to be found."""
    classes: Tensor
    """`(N,)` int64, from 0."""
    ignored: Tensor
    """`(M, 4)`: crowds and cases too hard to count, where an answer is neither right nor wrong."""
    lines: Tensor
    """`(N,)` int64: which lines of the encoded boxes these are."""


def read_truth(targets: Tensor) -> list[DetectionTargets]:
    """Encoded boxes `(B, M, 6)` (x0, y0, x1, y1, class, 1 if ignored) image by image; no area is no box."""
    there = (targets[:, :, 2] > targets[:, :, 0]) & (targets[:, :, 3] > targets[:, :, 1])
    ignored = targets[:, :, 5] > 0.5
    truths = []
    for row, used, passed_over in zip(targets, there & ~ignored, there & ignored, strict=True):
        lines = torch.where(used)[0]
        truths.append(DetectionTargets(row[lines, :4], row[lines, 4].long(), row[passed_over, :4], lines))
    return truths


def match(matcher: Callable[[Tensor], Tensor], truth: DetectionTargets, boxes: Tensor) -> Tensor:
    """For each of `boxes` `(A, 4)` the number of the true box that it answers for, else -1 (nothing) or -2 (neither).

    Args:
        matcher: torchvision's, from overlaps `(N, A)` to numbers.
        truth: of the image.
        boxes: anchors or proposals. Those with half of themselves or more in an ignored box are neither, unless they
            answer for a true one.
    """
    from torchvision.ops import box_iou

    if len(truth.boxes) and len(boxes):
        matches = matcher(box_iou(truth.boxes, boxes))
    else:
        matches = boxes.new_full((len(boxes),), NEGATIVE, dtype=torch.int64)
    if len(truth.ignored):
        within = (covered_fraction(boxes, truth.ignored) >= 0.5).any(dim=1)
        matches = torch.where((matches == NEGATIVE) & within, NEITHER, matches)
    return matches


def covered_fraction(boxes: Tensor, others: Tensor) -> Tensor:
    """Which fraction of each of `boxes` `(A, 4)` each of `others` `(M, 4)` covers: `(A, M)`."""
    low = torch.maximum(boxes[:, None, :2], others[:, :2])
    high = torch.minimum(boxes[:, None, 2:], others[:, 2:])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return (high - low).clamp_min(0).prod(dim=2) / area[:, None].clamp_min(1e-6)


def draw_samples(
    sampler: Callable[[list[Tensor]], tuple[list[Tensor], list[Tensor]]], labels: Sequence[Tensor], *, training: bool
) -> list[tuple[Tensor, Tensor]]:
    """For each image the numbers of the positive and of the negative boxes that its loss looks at.

    Args:
        sampler: torchvision's, from labels to marks.
        labels: for each image `(A,)`: above 0 positive, 0 negative, -1 neither.
        training: draw from torch's generator, which the training loop seeds at every step. Otherwise each image is
            drawn for as if it were the only one, always alike, and torch's generator is left as it was.
    """
    if training:
        drawn = list(zip(*sampler(list(labels)), strict=True))
    else:
        drawn = []
        for each in labels:
            with _same_numbers(each.device):
                positive, negative = sampler([each])
            drawn.append((positive[0], negative[0]))
    return [(torch.where(positive)[0], torch.where(negative)[0]) for positive, negative in drawn]


@contextmanager
def _same_numbers(device: torch.device) -> Iterator[None]:
    """Random numbers of a fixed seed for a while; the generators of CPU and `device` go on as if nothing had been."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(_EVALUATION_SEED)
        if device.type == "cuda":
            torch.cuda.manual_seed(_EVALUATION_SEED)
        yield
