"""Head for boxes: the objects of an image, with class and score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import nn

from longspan.columns import Boxes
from longspan.errors import unknown_name
from longspan.heads.base import Metric, TargetPrediction
from longspan.heads.detector import Detector
from longspan.metrics.average_precision import box_figures
from longspan.models import FeatureShapes
from longspan.nn.detections import DetectorOutputs
from longspan.nn.retinanet import RetinaNet, RetinaNetConfig
from longspan.old_names import accepts_old_keywords
from longspan.portable.decoders import Objects

__all__ = ["Design", "Detect"]

Design = Literal["faster_rcnn", "retinanet"]
_DESIGNS = ("faster_rcnn", "retinanet")


@accepts_old_keywords(representation="box_head_dim")
@final
@dataclass(frozen=True, kw_only=True)
class Detect(Detector):
    """Boxes with classes, by Faster R-CNN or RetinaNet on a feature pyramid; targets are `Boxes` as encoded.

    Predictions are detections `(B, max_detections, 6)` float32: x0, y0, x1, y1, score, class, the highest score first,
    the rest zeros.

    Sources and differences: `FasterRCNN` and `RetinaNet`.
    """

    kind: ClassVar[str] = "detect"
    column_kinds: ClassVar[tuple[str, ...]] = ("boxes",)
    extra: ClassVar[str | None] = "detect"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("map", "higher"),
        Metric("ap50", "higher"),
        Metric("ap75", "higher"),
    )

    design: Design = "faster_rcnn"
    """Two stages: proposals that are then classified one by one; or one: every anchor predicts a class and a box."""

    def _check_options(self) -> None:
        if self.design not in _DESIGNS:
            raise unknown_name("design of Detect", self.design, _DESIGNS)

    @property
    def num_outputs(self) -> int:
        """Classes of an anchor or a region: K, and for faster_rcnn background."""
        return len(self._boxes.vocab) + (self.design == "faster_rcnn")

    @property
    def _boxes(self) -> Boxes:
        assert isinstance(self.column, Boxes)
        return self.column

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """A new pyramid and detector, from `FeatureMaps` to `DetectorOutputs`.

        Raises:
            ConfigError: the backbone has no maps at fitting strides.
        """
        if self.design == "faster_rcnn":
            return self.two_stage(shapes, len(self._boxes.vocab))
        config = RetinaNetConfig(
            channels=self.channels,
            finest_stride=self.finest_stride or 8,
            anchor_side_px=self.anchor_side_px,
            ratios=self.ratios,
            score_threshold=self.score_threshold,
            overlap=self.nms,
            max_detections=self.max_detections,
        )
        classes = len(self._boxes.vocab)
        return RetinaNet(
            config, num_classes=classes, channels=shapes.channels, strides=shapes.strides, size_px=shapes.size_px
        )

    def postprocess(self, outputs: DetectorOutputs) -> torch.Tensor:
        """Detections `(B, max_detections, 6)`."""
        return outputs.detections

    @property
    def value_decoder(self) -> Objects:
        """Boxes with label and score."""
        return Objects(self._boxes.vocab, self.answer_score)

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """Boxes with label and score, the highest score first, without those below `answer_score`."""
        return self.value_decoder.decode(predictions.numpy(force=True), ())

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """COCO's average precision over overlaps of 0.50 to 0.95, at 0.50 and at 0.75."""
        return box_figures(predictions, targets)
