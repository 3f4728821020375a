"""Head for named points: their places in the image, by direct regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn

from longspan.columns import Keypoints
from longspan.columns.base import Column
from longspan.errors import ConfigError
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction, check_layers, perceptron, vector_fault
from longspan.heads.point_predictions import measure_points, points_before_augmentation
from longspan.models import FeatureShapes
from longspan.portable.decoders import Points
from longspan.vision import AugmentParams

__all__ = ["Locate"]

# B rows, K points


@final
@dataclass(frozen=True, kw_only=True)
class Locate(Head):
    """Places of named points: L1 loss over the labelled ones, in units of half the frame.

    Outputs are `(B, 2 K)`: x and y of each point, 0 at the centre of the frame and 1 at its edges. Targets are
    `(B, K, 3)` as `Keypoints` encodes them. Points that nobody labelled add nothing to loss and metrics; hidden ones
    count. The network must not lose positions: a backbone with global pooling learns them slowly.

    Source: Toshev, Szegedy 2014, "DeepPose", section 3.1. Differs: L1 instead of L2 distances; no second stage.
    Metrics: `nme`, the mean distance divided by the extent of the row's points (the diagonal of the box around them,
    at least a pixel), and `pck`, the fraction of points within `pck_extent` of it (Yang, Ramanan 2013).
    """

    kind: ClassVar[str] = "locate"
    column_kinds: ClassVar[tuple[str, ...]] = ("keypoints",)
    reads: ClassVar[FeatureKind] = "vector"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("nme", "lower"), Metric("pck", "higher"))

    pck_extent: float = 0.1
    """How far off a point may be to count as found, as a fraction of the extent of its row's points."""
    hidden: tuple[int, ...] = ()
    """Widths of layers between features and output."""
    dropout: float = 0.0
    """Probability that a feature is dropped, before each linear layer."""
    column: Column | None = None
    """The fitted keypoints; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.pck_extent > 0:
            raise ConfigError(f"Locate.pck_extent must be above 0, got {self.pck_extent!r}.")
        check_layers("Locate", self.hidden, self.dropout)

    @property
    def num_outputs(self) -> int:
        """Two for each point."""
        return 2 * len(self._keypoints.names)

    @property
    def _keypoints(self) -> Keypoints:
        assert isinstance(self.column, Keypoints)
        return self.column

    def _half_px(self, like: torch.Tensor) -> torch.Tensor:
        """Half the width and half the height of the frame."""
        assert self._keypoints.size_px is not None
        height, width = self._keypoints.size_px
        return like.new_tensor([width / 2, height / 2])

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """Linear layers to two numbers for each point."""
        return perceptron(shapes, self.hidden, self.dropout, self.num_outputs)

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, 2 K)`."""
        return vector_fault(outputs, rows, self.num_outputs)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean distance along an axis over the labelled points of each row; 0 for a row without one."""
        predicted = outputs.float().unflatten(1, (-1, 2))
        half = self._half_px(predicted)
        known = (targets[..., 2] > 0).float()
        apart = (predicted - (targets[..., :2] - half) / half).abs().mean(dim=2)
        return (apart * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)

    def postprocess(self, outputs: torch.Tensor) -> torch.Tensor:
        """Places in the frame, `(B, K, 2)` in pixels."""
        predicted = outputs.float().unflatten(1, (-1, 2))
        half = self._half_px(predicted)
        return predicted * half + half

    def invert_augmentation(self, predictions: torch.Tensor, augment_params: AugmentParams) -> torch.Tensor:
        """Places in the images before augmentation; where they were mirrored, pairs have their own names again."""
        return points_before_augmentation(predictions, augment_params, self._keypoints)

    @property
    def value_decoder(self) -> Points:
        """The places by name."""
        return Points(self._keypoints.names)

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """The place of every point."""
        return self.value_decoder.decode(predictions.numpy(force=True), ())

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Normalised mean error over rows, and the fraction of correct keypoints over points."""
        return measure_points(predictions, targets, self.pck_extent)
