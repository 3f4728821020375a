"""Two-stage detectors: regions that may hold an object are proposed, then classified one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.nn.anchors import Anchors, anchor_side_px
from longspan.nn.detection_targets import NEGATIVE, NEITHER, DetectionTargets, draw_samples, match, split_targets
from longspan.nn.detections import DetectorOutputs, class_wise_nms, clip, full_precision, stack_detections, survivors
from longspan.nn.mask_branch import MaskBranch
from longspan.nn.pyramid import ImageMaps, Pyramid
from longspan.nn.regions import pool_regions

__all__ = ["FasterRCNN", "FasterRCNNConfig"]

_BINS = 7  # of a region, across and down
_POSITIVE_ANCHORS, _POSITIVE_REGIONS = 0.5, 0.25  # of those that enter the losses


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FasterRCNNConfig:
    """Sizes and thresholds of `FasterRCNN`. They come from the fields of a head, which checks them."""

    channels: int = 128
    """Of every level of the pyramid."""
    box_head_dim: int = 512
    """Width of the two layers that classify a region (paper, torchvision: 1024)."""
    finest_stride: int = 4
    """Of the finest map."""
    anchor_side_px: float | None = None
    """None: as `anchors.anchor_side_px` computes it."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height to width of the anchors."""
    candidates: int = 600
    """Regions of an image that every map proposes, before non-maximum suppression (torchvision: 2000 in training, else
    1000)."""
    proposals: int = 300
    """Regions of an image that reach the second stage (paper: 300; torchvision: as `candidates`)."""
    samples: int = 128
    """Regions of an image in the loss of the second stage; up to a quarter of them positive."""
    anchor_samples: int = 256
    """Anchors of an image in the loss of the first stage; up to half of them positive."""
    score_threshold: float = 0.05
    """Detections with a lower score are dropped."""
    overlap: float = 0.5
    """Of two detections of one class that overlap by more, the one with the higher score stays."""
    max_detections: int = 100
    """Of one image."""


ReadTargets = Callable[[Tensor], tuple[Tensor, Tensor | None]]


@final
@dataclass(frozen=True, slots=True)
class _FirstStage:
    """What the region proposal network predicts for B images."""

    maps: list[Tensor]
    """Of the pyramid, those that regions are pooled from."""
    anchors: list[Tensor]
    """`(A_i, 4)` for each level."""
    objectness: Tensor
    """`(B, A)` float32 logits: is there an object?"""
    offsets: Tensor
    """`(B, A, 4)` float32: its box relative to the anchor."""
    size_px: tuple[int, int]
    """Height and width of the images."""


@final
class FasterRCNN(nn.Module):
    """Faster R-CNN on a feature pyramid, with a mask branch Mask R-CNN: `ImageMaps` to `DetectorOutputs`.

    Source: Ren et al. 2015, "Faster R-CNN"; Lin et al. 2017, "Feature pyramid networks for object detection", section
    4; He et al. 2017, "Mask R-CNN". By the parts of torchvision's `FasterRCNN` (0.29), and its losses.
    Differs from torchvision: every image has a loss of its own (torchvision: one mean over all samples of the batch;
    equal where images have equally many, which in the first stage they nearly always have); all images have one
    size; narrower by default, and with fewer proposals and samples; ignored boxes.
    """

    def __init__(
        self,
        config: FasterRCNNConfig,
        *,
        num_classes: int,
        channels: Sequence[int],
        strides: Sequence[int],
        size_px: tuple[int, int],
        masks: MaskBranch | None = None,
        read_targets: ReadTargets | None = None,
    ) -> None:
        """Build a detector.

        Args:
            config: Sizes and thresholds.
            num_classes: K.
            channels: Of the backbone's maps.
            strides: Of the backbone's maps.
            size_px: Height and width of images in training, about.
            masks: The mask branch of Mask R-CNN.
            read_targets: From encoded targets to boxes `(B, M, 6)` and, with a mask branch, masks `(B, M, H, W)` bool
                of the same rows; None where the targets are the boxes.
        """
        from torchvision.models.detection._utils import BoxCoder, Matcher
        from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
        from torchvision.models.detection.rpn import RPNHead

        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.pyramid = Pyramid(channels, strides, size_px, config.channels, config.finest_stride)
        side_px = config.anchor_side_px or anchor_side_px(self.pyramid.strides, size_px, per_octave=1, most=8)
        self.anchors = Anchors(self.pyramid.strides, side_px, config.ratios)
        self.rpn_head = RPNHead(config.channels, self.anchors.per_place)
        self.box_head = TwoMLPHead(config.channels * _BINS**2, config.box_head_dim)
        self.box_predictor = FastRCNNPredictor(config.box_head_dim, num_classes + 1)
        self.masks = masks
        self.anchor_coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.region_coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
        self.anchor_matcher = Matcher(0.7, 0.3, allow_low_quality_matches=True)
        self.region_matcher = Matcher(0.5, 0.5, allow_low_quality_matches=False)
        self.read_targets = read_targets

    def forward(self, features: ImageMaps, targets: Tensor | None = None) -> DetectorOutputs:
        """Losses of encoded targets, if given, and detections with their masks, except in a training step."""
        levels = self.pyramid(features)
        objectness, offsets = self.rpn_head(levels)
        first = _FirstStage(
            maps=levels[: -self.pyramid.num_pooled],
            anchors=self.anchors(levels),
            objectness=torch.cat([_by_anchor(each, 1)[:, :, 0] for each in objectness], dim=1),
            offsets=torch.cat([_by_anchor(each, 4) for each in offsets], dim=1),
            size_px=(features.images.shape[2], features.images.shape[3]),
        )
        proposals = self._proposals(first)
        losses, detections = first.offsets.new_zeros(0), first.offsets.new_zeros(len(first.offsets), 0, 6)
        small_masks = detections.new_zeros(len(detections), 0, 0, 0)
        masks = small_masks.bool()
        if targets is not None:
            losses = self._losses(first, proposals, targets)
        if targets is None or not self.training:
            detections = self._detections(first, proposals)
            if self.masks is not None:
                masks, small_masks = self._mask_detections(self.masks, first, detections)
        return DetectorOutputs(losses, detections, masks, small_masks)

    @torch.no_grad()
    def _proposals(self, first: _FirstStage) -> list[Tensor]:
        """For each image `(P, 4)`: at most `proposals` regions that may hold an object, the likeliest first."""
        from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

        rows, start = len(first.objectness), 0
        boxes, scores, levels = [], [], []
        with full_precision(first.objectness.device):
            for level, anchors in enumerate(first.anchors):
                stop = start + len(anchors)
                count = min(len(anchors), self.config.candidates)
                best, chosen = first.objectness[:, start:stop].topk(count, dim=1)
                offsets = first.offsets[:, start:stop].gather(1, chosen[:, :, None].expand(-1, -1, 4))
                decoded = self.anchor_coder.decode_single(offsets.reshape(-1, 4), anchors[chosen].reshape(-1, 4))
                boxes.append(decoded.view(rows, count, 4))
                scores.append(best.sigmoid())
                levels.append(torch.full_like(best, level, dtype=torch.int64))
                start = stop
            found = []
            for each, score, level in zip(*(torch.cat(part, 1) for part in (boxes, scores, levels)), strict=True):
                if torch.compiler.is_exporting():  # as many as ever; those that are suppressed have no side
                    found.append(_likeliest(each, score, level, first.size_px, self.config.proposals))
                    continue
                clipped = clip_boxes_to_image(each, first.size_px)
                large = remove_small_boxes(clipped, 1e-3)
                clipped, score, level = clipped[large], score[large], level[large]
                found.append(clipped[batched_nms(clipped, score, level, 0.7)[: self.config.proposals]])
        return found

    def _losses(self, first: _FirstStage, proposals: Sequence[Tensor], encoded: Tensor) -> Tensor:
        """Loss of each image, `(B,)` float32: of both stages, and of the masks."""
        boxes, masks = (encoded, None) if self.read_targets is None else self.read_targets(encoded)
        targets = split_targets(boxes.float())
        with full_precision(first.objectness.device):
            losses = self._first_losses(first, targets)
        return losses + self._second_losses(first, proposals, targets, masks)

    @torch.no_grad()
    def _detections(self, first: _FirstStage, proposals: Sequence[Tensor]) -> Tensor:
        """`(B, D, 6)` float32: x0, y0, x1, y1, score, class; the highest score first, then rows of zeros."""
        config, counts = self.config, [len(each) for each in proposals]
        logits, offsets = self._classify(first, proposals)
        found = []
        with full_precision(logits.device):
            boxes = self.region_coder.decode(offsets.flatten(1), list(proposals)).view(len(offsets), -1, 4)
            for each, scores in zip(boxes.split(counts), logits.softmax(dim=1).split(counts), strict=True):
                if torch.compiler.is_exporting():  # of as many as ever, those that are not likely have score 0
                    likely = torch.where(scores[:, 1:] > config.score_threshold, scores[:, 1:], 0.0)
                    kind = torch.arange(likely.shape[1], device=likely.device).expand_as(likely)
                    candidates = each[:, 1:].reshape(-1, 4), likely.flatten(), kind.flatten()
                else:
                    region, kind = torch.where(scores[:, 1:] > config.score_threshold)
                    candidates = each[region, kind + 1], scores[region, kind + 1], kind
                found.append(
                    class_wise_nms(*candidates, first.size_px, overlap=config.overlap, most=config.max_detections)
                )
        return stack_detections(found, config.max_detections)

    @torch.no_grad()
    def _mask_detections(self, branch: MaskBranch, first: _FirstStage, detections: Tensor) -> tuple[Tensor, Tensor]:
        """The masks of detections `(B, D, 6)`: `(B, D, H, W)` bool, and `(B, D, M, M)` float32 of their boxes."""
        filled = detections[:, :, 4] > 0
        if torch.compiler.is_exporting():  # the boxes of one image, also those that are none; pasted by the decoder
            logits = branch(first.maps, self.pyramid.backbone_strides, [detections[0, :, :4]]).float()
            small = branch.of_kinds(logits, detections[0, :, 5].long() + 1) * filled[0, :, None, None]
            return detections.new_zeros((1, 0, 0, 0), dtype=torch.bool), small[None]
        masks = torch.zeros((*filled.shape, *first.size_px), dtype=torch.bool, device=detections.device)
        regions = [each[used] for each, used in zip(detections, filled, strict=True)]
        logits = branch(first.maps, self.pyramid.backbone_strides, [each[:, :4] for each in regions])
        parts = logits.float().split([len(each) for each in regions])
        small = detections.new_zeros(*filled.shape, *logits.shape[2:])
        with full_precision(detections.device):
            for image, (each, part) in enumerate(zip(regions, parts, strict=True)):
                small[image, filled[image]] = found = branch.of_kinds(part, each[:, 5].long() + 1)
                masks[image, filled[image]] = branch.paste(found, each[:, :4], first.size_px)
        return masks, small

    def _first_losses(self, first: _FirstStage, targets: Sequence[DetectionTargets]) -> Tensor:
        """Cross-entropy of the sampled anchors, and smooth L1 of the positive ones."""
        anchors = torch.cat(first.anchors)
        matches = [match(self.anchor_matcher, each, anchors) for each in targets]
        labels = [torch.where(each == NEITHER, -1, (each != NEGATIVE).long()) for each in matches]
        drawn = draw_samples(labels, self.config.anchor_samples, _POSITIVE_ANCHORS, training=self.training)
        losses = []
        for image, (positive, negative) in enumerate(drawn):
            sampled = torch.cat([positive, negative])
            wanted = targets[image].boxes[matches[image][positive]]
            goal = self.anchor_coder.encode_single(wanted, anchors[positive])
            objectness = F.binary_cross_entropy_with_logits(
                first.objectness[image, sampled], labels[image][sampled].float(), reduction="sum"
            )
            distance = F.smooth_l1_loss(first.offsets[image, positive], goal, beta=1 / 9, reduction="sum")
            losses.append((objectness + distance) / max(len(sampled), 1))
        return torch.stack(losses)

    def _second_losses(
        self,
        first: _FirstStage,
        proposals: Sequence[Tensor],
        targets: Sequence[DetectionTargets],
        masks: Tensor | None,
    ) -> Tensor:
        """Cross-entropy of the sampled regions, and smooth L1 and the mask loss of the positive ones."""
        # The target boxes are among the proposals, so that there is always something to learn from.
        regions = [torch.cat([one, target.boxes]) for one, target in zip(proposals, targets, strict=True)]
        matches = [match(self.region_matcher, target, each) for target, each in zip(targets, regions, strict=True)]
        labels = [_labels(each, target) for each, target in zip(matches, targets, strict=True)]
        drawn = draw_samples(labels, self.config.samples, _POSITIVE_REGIONS, training=self.training)
        samples = [torch.cat(each) for each in drawn]
        regions = [each[chosen] for each, chosen in zip(regions, samples, strict=True)]
        logits, offsets = self._classify(first, regions)
        counts = [len(each) for each in samples]
        losses, positives, numbers = [], [], []
        with full_precision(logits.device):
            for image, (predicted, moved) in enumerate(zip(logits.split(counts), offsets.split(counts), strict=True)):
                wanted, count = labels[image][samples[image]], len(drawn[image][0])
                found = matches[image][drawn[image][0]]
                goal = self.region_coder.encode_single(targets[image].boxes[found], regions[image][:count])
                kind = F.cross_entropy(predicted, wanted, reduction="sum")
                rows = torch.arange(count, device=goal.device)
                distance = F.smooth_l1_loss(moved[rows, wanted[:count]], goal, beta=1 / 9, reduction="sum")
                losses.append((kind + distance) / max(counts[image], 1))
                positives.append(regions[image][:count])
                numbers.append(found)
        total = torch.stack(losses)
        if self.masks is None:
            return total
        assert masks is not None
        predicted = self.masks(first.maps, self.pyramid.backbone_strides, positives).float()
        with full_precision(total.device):
            return total + self.masks.losses(predicted, targets, masks, positives, numbers)

    def _classify(self, first: _FirstStage, regions: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """For R regions logits `(R, 1 + K)`, class 0 is background, and offsets `(R, 1 + K, 4)`, both float32."""
        pooled = pool_regions(first.maps, self.pyramid.backbone_strides, regions, _BINS)
        logits, offsets = self.box_predictor(self.box_head(pooled))
        return logits.float(), offsets.float().view(len(offsets), -1, 4)


def _likeliest(boxes: Tensor, scores: Tensor, levels: Tensor, size_px: tuple[int, int], most: int) -> Tensor:
    """`min(N, most)` proposals of one image, the likeliest first; zeros after the last that suppression leaves."""
    clipped = clip(boxes, *size_px)
    large = (clipped[:, 2:] - clipped[:, :2] >= 1e-3).all(dim=1)
    scores = torch.where(large, scores, 0.0)
    best, chosen = torch.where(survivors(clipped, scores, levels, 0.7), scores, 0.0).topk(min(len(scores), most))
    return clipped[chosen] * (best > 0)[:, None]


def _labels(matches: Tensor, targets: DetectionTargets) -> Tensor:
    """Classes from 1, 0 for background, -1 for neither."""
    if not len(targets.classes):
        return torch.where(matches == NEITHER, -1, 0)
    classes = targets.classes[matches.clamp_min(0)] + 1
    return torch.where(matches >= 0, classes, torch.where(matches == NEGATIVE, 0, -1))


def _by_anchor(values: Tensor, each: int) -> Tensor:
    """`(B, A * each, H, W)` as `(B, H * W * A, each)` float32: in the order of the anchors."""
    return values.permute(0, 2, 3, 1).reshape(len(values), -1, each).float()
