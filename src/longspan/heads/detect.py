"""Head for boxes: what is where in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import nn

from longspan.columns import Boxes, Draws
from longspan.columns.base import Column
from longspan.errors import ConfigError, unknown_name
from longspan.heads.base import Answer, Head, Metric, Reads
from longspan.heads.coco_metrics import box_figures
from longspan.models import FeatureShapes
from longspan.nn.detections import DetectorOutputs
from longspan.nn.mask_branch import MaskBranch
from longspan.nn.one_stage import OneStage, OneStageConfig
from longspan.nn.two_stage import TwoStage, TwoStageConfig

__all__ = ["Design", "Detect", "answers_of", "check_detector", "detector_fault", "refuse_views", "two_stage"]

Design = Literal["faster_rcnn", "retinanet"]
_DESIGNS = ("faster_rcnn", "retinanet")


@final
@dataclass(frozen=True, kw_only=True)
class Detect(Head):
    """Boxes with classes, by Faster R-CNN or RetinaNet on a feature pyramid; targets are `Boxes` as encoded.

    Outputs are an object with `losses` and `detections` (`DetectorOutputs`), both of which may be asked for in training
    and in evaluation; activated outputs are detections `(B, max_detections, 6)` float32: x0, y0, x1, y1, score, class,
    the surest first, the rest zeros. They are no averages of anything, so views and ensembles are refused.

    Sources and differences: `TwoStage` and `OneStage`.
    """

    kind: ClassVar[str] = "detect"
    column_kinds: ClassVar[tuple[str, ...]] = ("boxes",)
    reads: ClassVar[Reads] = "maps"
    averages: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("map", "higher"),
        Metric("ap50", "higher"),
        Metric("ap75", "higher"),
    )

    design: Design = "faster_rcnn"
    """Two stages, proposals and then a look at each; or one, in which every anchor says what it holds."""
    channels: int = 128
    """Of every level of the pyramid (papers: 256)."""
    representation: int = 512
    """Of faster_rcnn: width of the two layers that look at a region (paper: 1024)."""
    finest_stride: int | None = None
    """Of the finest map that is used; None: 4 for faster_rcnn, 8 for retinanet. 8 is several times quicker than 4, and
    will do where nothing is smaller than 32 px."""
    anchor_side_px: float | None = None
    """Side of the smallest square anchor of the finest map, about that of the smallest things; those of the next maps
    are each twice as large. None: so that the largest are 0.7 of the picture's side; 4 to 8 strides (retinanet: 2 to
    4, and two more sizes between)."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Height to width of the anchors; (1.0, 2.0, 3.0) for people who stand, (1.0, 1.4) for faces."""
    samples: int = 128
    """Of faster_rcnn: regions of a picture that one step learns from (paper, here too: a quarter of them positive)."""
    proposals: int = 300
    """Of faster_rcnn: regions of a picture that the second stage looks at."""
    score_threshold: float = 0.05
    """Less sure detections are left out, and count for nothing in the metrics."""
    nms: float = 0.5
    """Of two detections of one class that overlap by more (intersection over union), the surer one stays."""
    max_detections: int = 100
    """Of one picture."""
    answer_score: float = 0.5
    """Detections at least this sure are given as answers; the metrics look at all."""
    column: Column | None = None
    """The fitted boxes; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check every value."""
        if self.design not in _DESIGNS:
            raise unknown_name("design of Detect", self.design, _DESIGNS)
        check_detector(self)

    @property
    def num_outputs(self) -> int:
        """Classes that an anchor or a region can be of: K, and for faster_rcnn one more for nothing."""
        return len(self._boxes.vocab) + (self.design == "faster_rcnn")

    @property
    def _boxes(self) -> Boxes:
        assert isinstance(self.column, Boxes)
        return self.column

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """A new pyramid and detector, from `Maps` to `DetectorOutputs`.

        Raises:
            ConfigError: the backbone has no maps at fitting strides.
        """
        if self.design == "faster_rcnn":
            return two_stage(self, shapes, len(self._boxes.vocab))
        config = OneStageConfig(
            channels=self.channels,
            finest_stride=self.finest_stride or 8,
            anchor_side_px=self.anchor_side_px,
            ratios=self.ratios,
            score_threshold=self.score_threshold,
            overlap=self.nms,
            max_detections=self.max_detections,
        )
        classes = len(self._boxes.vocab)
        return OneStage(
            config, num_classes=classes, channels=shapes.channels, strides=shapes.strides, size_px=shapes.size_px
        )

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than an object of detectors, or for another number of rows."""
        return detector_fault(outputs, rows)

    def loss(self, outputs: DetectorOutputs, targets: torch.Tensor) -> torch.Tensor:
        """The losses of proposals, classes and boxes of each row, summed as in the papers."""
        return outputs.losses(targets)

    def activate(self, outputs: DetectorOutputs) -> torch.Tensor:
        """Detections `(B, max_detections, 6)`."""
        return outputs.detections()

    def undo(self, activated: torch.Tensor, draws: Draws) -> torch.Tensor:
        """Detections of several views cannot be averaged: ConfigError."""
        raise refuse_views()

    def decode(self, activated: torch.Tensor) -> list[Answer]:
        """Boxes with label and score, the surest first; those below `answer_score` are left out."""
        return [Answer(answers) for answers in answers_of(activated, self._boxes.vocab, self.answer_score)]

    def measure(self, activated: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """COCO's average precision over overlaps of 0.50 to 0.95, at 0.50 and at 0.75."""
        return box_figures(activated, targets)


def two_stage(head: Any, shapes: FeatureShapes, num_classes: int, masks: MaskBranch | None = None) -> TwoStage:
    """The network that the fields of a head describe."""
    config = TwoStageConfig(
        channels=head.channels,
        representation=head.representation,
        finest_stride=head.finest_stride or 4,
        anchor_side_px=head.anchor_side_px,
        ratios=head.ratios,
        candidates=2 * head.proposals,
        proposals=head.proposals,
        samples=head.samples,
        score_threshold=head.score_threshold,
        overlap=head.nms,
        max_detections=head.max_detections,
    )
    return TwoStage(
        config,
        num_classes=num_classes,
        channels=shapes.channels,
        strides=shapes.strides,
        size_px=shapes.size_px,
        masks=masks,
    )


def check_detector(head: Any) -> None:
    """Refuse values of the fields that detectors share with ConfigError."""
    name = type(head).__name__
    wholes = ("channels", "representation", "samples", "proposals", "max_detections")
    for field in wholes:
        value = getattr(head, field)
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name}.{field} must be a whole number of at least 1, got {value!r}.")
    stride = head.finest_stride
    if stride is not None and stride not in (4, 8, 16, 32):
        raise ConfigError(f"{name}.finest_stride must be 4, 8, 16 or 32, or None, got {stride!r}.")
    if head.anchor_side_px is not None and not head.anchor_side_px >= 1:
        raise ConfigError(f"{name}.anchor_side_px must be at least 1, or None, got {head.anchor_side_px!r}.")
    ratios = head.ratios
    if not isinstance(ratios, tuple | list) or not ratios or not all(0 < ratio < 100 for ratio in ratios):
        raise ConfigError(f"{name}.ratios must be heights to widths above 0, such as (0.5, 1.0, 2.0), got {ratios!r}.")
    for field in ("score_threshold", "answer_score", "nms"):
        value = getattr(head, field)
        if not 0 <= value <= 1:
            raise ConfigError(f"{name}.{field} must be at least 0 and at most 1, got {value!r}.")


def detector_fault(outputs: object, rows: int) -> str | None:
    """`Head.outputs_fault` of the heads whose outputs say losses and detections themselves."""
    wanted = (
        f"whose head needs an object for {rows} pictures with the methods losses(targets), which gives ({rows},), and "
        f"detections(), which gives ({rows}, D, 6): x0, y0, x1, y1, score, class."
    )
    if not isinstance(outputs, DetectorOutputs):
        return f"{wanted} Take a backbone by name, such as resnet18, and leave the rest to longspan."
    found = outputs.detections()
    if found.ndim != 3 or (found.shape[0], found.shape[2]) != (rows, 6):
        return f"{wanted} Its detections are {tuple(found.shape)}."
    return None


def answers_of(detections: torch.Tensor, vocab: tuple[Any, ...], least: float) -> list[list[dict[str, Any]]]:
    """Detections `(B, D, 6)` in the words of a column: of each picture those at least as sure as `least`."""
    return [
        [
            {"box": line[:4], "label": vocab[int(line[5])], "score": line[4]}
            for line in row
            if line[4] > 0 and line[4] >= least
        ]
        for row in detections.tolist()
    ]


def refuse_views() -> ConfigError:
    """The error for views of a picture, whose detections nothing can average."""
    return ConfigError(
        "Detections of several views of a picture cannot be averaged, since nothing says which belong together. "
        "Ask with views=1."
    )
