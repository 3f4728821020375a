"""Head for instances: what is where in an image, and which pixels are it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import nn

from longspan.columns import Instances
from longspan.errors import ConfigError
from longspan.heads.base import Metric, TargetPrediction
from longspan.heads.detector import Detector
from longspan.metrics.average_precision import mask_figures
from longspan.models import FeatureShapes
from longspan.nn.faster_rcnn import FasterRCNNOutputs
from longspan.nn.mask_branch import MaskBranch
from longspan.vision.instance_encoding import boxes_in, masks_in, packed
from longspan.vision.rle import encode_runs

__all__ = ["SegmentInstances"]

_SCORE_LAST = [0, 1, 2, 3, 5, 4]  # detections have the score before the class, packed things the class before the score


@final
@dataclass(frozen=True, kw_only=True)
class SegmentInstances(Detector):
    """Boxes with classes and masks, by Mask R-CNN on a feature pyramid; targets are `Instances` as encoded.

    Outputs are a `FasterRCNNOutputs`; activated outputs are `(B, max_detections, 24 + H * ceil(W / 8))` uint8: six
    float32 x0, y0, x1, y1, class, score, then the mask, eight pixels to a byte; the surest first, the rest zeros.

    Sources and differences: `FasterRCNN` and `MaskBranch`.
    """

    kind: ClassVar[str] = "segment_instances"
    column_kinds: ClassVar[tuple[str, ...]] = ("instances",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mask_map", "higher"),
        Metric("mask_ap50", "higher"),
        Metric("map", "higher"),
        Metric("ap50", "higher"),
        Metric("ap75", "higher"),
    )

    mask_width: int = 64
    """Channels of the branch that draws masks (paper: 256)."""
    mask_depth: int = 4
    """Convolutions of that branch before the two that draw."""

    def __post_init__(self) -> None:
        """Check every value."""
        super().__post_init__()
        if not isinstance(self.mask_width, int) or self.mask_width < 1:
            raise ConfigError(f"SegmentInstances.mask_width must be at least 1, got {self.mask_width!r}.")
        if not isinstance(self.mask_depth, int) or self.mask_depth < 0:
            raise ConfigError(f"SegmentInstances.mask_depth must be at least 0, got {self.mask_depth!r}.")

    @property
    def num_outputs(self) -> int:
        """Classes that a region can be of: K and one more for nothing."""
        return len(self._instances.vocab) + 1

    @property
    def _instances(self) -> Instances:
        assert isinstance(self.column, Instances)
        return self.column

    @property
    def _size_px(self) -> tuple[int, int]:
        assert self._instances.size_px is not None
        return self._instances.size_px

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """A new pyramid and detector, from `FeatureMaps` to `FasterRCNNOutputs`.

        Raises:
            ConfigError: the backbone has no maps at fitting strides.
        """
        classes = len(self._instances.vocab)
        masks = MaskBranch(self.channels, classes, width=self.mask_width, depth=self.mask_depth)
        return self.two_stage(shapes, classes, masks)

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than an object of detectors with masks, or for another number of rows."""
        fault = super().outputs_fault(outputs, rows)
        if fault is None and not hasattr(outputs, "mask_detections"):
            fault = (
                f"whose head needs an object for {rows} images that also has the method mask_detections(detections), "
                f"which gives ({rows}, D, H, W) bool. Take a backbone by name, such as resnet18, and leave the rest to "
                "longspan."
            )
        return fault

    def loss(self, outputs: FasterRCNNOutputs, targets: torch.Tensor) -> torch.Tensor:
        """The losses of proposals, classes, boxes and masks of each row, summed as in the paper."""
        boxes = boxes_in(targets)
        lines = torch.where((boxes[:, :, 2] > boxes[:, :, 0]).any(dim=0))[0]
        used = int(lines[-1]) + 1 if len(lines) else 0  # the masks behind need not be unpacked
        return outputs.losses(boxes[:, :used], masks_in(targets[:, :used], self._size_px))

    def activate(self, outputs: FasterRCNNOutputs) -> torch.Tensor:
        """Detections with their masks, packed: `(B, max_detections, bytes)` uint8."""
        found = outputs.detections()
        return packed(found[:, :, _SCORE_LAST], outputs.mask_detections(found))

    def compact(self, activated: torch.Tensor) -> torch.Tensor:
        """As bytes again, since the mean over one view is a float."""
        return activated.to(torch.uint8)

    def decode(self, activated: torch.Tensor) -> list[TargetPrediction]:
        """Things with label, score, box and mask, the surest first.

        Those below `answer_score` are left out, and those of whose mask nothing is left.
        """
        answers = self.answers(boxes_in(activated)[:, :, _SCORE_LAST], self._instances.vocab)
        decoded = []
        for row, things in zip(activated, answers, strict=True):
            masks = masks_in(row[: len(things)], self._size_px).numpy()
            drawn = zip(things, masks, strict=True)
            decoded.append(TargetPrediction([{**thing, "rle": _runs(mask)} for thing, mask in drawn if mask.any()]))
        return decoded

    def measure(self, activated: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """COCO's average precision of masks and of boxes."""
        boxes, masks = mask_figures(activated, targets, self._size_px)
        return {**{f"mask_{name}": masks[name] for name in ("map", "ap50") if name in masks}, **boxes}


def _runs(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": encode_runs(mask)}
