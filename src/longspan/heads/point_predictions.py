"""What heads for named points have in common: places in the frame to places before augmentation, values and metrics."""

from __future__ import annotations

import torch

from longspan.columns import Keypoints
from longspan.columns.keypoints import is_mirrored
from longspan.metrics.keypoints import (
    normalised_mean_error,
    percentage_of_correct_keypoints,
    point_distances,
)
from longspan.vision import AugmentParams

__all__ = ["measure_points", "points_before_augmentation"]

# B rows, K points


def points_before_augmentation(
    predictions: torch.Tensor, augment_params: AugmentParams, column: Keypoints
) -> torch.Tensor:
    """Places `(B, K, 2)` in the images before augmentation; pairs of mirrored ones have their own names again."""
    if augment_params.geometry == "none":
        return predictions
    linear, offset = augment_params.matrix[:, :, :2].double(), augment_params.matrix[:, :, 2].double()
    back = (predictions.double() - 0.5) @ linear.transpose(1, 2) + offset[:, None] + 0.5
    back = back.to(predictions.dtype)
    mirrored = is_mirrored(augment_params)[:, None, None]
    return torch.where(mirrored, back[:, column.mirrored_order], back)


def measure_points(predictions: torch.Tensor, targets: torch.Tensor, pck_extent: float) -> dict[str, float]:
    """Normalised mean error over rows, and the fraction of correct keypoints over points.

    Args:
        predictions: `(N, K, 2)` places in pixels.
        targets: `(N, K, 3)` as `Keypoints` encodes them; points that are not labelled do not count.
        pck_extent: How far off a point may be to count as found, as a fraction of the extent of its row's points.
    """
    apart = point_distances(targets.numpy(force=True), predictions.numpy(force=True))
    nme, pck = normalised_mean_error(apart), percentage_of_correct_keypoints(apart, pck_extent)
    return {} if nme is None or pck is None else {"nme": nme, "pck": pck}
