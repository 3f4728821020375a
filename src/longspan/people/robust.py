"""One vector for a person from several photos, of which some may be bad or of somebody else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["normalised", "outliers", "robust_mean"]

_ROUNDS = 1000
_CLOSE = 1e-9


def normalised(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Rows with length 1, `(N, D)` float32.

    Raises:
        ValueError: not a table of finite numbers, or a row of zeros, which has no direction.
    """
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"vectors are (N, D), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("vectors hold numbers that are not finite")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if (lengths < 1e-12).any():
        raise ValueError("a vector of zeros has no direction")
    return (rows / lengths).astype(np.float32)


def robust_mean(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The geometric median of unit vectors, with length 1: `(D,)` float32.

    It has the smallest sum of distances, so that fewer than half of the vectors cannot carry it away, wherever they
    lie; with two vectors it is their mean.

    Source: Weiszfeld 1937; the step at a vector itself after Vardi and Zhang 2000, "The multivariate L1-median and
    associated data depth", equation 2.6.

    Args:
        vectors: `(N, D)`, N at least 1.
    """
    rows = normalised(vectors).astype(np.float64)
    centre = rows.mean(axis=0)
    for _ in range(_ROUNDS if len(rows) > 2 else 0):
        apart = np.linalg.norm(rows - centre, axis=1)
        away = apart > _CLOSE
        if not away.any():
            break
        weights = 1 / apart[away]
        pull = weights @ rows[away] / weights.sum()
        held = (~away).sum()  # vectors that the centre lies on
        force = np.linalg.norm(weights @ (rows[away] - centre))
        part = 0.0 if force < _CLOSE else max(0.0, 1 - held / force)
        moved = (1 - part) * centre + part * pull if held else pull
        if np.linalg.norm(moved - centre) < _CLOSE:
            break
        centre = moved
    length = np.linalg.norm(centre)
    return (rows[0] if length < 1e-12 else centre / length).astype(np.float32)


def outliers(vectors: npt.ArrayLike, least: float) -> npt.NDArray[np.bool_]:
    """Which vectors are less similar than `least` to the robust mean of the others, `(N,)` bool."""
    rows = normalised(vectors)
    if len(rows) == 1:
        return np.zeros(1, bool)
    return np.array([row @ robust_mean(np.delete(rows, i, axis=0)) < least for i, row in enumerate(rows)])
