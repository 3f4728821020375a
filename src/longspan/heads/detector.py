"""What the heads that find things in an image share: the fields of a detector, and what its answers are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from longspan.columns.base import Column
from longspan.errors import ConfigError
from longspan.heads.base import FeatureKind, Head
from longspan.models import FeatureShapes
from longspan.nn.detections import DetectorOutputs
from longspan.nn.faster_rcnn import FasterRCNN, FasterRCNNConfig
from longspan.nn.mask_branch import MaskBranch
from longspan.vision import AugmentParams

__all__ = ["Detector"]


@dataclass(frozen=True, kw_only=True)
class Detector(Head):
    """Things with boxes, classes and scores, found on a feature pyramid; what `Detect` and `SegmentInstances` are.

    Outputs are an object with `losses` and `detections` (`DetectorOutputs`), both of which may be asked for in training
    and in evaluation. Detections are no averages of anything, so views and ensembles are refused.
    """

    reads: ClassVar[FeatureKind] = "maps"
    averages: ClassVar[bool] = False

    channels: int = 128
    """Of every level of the pyramid (papers: 256)."""
    box_head_dim: int = 512
    """Of two stages: width of the two layers that look at a region (paper: 1024)."""
    finest_stride: int | None = None
    """Of the finest map that is used; None: 4 for two stages, 8 for one. 8 is several times quicker than 4, and will do
    where nothing is smaller than 32 px."""
    anchor_side_px: float | None = None
    """Side of the smallest square anchor of the finest map, about that of the smallest things; those of the next maps
    are each twice as large. None: so that the largest are 0.7 of the image's side; 4 to 8 strides (retinanet: 2 to
    4, and two more sizes between)."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height to width of the anchors; (1.0, 2.0, 3.0) for people who stand, (1.0, 1.4) for faces."""
    samples: int = 128
    """Of two stages: regions of an image that one step learns from (papers, here too: a quarter of them positive)."""
    proposals: int = 300
    """Of two stages: regions of an image that the second looks at."""
    score_threshold: float = 0.05
    """Less sure detections are left out, and count for nothing in the metrics."""
    nms: float = 0.5
    """Of two detections of one class whose boxes overlap by more (intersection over union), the surer one stays."""
    max_detections: int = 100
    """Of one image."""
    answer_score: float = 0.5
    """Detections at least this sure are given as answers; the metrics look at all."""
    column: Column | None = None
    """The fitted boxes or instances; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check every value."""
        name = type(self).__name__
        wholes = ("channels", "box_head_dim", "samples", "proposals", "max_detections")
        for field in wholes:
            value = getattr(self, field)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}.{field} must be a whole number of at least 1, got {value!r}.")
        stride = self.finest_stride
        if stride is not None and stride not in (4, 8, 16, 32):
            raise ConfigError(f"{name}.finest_stride must be 4, 8, 16 or 32, or None, got {stride!r}.")
        if self.anchor_side_px is not None and not self.anchor_side_px >= 1:
            raise ConfigError(f"{name}.anchor_side_px must be at least 1, or None, got {self.anchor_side_px!r}.")
        ratios = self.ratios
        if not isinstance(ratios, tuple | list) or not ratios or not all(0 < ratio < 100 for ratio in ratios):
            raise ConfigError(
                f"{name}.ratios must be heights to widths above 0, such as (0.5, 1.0, 2.0), got {ratios!r}."
            )
        for field in ("score_threshold", "answer_score", "nms"):
            value = getattr(self, field)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name}.{field} must be at least 0 and at most 1, got {value!r}.")

    def two_stage(self, shapes: FeatureShapes, num_classes: int, masks: MaskBranch | None = None) -> FasterRCNN:
        """The network of two stages that the fields describe, for maps of these shapes."""
        config = FasterRCNNConfig(
            channels=self.channels,
            box_head_dim=self.box_head_dim,
            finest_stride=self.finest_stride or 4,
            anchor_side_px=self.anchor_side_px,
            ratios=self.ratios,
            candidates=2 * self.proposals,
            proposals=self.proposals,
            samples=self.samples,
            score_threshold=self.score_threshold,
            overlap=self.nms,
            max_detections=self.max_detections,
        )
        return FasterRCNN(
            config,
            num_classes=num_classes,
            channels=shapes.channels,
            strides=shapes.strides,
            size_px=shapes.size_px,
            masks=masks,
        )

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than an object of detectors, or for another number of rows."""
        wanted = (
            f"whose head needs an object for {rows} images with the methods losses(targets), which gives ({rows},), "
            f"and detections(), which gives ({rows}, D, 6): x0, y0, x1, y1, score, class."
        )
        if not isinstance(outputs, DetectorOutputs):
            return f"{wanted} Take a backbone by name, such as resnet18, and leave the rest to longspan."
        found = outputs.detections()
        if found.ndim != 3 or (found.shape[0], found.shape[2]) != (rows, 6):
            return f"{wanted} Its detections are {tuple(found.shape)}."
        return None

    def undo(self, activated: torch.Tensor, augment_params: AugmentParams) -> torch.Tensor:
        """Detections of several views cannot be averaged: ConfigError."""
        raise ConfigError(
            "Detections of several views of an image cannot be averaged, since nothing says which belong together. "
            "Ask with views=1."
        )

    def answers(self, detections: torch.Tensor, vocab: tuple[Any, ...]) -> list[list[dict[str, Any]]]:
        """Detections `(B, D, 6)` in the words of a column: of each image those of at least `answer_score`."""
        return [
            [
                {"box": line[:4], "label": vocab[int(line[5])], "score": line[4]}
                for line in row
                if line[4] > 0 and line[4] >= self.answer_score
            ]
            for row in detections.tolist()
        ]
