"""Detectors of one stage: every anchor says at once what it holds and where."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.nn.anchors import Anchors, anchor_side_px
from longspan.nn.detection_targets import NEITHER, DetectionTargets, match, read_truth
from longspan.nn.detections import class_wise_nms, stack_detections
from longspan.nn.pyramid import ImageMaps, Pyramid

__all__ = ["RetinaNet", "RetinaNetConfig", "RetinaNetOutputs"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RetinaNetConfig:
    """Sizes and thresholds of `RetinaNet`; what a head's fields say, so they are checked there."""

    channels: int = 128
    """Of every level of the pyramid and of the layers behind it (paper, torchvision: 256)."""
    finest_stride: int = 8
    """Of the finest map."""
    anchor_side_px: float | None = None
    """See `anchors.anchor_side_px`, which says it where this is None."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height to width of the anchors."""
    candidates: int = 1000
    """Of every map, before doubles go."""
    score_threshold: float = 0.05
    """Less sure detections are left out."""
    overlap: float = 0.5
    """Of two detections of one class that overlap by more, the surer one stays."""
    max_detections: int = 100
    """Of one image."""


@final
class RetinaNet(nn.Module):
    """RetinaNet: `ImageMaps` to `RetinaNetOutputs`, by torchvision's `RetinaNetHead` (0.29) and its losses.

    Source: Lin et al. 2018, "Focal loss for dense object detection", sections 3 and 4.
    Differs: the levels above the backbone's coarsest map are subsampled (paper: convolutions of stride 2), and there is
    one (paper: two); group normalisation behind the convolutions of the head, as in torchvision's version 2 (Wu, He
    2018, "Group normalization"); narrower by default; ignored boxes.
    """

    def __init__(
        self,
        config: RetinaNetConfig,
        *,
        num_classes: int,
        channels: Sequence[int],
        strides: Sequence[int],
        size_px: tuple[int, int],
    ) -> None:
        """Build for a backbone with maps of `channels` at `strides`, and images of about `size_px`."""
        from torchvision.models.detection._utils import BoxCoder, Matcher
        from torchvision.models.detection.retinanet import RetinaNetHead

        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.pyramid = Pyramid(channels, strides, size_px, config.channels, config.finest_stride)
        side_px = config.anchor_side_px or anchor_side_px(self.pyramid.strides, size_px, per_octave=3, most=4)
        self.anchors = Anchors(self.pyramid.strides, side_px, config.ratios, per_octave=3)
        # The paper's small starting weights are meant for 256 channels; in narrower layers the signal would die away.
        norm = functools.partial(nn.GroupNorm, math.gcd(32, config.channels))
        self.head = RetinaNetHead(config.channels, self.anchors.per_place, num_classes, norm_layer=norm)
        self.coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)

    def forward(self, features: ImageMaps) -> RetinaNetOutputs:
        """What every anchor says."""
        levels = self.pyramid(features)
        said = self.head(levels)
        size_px = (features.images.shape[2], features.images.shape[3])
        return RetinaNetOutputs(
            self, size_px, self.anchors(levels), said["cls_logits"].float(), said["bbox_regression"].float()
        )


@final
class RetinaNetOutputs:
    """What the anchors of B images say."""

    def __init__(
        self, network: RetinaNet, size_px: tuple[int, int], anchors: list[Tensor], logits: Tensor, offsets: Tensor
    ) -> None:
        """`anchors` for each map `(A_i, 4)`, `logits` `(B, A, K)` and `offsets` `(B, A, 4)` for all of them."""
        self.network = network
        self.size_px = size_px
        self.anchors = anchors
        self.logits = logits
        self.offsets = offsets

    def __len__(self) -> int:
        """The number of images, B."""
        return len(self.logits)

    def losses(self, targets: Tensor) -> Tensor:
        """Focal loss over the anchors and L1 of the positive ones, both by the number of positive ones, `(B,)`."""
        anchors, truths = torch.cat(self.anchors), read_truth(targets.float())
        return torch.stack([self._loss(image, truth, anchors) for image, truth in enumerate(truths)])

    def detections(self) -> Tensor:
        """`(B, D, 6)` float32: x0, y0, x1, y1, score, class; the surest first, then lines of zeros."""
        config = self.network.config
        counts = [len(each) for each in self.anchors]
        levels = list(zip(self.logits.split(counts, 1), self.offsets.split(counts, 1), self.anchors, strict=True))
        found = []
        with torch.no_grad():
            for image in range(len(self)):
                parts = [self._candidates(logits[image], moved[image], each) for logits, moved, each in levels]
                boxes, scores, classes = (torch.cat(part) for part in zip(*parts, strict=True))
                found.append(
                    class_wise_nms(
                        boxes, scores, classes, self.size_px, overlap=config.overlap, most=config.max_detections
                    )
                )
        return stack_detections(found, config.max_detections)

    def _candidates(self, logits: Tensor, offsets: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The surest boxes of one image on one map, their scores and classes."""
        config, scores = self.network.config, logits.sigmoid().flatten()
        sure = torch.where(scores > config.score_threshold)[0]
        best, chosen = scores[sure].topk(min(len(sure), config.candidates))
        anchor, kind = sure[chosen] // logits.shape[1], sure[chosen] % logits.shape[1]
        return self.network.coder.decode_single(offsets[anchor], anchors[anchor]), best, kind

    def _loss(self, image: int, truth: DetectionTargets, anchors: Tensor) -> Tensor:
        from torchvision.ops import sigmoid_focal_loss

        matches = match(self.network.matcher, truth, anchors)
        positive = torch.where(matches >= 0)[0]
        found, logits = matches[positive], self.logits[image]
        wanted = torch.zeros_like(logits)
        wanted[positive, truth.classes[found]] = 1.0
        counted = (matches != NEITHER)[:, None]
        focal = torch.where(counted, sigmoid_focal_loss(logits, wanted), 0.0).sum()
        offsets = self.network.coder.encode_single(truth.boxes[found], anchors[positive])
        distance = F.l1_loss(self.offsets[image, positive], offsets, reduction="sum")
        return (focal + distance) / max(len(positive), 1)
