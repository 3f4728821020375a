"""Curves made small and readable: fewer points, less noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["smooth", "thin"]


def thin(
    x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, most: int = 600
) -> tuple[np.ndarray, np.ndarray]:
    """The curve with at most `most` points: neighbours are averaged into equal bins, so that the file stays small.

    Values that are not finite are left out.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    finite = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[finite], ys[finite]
    if len(xs) <= most:
        return xs, ys
    edges = np.linspace(0, len(xs), most + 1).astype(int)
    counts = np.diff(edges)
    return np.add.reduceat(xs, edges[:-1]) / counts, np.add.reduceat(ys, edges[:-1]) / counts


def smooth(values: Sequence[float] | np.ndarray, memory: float) -> np.ndarray:
    """Exponential mean of about `memory` neighbours on either side: smooth, and not late like a running mean."""
    ys = np.asarray(values, dtype=np.float64)
    keep = 1 - 1 / max(1.0, memory)

    def swept(run: np.ndarray) -> np.ndarray:
        total, weight, means = 0.0, 0.0, []
        for value in run.tolist():
            if np.isfinite(value):
                total, weight = keep * total + value, keep * weight + 1
            means.append(total / weight if weight else value)
        return np.array(means)

    return (swept(ys) + swept(ys[::-1])[::-1]) / 2
