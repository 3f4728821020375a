"""What detection heads share: the options of a detector, and how detections become predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from longspan.columns.base import Column
from longspan.errors import ConfigError, ShapeError
from longspan.heads.base import FeatureKind, Head
from longspan.models import FeatureShapes
from longspan.nn.detections import DetectorOutputs
from longspan.nn.faster_rcnn import FasterRCNN, FasterRCNNConfig
from longspan.nn.mask_branch import MaskBranch
from longspan.vision import AugmentParams

__all__ = ["Detector"]


@dataclass(frozen=True, kw_only=True)
class Detector(Head, ABC):
    """Abstract: objects with boxes, classes and scores on a feature pyramid, as `Detect` and `SegmentInstances` give.

    Outputs are `DetectorOutputs`. The losses are computed inside the network's forward pass, from the targets.
    Detections have no mean, so views and ensembles are refused.
    """

    reads: ClassVar[FeatureKind] = "maps"
    sees_targets: ClassVar[bool] = True
    averages: ClassVar[bool] = False

    channels: int = 128
    """Of every level of the pyramid (papers: 256)."""
    box_head_dim: int = 512
    """Of two stages: width of the two layers that classify a region (paper: 1024)."""
    finest_stride: int | None = None
    """Of the finest map that is used; None: 4 for two stages, 8 for one. 8 is several times faster than 4 and suffices
    where no object is smaller than 32 px."""
    anchor_side_px: float | None = None
    """Side of the smallest square anchor of the finest map, about that of the smallest objects; from map to map the
    side doubles. None: so that the largest are 0.7 of the image's side; 4 to 8 strides (retinanet: 2 to
    4, and two more sizes between)."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height to width of the anchors; (1.0, 2.0, 3.0) for people who stand, (1.0, 1.4) for faces."""
    samples: int = 128
    """Of two stages: regions of an image in the loss of a step; up to a quarter of them positive, as in the papers."""
    proposals: int = 300
    """Of two stages: regions of an image that reach the second."""
    score_threshold: float = 0.05
    """Detections with a lower score are dropped, also from the metrics."""
    nms: float = 0.5
    """Of two detections of one class whose boxes have a larger intersection over union, the one with the higher score
    stays."""
    max_detections: int = 100
    """Of one image."""
    answer_score: float = 0.5
    """Predictions are the detections with at least this score; the metrics use all."""
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
        self._check_options()

    @abstractmethod
    def _check_options(self) -> None:
        """ConfigError for values of the subclass's own fields that cannot be."""

    def two_stage(
        self,
        shapes: FeatureShapes,
        num_classes: int,
        masks: MaskBranch | None = None,
        read_targets: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]] | None = None,
    ) -> FasterRCNN:
        """The two-stage network that the fields describe, for maps of these shapes; see `FasterRCNN`."""
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
            read_targets=read_targets,
        )

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `DetectorOutputs`, or for another number of rows."""
        wanted = (
            f"but its head needs longspan.nn.detections.DetectorOutputs with detections ({rows}, D, 6): x0, y0, x1, "
            "y1, score, class."
        )
        if not isinstance(outputs, DetectorOutputs):
            return f"{wanted} Choose a backbone by name, such as resnet18, and longspan adds the detector."
        if outputs.detections.ndim != 3 or (outputs.detections.shape[0], outputs.detections.shape[2]) != (rows, 6):
            return f"{wanted} Its detections are {tuple(outputs.detections.shape)}."
        return None

    def loss(self, outputs: DetectorOutputs, targets: torch.Tensor) -> torch.Tensor:
        """The loss of each row, summed over the parts of the detector as in the papers.

        Raises:
            ShapeError: the network did not see the targets, or other ones.
        """
        if len(outputs.losses) != len(targets):
            raise ShapeError(
                f"The detector computed {len(outputs.losses)} losses for {len(targets)} rows: it computes them in the "
                "forward pass, so pass the targets there, network(*inputs, targets=targets)."
            )
        return outputs.losses

    def invert_augmentation(self, predictions: torch.Tensor, augment_params: AugmentParams) -> torch.Tensor:
        """Detections of several views have no mean: ConfigError."""
        raise ConfigError(
            "Detections of several views of an image cannot be averaged: it is unclear which of them belong together. "
            "Use views=1."
        )

    def objects(self, detections: torch.Tensor, vocab: tuple[Any, ...]) -> list[list[dict[str, Any]]]:
        """Of each image the detections `(B, D, 6)` of at least `answer_score`, as the column writes them."""
        return [
            [
                {"box": line[:4], "label": vocab[int(line[5])], "score": line[4]}
                for line in row
                if line[4] > 0 and line[4] >= self.answer_score
            ]
            for row in detections.tolist()
        ]
