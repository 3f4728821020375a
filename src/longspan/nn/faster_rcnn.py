"""Detectors of two stages: regions that may hold something are proposed, then looked at one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longspan.nn.anchors import Anchors, anchor_side_px
from longspan.nn.detection_targets import NEGATIVE, NEITHER, DetectionTargets, draw_samples, match, read_truth
from longspan.nn.detections import Precision, class_wise_nms, stack_detections
from longspan.nn.mask_branch import MaskBranch
from longspan.nn.pyramid import ImageMaps, Pyramid
from longspan.nn.regions import pool_regions

__all__ = ["FasterRCNN", "FasterRCNNConfig", "FasterRCNNOutputs"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FasterRCNNConfig:
    """Sizes and thresholds of `FasterRCNN`; what a head's fields say, so they are checked there."""

    channels: int = 128
    """Of every level of the pyramid."""
    box_head_dim: int = 512
    """Width of the two layers that look at a region (paper, torchvision: 1024)."""
    finest_stride: int = 4
    """Of the finest map."""
    anchor_side_px: float | None = None
    """See `anchors.anchor_side_px`, which says it where this is None."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height to width of the anchors."""
    candidates: int = 600
    """Regions of an image that every map proposes, before doubles go (torchvision: 2000 in training, else 1000)."""
    proposals: int = 300
    """Regions of an image that the second stage may look at (paper: 300; torchvision: as `candidates`)."""
    samples: int = 128
    """Regions of an image that the loss of the second stage looks at; a quarter of them positive, if there are any."""
    anchor_samples: int = 256
    """Anchors of an image that the loss of the first stage looks at; half of them positive, if there are any."""
    score_threshold: float = 0.05
    """Less sure detections are left out."""
    overlap: float = 0.5
    """Of two detections of one class that overlap by more, the surer one stays."""
    max_detections: int = 100
    """Of one image."""


@final
class FasterRCNN(nn.Module):
    """Faster R-CNN on a feature pyramid, with a branch for masks Mask R-CNN: `ImageMaps` to `FasterRCNNOutputs`.

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
    ) -> None:
        """Build for a backbone with maps of `channels` at `strides`, and images of about `size_px`."""
        from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher
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
        self.anchor_sampler = BalancedPositiveNegativeSampler(config.anchor_samples, 0.5)
        self.region_sampler = BalancedPositiveNegativeSampler(config.samples, 0.25)

    def forward(self, features: ImageMaps) -> FasterRCNNOutputs:
        """The pyramid and what the first stage says about every anchor."""
        return FasterRCNNOutputs(self, features)


_BINS = 7  # of a region, across and down


@final
class FasterRCNNOutputs:
    """What the first stage gave for B images; the second runs when losses or detections are asked for."""

    def __init__(self, network: FasterRCNN, features: ImageMaps) -> None:
        """Run the first stage."""
        self.network = network
        self.training = network.training
        self.precision = Precision(features.images.device)
        self.size_px = (features.images.shape[2], features.images.shape[3])
        levels = network.pyramid(features)
        self.maps = levels[: -network.pyramid.num_pooled]
        self.strides = network.pyramid.backbone_strides
        self.anchors = network.anchors(levels)
        objectness, offsets = network.rpn_head(levels)
        self.objectness = torch.cat([_by_anchor(each, 1)[:, :, 0] for each in objectness], dim=1)
        """`(B, A)` float32 logits: is anything here?"""
        self.offsets = torch.cat([_by_anchor(each, 4) for each in offsets], dim=1)
        """`(B, A, 4)` float32: where it is, as seen from the anchor."""

    def __len__(self) -> int:
        """The number of images, B."""
        return len(self.objectness)

    @cached_property
    def proposals(self) -> list[Tensor]:
        """For each image `(P, 4)`, at most `proposals` regions that may hold something, the likeliest first."""
        from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

        network, most = self.network, self.network.config.proposals
        boxes, scores, levels, start = [], [], [], 0
        with torch.no_grad():
            for level, anchors in enumerate(self.anchors):
                stop = start + len(anchors)
                count = min(len(anchors), network.config.candidates)
                best, chosen = self.objectness[:, start:stop].topk(count, dim=1)
                offsets = self.offsets[:, start:stop].gather(1, chosen[:, :, None].expand(-1, -1, 4))
                decoded = network.anchor_coder.decode_single(offsets.reshape(-1, 4), anchors[chosen].reshape(-1, 4))
                boxes.append(decoded.view(len(self), count, 4))
                scores.append(best.sigmoid())
                levels.append(torch.full_like(best, level, dtype=torch.int64))
                start = stop
            found = []
            for each, sure, level in zip(*(torch.cat(part, 1) for part in (boxes, scores, levels)), strict=True):
                clipped = clip_boxes_to_image(each, self.size_px)
                large = remove_small_boxes(clipped, 1e-3)
                clipped, sure, level = clipped[large], sure[large], level[large]
                found.append(clipped[batched_nms(clipped, sure, level, 0.7)[:most]])
        return found

    def losses(self, targets: Tensor, masks: Tensor | None = None) -> Tensor:
        """Loss of each image, `(B,)` float32.

        Args:
            targets: `(B, M, 6)` encoded boxes.
            masks: for a network with a branch for masks `(B, M, H, W)` bool, those of the same lines.
        """
        truths = read_truth(targets.float())
        return self._first_losses(truths) + self._second_losses(truths, masks)

    def detections(self) -> Tensor:
        """`(B, D, 6)` float32: x0, y0, x1, y1, score, class; the surest first, then lines of zeros."""
        config = self.network.config
        found = []
        with torch.no_grad():
            logits, offsets = self._look_at(self.proposals)
            counts = [len(each) for each in self.proposals]
            boxes = self.network.region_coder.decode(offsets.flatten(1), self.proposals).view(len(offsets), -1, 4)
            for each, scores in zip(boxes.split(counts), logits.softmax(dim=1).split(counts), strict=True):
                region, kind = torch.where(scores[:, 1:] > config.score_threshold)
                candidates = each[region, kind + 1], scores[region, kind + 1], kind
                found.append(
                    class_wise_nms(*candidates, self.size_px, overlap=config.overlap, most=config.max_detections)
                )
        return stack_detections(found, config.max_detections)

    def mask_detections(self, detections: Tensor) -> Tensor:
        """The masks of detections `(B, D, 6)` of a network with a branch for them: `(B, D, H, W)` bool."""
        assert self.network.masks is not None
        there = detections[:, :, 4] > 0
        masks = torch.zeros((*there.shape, *self.size_px), dtype=torch.bool, device=detections.device)
        regions = [each[used] for each, used in zip(detections, there, strict=True)]
        with torch.no_grad(), self.precision():
            logits = self.network.masks(self.maps, self.strides, [each[:, :4] for each in regions])
        parts = logits.float().split([len(each) for each in regions])
        for image, (each, part) in enumerate(zip(regions, parts, strict=True)):
            kinds = each[:, 5].long() + 1
            masks[image, there[image]] = self.network.masks.paste(part, kinds, each[:, :4], self.size_px)
        return masks

    def _first_losses(self, truths: Sequence[DetectionTargets]) -> Tensor:
        """Is anything at an anchor, and where: cross-entropy, and smooth L1 of the positive ones."""
        network, anchors = self.network, torch.cat(self.anchors)
        matches = [match(network.anchor_matcher, truth, anchors) for truth in truths]
        labels = [torch.where(each == NEITHER, -1, (each != NEGATIVE).long()) for each in matches]
        drawn = draw_samples(network.anchor_sampler, labels, training=self.training)
        losses = []
        for image, (positive, negative) in enumerate(drawn):
            here = torch.cat([positive, negative])
            wanted = truths[image].boxes[matches[image][positive]]
            offsets = network.anchor_coder.encode_single(wanted, anchors[positive])
            objectness = F.binary_cross_entropy_with_logits(
                self.objectness[image, here], labels[image][here].float(), reduction="sum"
            )
            distance = F.smooth_l1_loss(self.offsets[image, positive], offsets, beta=1 / 9, reduction="sum")
            losses.append((objectness + distance) / max(len(here), 1))
        return torch.stack(losses)

    def _second_losses(self, truths: Sequence[DetectionTargets], masks: Tensor | None) -> Tensor:
        """What is in a region, and where: cross-entropy, and smooth L1 and the mask of the positive ones."""
        network = self.network
        # The true boxes are among the proposals, so that there is always something to learn from.
        proposals = [torch.cat([one, truth.boxes]) for one, truth in zip(self.proposals, truths, strict=True)]
        matches = [match(network.region_matcher, truth, each) for truth, each in zip(truths, proposals, strict=True)]
        labels = [_labels(each, truth) for each, truth in zip(matches, truths, strict=True)]
        drawn = draw_samples(network.region_sampler, labels, training=self.training)
        samples = [torch.cat(each) for each in drawn]
        regions = [each[chosen] for each, chosen in zip(proposals, samples, strict=True)]
        logits, offsets = self._look_at(regions)
        counts = [len(each) for each in samples]
        losses, positives, numbers = [], [], []
        for image, (said, moved) in enumerate(zip(logits.split(counts), offsets.split(counts), strict=True)):
            wanted, count = labels[image][samples[image]], len(drawn[image][0])
            found = matches[image][drawn[image][0]]
            goal = network.region_coder.encode_single(truths[image].boxes[found], regions[image][:count])
            kind = F.cross_entropy(said, wanted, reduction="sum")
            lines = torch.arange(count, device=goal.device)
            distance = F.smooth_l1_loss(moved[lines, wanted[:count]], goal, beta=1 / 9, reduction="sum")
            losses.append((kind + distance) / max(counts[image], 1))
            positives.append(regions[image][:count])
            numbers.append(found)
        total = torch.stack(losses)
        if network.masks is None:
            return total
        assert masks is not None
        with self.precision():
            said = network.masks(self.maps, self.strides, positives)
        return total + network.masks.losses(said.float(), truths, masks, positives, numbers)

    def _look_at(self, regions: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """For R regions logits `(R, 1 + K)`, class 0 being nothing, and offsets `(R, 1 + K, 4)`, both float32."""
        network = self.network
        with self.precision():
            pooled = pool_regions(self.maps, self.strides, regions, _BINS)
            logits, offsets = network.box_predictor(network.box_head(pooled))
        return logits.float(), offsets.float().view(len(offsets), -1, 4)


def _labels(matches: Tensor, truth: DetectionTargets) -> Tensor:
    """Classes from 1, 0 for nothing, -1 for neither."""
    if not len(truth.classes):
        return torch.where(matches == NEITHER, -1, 0)
    classes = truth.classes[matches.clamp_min(0)] + 1
    return torch.where(matches >= 0, classes, torch.where(matches == NEGATIVE, 0, -1))


def _by_anchor(values: Tensor, each: int) -> Tensor:
    """`(B, A * each, H, W)` as `(B, H * W * A, each)` float32: in the order of the anchors."""
    return values.permute(0, 2, 3, 1).reshape(len(values), -1, each).float()
