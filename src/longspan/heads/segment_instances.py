"""Head for instances: the objects of an image, each with class, score and mask."""

from __future__ import annotations

import functools
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
from longspan.nn.detections import DetectorOutputs
from longspan.nn.mask_branch import MaskBranch
from longspan.old_names import accepts_old_keywords
from longspan.portable.mask_decoder import ObjectMasks, paste_masks
from longspan.vision.instance_encoding import boxes_in, masks_in, packed
from longspan.vision.rle import encode_runs

__all__ = ["SegmentInstances"]

_SCORE_LAST = [0, 1, 2, 3, 5, 4]  # detections have the score before the class, packed objects after it


@accepts_old_keywords(representation="box_head_dim")
@final
@dataclass(frozen=True, kw_only=True)
class SegmentInstances(Detector):
    """Boxes with classes and masks, by Mask R-CNN on a feature pyramid; targets are `Instances` as encoded.

    Predictions are `(B, max_detections, 24 + H * ceil(W / 8))` uint8: six float32 x0, y0, x1, y1, class, score, then
    the mask, eight pixels to a byte; the highest score first, the rest zeros.

    Sources and differences: `FasterRCNN` and `MaskBranch`.
    """

    kind: ClassVar[str] = "segment_instances"
    column_kinds: ClassVar[tuple[str, ...]] = ("instances",)
    extra: ClassVar[str | None] = "detect"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mask_map", "higher"),
        Metric("mask_ap50", "higher"),
        Metric("map", "higher"),
        Metric("ap50", "higher"),
        Metric("ap75", "higher"),
    )

    mask_width: int = 64
    """Channels of the mask branch (paper: 256)."""
    mask_depth: int = 4
    """Convolutions of the mask branch before its last two."""

    def _check_options(self) -> None:
        if not isinstance(self.mask_width, int) or self.mask_width < 1:
            raise ConfigError(f"SegmentInstances.mask_width must be at least 1, got {self.mask_width!r}.")
        if not isinstance(self.mask_depth, int) or self.mask_depth < 0:
            raise ConfigError(f"SegmentInstances.mask_depth must be at least 0, got {self.mask_depth!r}.")

    @property
    def num_outputs(self) -> int:
        """Classes of a region: K and background."""
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
        """A new pyramid and detector, from `FeatureMaps` to `DetectorOutputs`.

        Raises:
            ConfigError: the backbone has no maps at fitting strides.
        """
        classes = len(self._instances.vocab)
        masks = MaskBranch(self.channels, classes, width=self.mask_width, depth=self.mask_depth)
        read_targets = functools.partial(_boxes_and_masks, size_px=self._size_px)
        return self.two_stage(shapes, classes, masks, read_targets)

    def postprocess(self, outputs: DetectorOutputs) -> torch.Tensor:
        """Detections with their masks, packed: `(B, max_detections, bytes)` uint8."""
        return packed(outputs.detections[:, :, _SCORE_LAST], outputs.masks)

    def exported(self, outputs: DetectorOutputs) -> torch.Tensor:
        """Detections, each with the probabilities of its small mask: `(B, max_detections, 6 + M * M)` float32."""
        return torch.cat([outputs.detections, outputs.small_masks.flatten(2)], dim=2)

    def from_exported(self, values: torch.Tensor) -> torch.Tensor:
        """With masks in the image, packed."""
        masks = np.stack([paste_masks(row[:, 6:], row[:, :4], self._size_px) for row in values.numpy(force=True)])
        return packed(values[:, :, _SCORE_LAST], torch.from_numpy(masks))

    @property
    def value_decoder(self) -> ObjectMasks:
        """Boxes with label, score and mask."""
        return ObjectMasks(self._instances.vocab, self.answer_score, self._size_px)

    def reduce(self, predictions: torch.Tensor) -> torch.Tensor:
        """As bytes again: the mean over one view is a float."""
        return predictions.to(torch.uint8)

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """Objects with label, score, box and mask, the highest score first.

        Left out are those below `answer_score` and those with an empty mask.
        """
        found = self.objects(boxes_in(predictions)[:, :, _SCORE_LAST], self._instances.vocab)
        decoded = []
        for row, objects in zip(predictions, found, strict=True):
            masks = masks_in(row[: len(objects)], self._size_px).numpy()
            pairs = zip(objects, masks, strict=True)
            decoded.append(TargetPrediction([{**each, "rle": _runs(mask)} for each, mask in pairs if mask.any()]))
        return decoded

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """COCO's average precision of masks and of boxes."""
        boxes, masks = mask_figures(predictions, targets, self._size_px)
        return {**{f"mask_{name}": masks[name] for name in ("map", "ap50") if name in masks}, **boxes}


def _boxes_and_masks(encoded: torch.Tensor, size_px: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes `(B, M, 6)` and masks `(B, M, H, W)` of encoded instances, up to the last row that any image fills."""
    boxes = boxes_in(encoded)
    filled = torch.where((boxes[:, :, 2] > boxes[:, :, 0]).any(dim=0))[0]
    used = int(filled[-1]) + 1 if len(filled) else 0  # unpacking the empty masks behind would cost time
    return boxes[:, :used], masks_in(encoded[:, :used], size_px)


def _runs(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": encode_runs(mask)}
