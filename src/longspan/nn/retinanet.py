"""One-stage detectors: every anchor predicts a class and a box at once."""

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
from longspan.nn.detection_targets import NEITHER, DetectionTargets, match, split_targets
from longspan.nn.detections import DetectorOutputs, class_wise_nms, full_precision, stack_detections
from longspan.nn.pyramid import ImageMaps, Pyramid

__all__ = ["RetinaNet", "RetinaNetConfig"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RetinaNetConfig:
    """Sizes and thresholds of `RetinaNet`. They come from the fields of a head, which checks them."""

    channels: int = 128
    """Of every level of the pyramid and of the layers behind it (paper, torchvision: 256)."""
    finest_stride: int = 8
    """Of the finest map."""
    anchor_side_px: float | None = None
    """None: as `anchors.anchor_side_px` computes it."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height to width of the anchors."""
    candidates: int = 1000
    """Of every map, before non-maximum suppression."""
    score_threshold: float = 0.05
    """Detections with a lower score are dropped."""
    overlap: float = 0.5
    """Of two detections of one class that overlap by more, the one with the higher score stays."""
    max_detections: int = 100
    """Of one image."""


@final
class RetinaNet(nn.Module):
    """RetinaNet: `ImageMaps` to `DetectorOutputs`, by torchvision's `RetinaNetHead` (0.29) and its losses.

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

    def forward(self, features: ImageMaps, targets: Tensor | None = None) -> DetectorOutputs:
        """Losses of encoded boxes `(B, M, 6)`, if given, and detections, except in a training step."""
        levels = self.pyramid(features)
        predicted = self.head(levels)
        size_px = (features.images.shape[2], features.images.shape[3])
        anchors = self.anchors(levels)
        logits, offsets = predicted["cls_logits"].float(), predicted["bbox_regression"].float()
        with full_precision(logits.device):
            losses, detections = logits.new_zeros(0), logits.new_zeros(len(logits), 0, 6)
            if targets is not None:
                losses = self.losses(torch.cat(anchors), logits, offsets, targets)
            if targets is None or not self.training:
                detections = self.detections(anchors, logits, offsets, size_px)
        none = logits.new_zeros(len(logits), 0, 0, 0)
        return DetectorOutputs(losses, detections, none.bool(), none)

    def losses(self, anchors: Tensor, logits: Tensor, offsets: Tensor, targets: Tensor) -> Tensor:
        """Focal loss over the anchors and L1 of the positive ones, both divided by the number of positive ones, `(B,)`.

        Args:
            anchors: `(A, 4)`, of all maps.
            logits: `(B, A, K)` float32.
            offsets: `(B, A, 4)` float32.
            targets: `(B, M, 6)` encoded boxes.
        """
        rows = zip(split_targets(targets.float()), logits, offsets, strict=True)
        return torch.stack([self._loss(each, scores, moved, anchors) for each, scores, moved in rows])

    @torch.no_grad()
    def detections(
        self, anchors: Sequence[Tensor], logits: Tensor, offsets: Tensor, size_px: tuple[int, int]
    ) -> Tensor:
        """`(B, D, 6)` float32: x0, y0, x1, y1, score, class; the highest score first, then rows of zeros."""
        config = self.config
        counts = [len(each) for each in anchors]
        levels = list(zip(logits.split(counts, 1), offsets.split(counts, 1), anchors, strict=True))
        found = []
        for image in range(len(logits)):
            parts = [self._candidates(scores[image], moved[image], each) for scores, moved, each in levels]
            boxes, scores, classes = (torch.cat(part) for part in zip(*parts, strict=True))
            found.append(
                class_wise_nms(boxes, scores, classes, size_px, overlap=config.overlap, most=config.max_detections)
            )
        return stack_detections(found, config.max_detections)

    def _candidates(self, logits: Tensor, offsets: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores and classes of one image on one map, those with the highest scores."""
        config, scores = self.config, logits.sigmoid().flatten()
        if torch.compiler.is_exporting():  # of as many as ever, those that are not likely have score 0
            best, chosen = torch.where(scores > config.score_threshold, scores, 0.0).topk(
                min(len(scores), config.candidates)
            )
            anchor, kind = chosen // logits.shape[1], chosen % logits.shape[1]
            return self.coder.decode_single(offsets[anchor], anchors[anchor]), best, kind
        likely = torch.where(scores > config.score_threshold)[0]
        best, chosen = scores[likely].topk(min(len(likely), config.candidates))
        anchor, kind = likely[chosen] // logits.shape[1], likely[chosen] % logits.shape[1]
        return self.coder.decode_single(offsets[anchor], anchors[anchor]), best, kind

    def _loss(self, targets: DetectionTargets, logits: Tensor, offsets: Tensor, anchors: Tensor) -> Tensor:
        from torchvision.ops import sigmoid_focal_loss

        matches = match(self.matcher, targets, anchors)
        positive = torch.where(matches >= 0)[0]
        found = matches[positive]
        wanted = torch.zeros_like(logits)
        wanted[positive, targets.classes[found]] = 1.0
        counted = (matches != NEITHER)[:, None]
        focal = torch.where(counted, sigmoid_focal_loss(logits, wanted), 0.0).sum()
        goal = self.coder.encode_single(targets.boxes[found], anchors[positive])
        distance = F.l1_loss(offsets[positive], goal, reduction="sum")
        return (focal + distance) / max(len(positive), 1)
