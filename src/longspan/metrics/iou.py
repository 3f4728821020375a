"""Intersection over union of boxes and of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["box_iou", "mask_iou"]


def box_iou(boxes: npt.ArrayLike, others: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Intersection over union of boxes `(T, 4)` and `(S, 4)`, x0, y0, x1, y1: `(T, S)`."""
    one, other = np.reshape(boxes, (-1, 1, 4)).astype(float), np.reshape(others, (1, -1, 4)).astype(float)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    both = sides.clip(0).prod(axis=2)
    areas = [(each[..., 2:] - each[..., :2]).prod(axis=2) for each in (one, other)]
    return both / np.maximum(areas[0] + areas[1] - both, 1e-12)


def mask_iou(masks: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> npt.NDArray[np.float64]:
    """Intersection over union of T and S masks `(h, w)` bool: `(T, S)`."""
    if not masks or not others:
        return np.zeros((len(masks), len(others)))
    one, other = (np.stack(each).reshape(len(each), -1).astype(np.float32) for each in (masks, others))
    both = one @ other.T
    return both / np.maximum(one.sum(axis=1)[:, None] + other.sum(axis=1) - both, 1e-12)
