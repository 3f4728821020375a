"""Counting pixels by class: how many were taken for what, and how much each class should weigh."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from longspan.errors import ConfigError
from longspan.lazy_torch import torch

__all__ = ["IGNORED", "class_counts", "confusion", "intersection_over_union", "median_frequency_weights"]

IGNORED = 255
"""The number of pixels that count for nothing, in encoded masks."""


def confusion(true: torch.Tensor, predicted: torch.Tensor, num_classes: int) -> npt.NDArray[np.int64]:
    """Pixels by true (row) and predicted class (column), `(K, K)`, over maps `(N, H, W)` uint8, without ignored ones.

    A map at a time, so that the memory does not grow with their number.
    """
    counts = torch.zeros(num_classes * num_classes, dtype=torch.int64)
    for true_map, predicted_map in zip(true, predicted, strict=True):
        there = true_map != IGNORED
        pairs = true_map[there].long() * num_classes + predicted_map[there].long()
        counts += torch.bincount(pairs, minlength=num_classes * num_classes)
    return counts.view(num_classes, num_classes).numpy()


def intersection_over_union(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Of each class, `(K,)`, from `confusion`: pixels that are both over pixels that are either; NaN where none is."""
    both = np.diag(counts)
    either = counts.sum(axis=0) + counts.sum(axis=1) - both
    return np.divide(both, either, out=np.full(len(counts), np.nan), where=either > 0)


def class_counts(masks: Iterable[torch.Tensor | npt.NDArray[np.uint8]], num_classes: int) -> npt.NDArray[np.int64]:
    """Pixels of each class in each of N encoded masks, `(N, K)`; ignored pixels left out."""
    counts = [np.bincount(np.asarray(mask).ravel(), minlength=256)[:num_classes] for mask in masks]
    return np.stack(counts) if counts else np.zeros((0, num_classes), dtype=np.int64)


def median_frequency_weights(counts: npt.ArrayLike, *, power: float = 1.0) -> tuple[float, ...]:
    """A weight for each class, for `Segment(class_weights=...)`, so that rare classes are learned as common ones are.

    The frequency of a class is its fraction of the pixels of the images in which it occurs; its weight is the median of
    all frequencies over its own. A class that never occurs gets 1.

    Source: Badrinarayanan, Kendall, Cipolla 2017, "SegNet", section 4.1, after Eigen and Fergus 2015.
    Differs: ignored pixels are in neither count; `power`.

    Args:
        counts: Pixels of each class in each training image, `(N, K)`; see `class_counts`.
        power: To which each weight is raised: 1 as published; 0.5 goes half of the way, which costs the common classes
            less; 0 makes all weights 1.

    Raises:
        ConfigError: counts of another shape, or below zero, or without a single pixel; `power` outside 0..1.

    Example:
        >>> median_frequency_weights([[90, 10, 0], [60, 0, 40]])
        (0.533333, 4.0, 1.0)
    """
    if not 0 <= power <= 1:
        raise ConfigError(f"power must be from 0 to 1, got {power!r}.")
    pixels = np.asarray(counts, dtype=np.float64)
    if pixels.ndim != 2 or not pixels.size or not (pixels >= 0).all() or not pixels.any():
        raise ConfigError(
            "median_frequency_weights needs the pixels of each class in each image, (N, K), 0 or more and not all 0; "
            f"got an array of shape {pixels.shape}. class_counts(masks, num_classes) counts them."
        )
    in_its_images = ((pixels > 0) * pixels.sum(axis=1, keepdims=True)).sum(axis=0)
    occurs = in_its_images > 0
    frequency = pixels.sum(axis=0)[occurs] / in_its_images[occurs]
    weights = np.ones(pixels.shape[1])
    weights[occurs] = (np.median(frequency) / frequency) ** power
    return tuple(round(float(weight), 6) for weight in weights)
