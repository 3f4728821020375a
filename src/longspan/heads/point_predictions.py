"""What heads for named points have in common: places in the frame to places before augmentation, values and metrics."""

from __future__ import annotations

import torch

from longspan.columns import Keypoints
from longspan.columns.keypoints import is_mirrored
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
    known = targets[..., 2] > 0
    rows = known.any(dim=1)
    if not rows.any():
        return {}
    predictions, targets, known = predictions[rows].double(), targets[rows].double(), known[rows]
    places = targets[..., :2]
    highest = places.masked_fill(~known[..., None], -torch.inf).amax(dim=1)
    lowest = places.masked_fill(~known[..., None], torch.inf).amin(dim=1)
    extent = (highest - lowest).norm(dim=1).clamp(min=1)
    apart = (predictions - places).norm(dim=2) / extent[:, None]
    mean = torch.where(known, apart, 0).sum(dim=1) / known.sum(dim=1)
    return {"nme": float(mean.mean()), "pck": float((apart[known] <= pck_extent).double().mean())}
