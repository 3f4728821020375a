"""Head for named points: a heat map of the image for each, whose peak is read to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn

from longspan.columns import Keypoints
from longspan.columns.base import Column
from longspan.errors import ConfigError
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction, shape_of
from longspan.heads.from_maps import FromMaps
from longspan.heads.point_predictions import measure_points, points_before_augmentation
from longspan.models import FeatureShapes
from longspan.nn.unet import UNetDecoder
from longspan.portable.decoders import Points
from longspan.vision import AugmentParams

__all__ = ["HeatMaps", "peaks"]

# B rows, K points, H and W pixels of the frame

_FLAT = 1e-6  # of a curvature: below it there is no peak to move to


@final
@dataclass(frozen=True, kw_only=True)
class HeatMaps(Head):
    """Places of named points, each as the peak of a map: for positions that regression from one vector loses.

    Outputs are logits `(B, K, H, W)` at the size of the frame, from the U-Net decoder; their softmax over the pixels is
    where the point may be. The loss of a point is the divergence of that map from a Gaussian around the labelled place,
    0 where they are equal; of a row, the mean over its labelled points. Targets are `(B, K, 3)` as `Keypoints` encodes
    them.

    Source: Tompson et al. 2014, "Joint training of a convolutional network and a graphical model for human pose
    estimation" (a map for each point, Gaussian targets); He et al. 2017, "Mask R-CNN", section 5 (softmax over the
    pixels); Zhang et al. 2020, "Distribution-aware coordinate representation", equation 9 (`peaks`). Differs: Kullback-
    Leibler divergence in place of squared error, so that the many empty pixels do not outweigh the point.
    Metrics: `nme` and `pck`, as `Locate` measures them.
    """

    kind: ClassVar[str] = "heat_maps"
    column_kinds: ClassVar[tuple[str, ...]] = ("keypoints",)
    reads: ClassVar[FeatureKind] = "maps"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("nme", "lower"), Metric("pck", "higher"))

    sigma_px: float = 1.5
    """Standard deviation of the Gaussian around a labelled place, pixels of the frame."""
    width: int = 32
    """Channels of the decoder at stride 2; more at coarser strides."""
    dropout: float = 0.0
    """Probability that a value of the coarsest map is dropped."""
    pck_extent: float = 0.1
    """How far off a point may be to count as found, as a fraction of the extent of its row's points."""
    column: Column | None = None
    """The fitted keypoints; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("sigma_px", "pck_extent"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"HeatMaps.{name} must be above 0, got {getattr(self, name)!r}.")
        if not isinstance(self.width, int) or self.width < 1:
            raise ConfigError(f"HeatMaps.width must be a whole number of at least 1, got {self.width!r}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"HeatMaps.dropout must be at least 0 and below 1, got {self.dropout!r}.")

    @property
    def num_outputs(self) -> int:
        """A map for each point."""
        return len(self._keypoints.names)

    @property
    def _keypoints(self) -> Keypoints:
        assert isinstance(self.column, Keypoints)
        return self.column

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """The decoder.

        Raises:
            ConfigError: the backbone gives no maps.
        """
        if not shapes.strides:
            raise ConfigError(
                "Heat maps of key points need a network with feature maps, and this backbone gives none. Take for "
                "instance squeezenet1_1 or resnet18, or regress the places from one vector with head Locate."
            )
        return FromMaps(
            UNetDecoder(
                channels=shapes.channels,
                strides=shapes.strides,
                in_channels=shapes.in_channels,
                num_classes=self.num_outputs,
                width=self.width,
                dropout=self.dropout,
            )
        )

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, K, H, W)` at the size of the frame."""
        size, got = self._keypoints.size_px, shape_of(outputs)
        if len(got) == 4 and got[:2] == (rows, self.num_outputs) and (size is None or got[2:] == tuple(size)):
            return None
        needed = f"({rows}, {self.num_outputs}, {'H, W' if size is None else f'{size[0]}, {size[1]}'})"
        return (
            f"whose head needs {needed}: a map of each of {self.num_outputs} points. End it with nn.Conv2d(..., "
            f"{self.num_outputs}, 1) at the size of the image, or give it the attributes num_features, channels and "
            "strides and a method features, and leave the last layers to longspan."
        )

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean divergence over the labelled points of each row, nats; 0 for a row without one."""
        logits = outputs.float()
        height, width = logits.shape[2:]
        rows = self._bump(targets[..., 1].float(), height)
        columns = self._bump(targets[..., 0].float(), width)
        # The Gaussian is a product of one for the rows and one for the columns, so its map is never made.
        expected = torch.einsum("bkhw,bkh,bkw->bk", logits, rows, columns)
        entropy = sum(torch.special.entr(each).sum(2) for each in (rows, columns))
        divergence = logits.flatten(2).logsumexp(2) - expected - entropy
        known = (targets[..., 2] > 0).float()
        return (divergence * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)

    def _bump(self, places: torch.Tensor, size: int) -> torch.Tensor:
        """A Gaussian around `places` `(B, K)` along an axis, `(B, K, size)`, with sum 1."""
        middles = torch.arange(size, device=places.device) + 0.5
        return (-0.5 * ((middles - places[..., None]) / self.sigma_px).square()).softmax(dim=2)

    def postprocess(self, outputs: torch.Tensor) -> torch.Tensor:
        """Places in the frame, `(B, K, 2)` in pixels."""
        return peaks(outputs.float())

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


def peaks(logits: torch.Tensor) -> torch.Tensor:
    """Where maps `(B, K, H, W)` are highest, `(B, K, 2)` float32: x, y in pixels, the middle of the first at 0.5.

    Around the highest pixel the map is taken for a parabola, whose top is exact where the map is the logarithm of a
    Gaussian; it is looked for within a pixel and a half. Where the map does not bend down, the middle of the pixel is
    the place.
    """
    height, width = logits.shape[2:]
    flat = logits.flatten(2)
    highest = flat.argmax(dim=2)
    y, x = highest // width, highest % width
    middle = torch.stack([x, y], dim=2) + 0.5
    if min(height, width) < 3:
        return middle
    # Of a pixel at the border, the neighbour inside is the centre of the parabola.
    centre_y, centre_x = y.clamp(1, height - 2), x.clamp(1, width - 2)
    around = torch.tensor([-1, 0, 1], device=logits.device)
    places = (centre_y[..., None] + around)[..., :, None] * width + (centre_x[..., None] + around)[..., None, :]
    near = flat.gather(2, places.flatten(2)).unflatten(2, (3, 3))
    slope_x, slope_y = (near[..., 1, 2] - near[..., 1, 0]) / 2, (near[..., 2, 1] - near[..., 0, 1]) / 2
    bend_x = near[..., 1, 2] - 2 * near[..., 1, 1] + near[..., 1, 0]
    bend_y = near[..., 2, 1] - 2 * near[..., 1, 1] + near[..., 0, 1]
    both = (near[..., 2, 2] - near[..., 2, 0] - near[..., 0, 2] + near[..., 0, 0]) / 4
    determinant = bend_x * bend_y - both.square()
    peaked = (determinant > _FLAT) & (bend_x < 0)
    safe = torch.where(peaked, determinant, 1.0)
    step_x = ((both * slope_y - bend_y * slope_x) / safe).clamp(-1.5, 1.5)
    step_y = ((both * slope_x - bend_x * slope_y) / safe).clamp(-1.5, 1.5)
    top = torch.stack([centre_x + 0.5 + step_x, centre_y + 0.5 + step_y], dim=2)
    return torch.where(peaked[..., None], top, middle)
