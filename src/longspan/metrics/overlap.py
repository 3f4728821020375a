"""How far an answer about places is from the truth: one number for an image, 0 where they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from longspan.vision.annotation_values import label_of

__all__ = ["box_overlaps", "mask_overlaps", "unmatched_fraction", "wrong_pixels"]

_OVERLAP = 0.5
_IGNORED = 255


def wrong_pixels(truth: np.ndarray, said: np.ndarray) -> float:
    """Fraction of the pixels that count whose class is another; 0 where none counts.

    Args:
        truth: `(h, w)` class numbers, 255 where ignored.
        said: The same of an answer.
    """
    counts = truth != _IGNORED
    return float((truth != said)[counts].mean()) if counts.any() else 0.0


def unmatched_fraction(truth: Sequence[dict[str, Any]], said: Sequence[dict[str, Any]], overlaps: np.ndarray) -> float:
    """1 - F1 of things: those found and those there are paired where label and place agree; 0 where nothing is both.

    The surest answers choose first, each the free thing of its label that it overlaps most, by at least one half
    (intersection over union). An ignored thing is no miss, and who overlaps one is no false alarm.

    Args:
        truth: T things.
        said: S things, with a score or without.
        overlaps: `(T, S)` intersection over union.
    """
    there = [not thing.get("ignore") for thing in truth]
    free = [True] * len(truth)
    pairs = alarms = 0
    for place in sorted(range(len(said)), key=lambda i: -float(said[i].get("score") or 0)):
        fits = [
            number
            for number, thing in enumerate(truth)
            if overlaps[number, place] >= _OVERLAP and label_of(thing) == label_of(said[place])
        ]
        chosen = max((n for n in fits if there[n] and free[n]), key=lambda n: overlaps[n, place], default=None)
        if chosen is not None:
            free[chosen] = False
            pairs += 1
        elif all(there[number] for number in fits):
            alarms += 1
    misses = sum(there) - pairs
    return 0.0 if not misses and not alarms else 1 - 2 * pairs / (2 * pairs + misses + alarms)


def box_overlaps(boxes: npt.ArrayLike, others: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Intersection over union of boxes `(T, 4)` and `(S, 4)`: `(T, S)`."""
    one, other = np.reshape(boxes, (-1, 1, 4)).astype(float), np.reshape(others, (1, -1, 4)).astype(float)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    both = sides.clip(0).prod(axis=2)
    areas = [(each[..., 2:] - each[..., :2]).prod(axis=2) for each in (one, other)]
    return both / np.maximum(areas[0] + areas[1] - both, 1e-12)


def mask_overlaps(masks: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> npt.NDArray[np.float64]:
    """Intersection over union of T and S masks `(h, w)` bool: `(T, S)`."""
    if not masks or not others:
        return np.zeros((len(masks), len(others)))
    one, other = (np.stack(each).reshape(len(each), -1).astype(np.float32) for each in (masks, others))
    both = one @ other.T
    return both / np.maximum(one.sum(axis=1)[:, None] + other.sum(axis=1) - both, 1e-12)
