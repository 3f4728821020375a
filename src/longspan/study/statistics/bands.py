"""Intervals of mean errors at every size, from all runs of a study instead of the few of one cell."""

from __future__ import annotations

import math

import numpy as np

from longspan.study.statistics.curve_posterior import curve_posterior, seed_noise
from longspan.study.statistics.learned_priors import ERROR_CURVE, ERROR_VARIANCE, FRACTION_VARIANCE
from longspan.study.statistics.moderated_variance import moderate

__all__ = ["mean_bands"]

_LONGER_TAILS = 1.04
"""Errors of real trainings have longer tails than normal ones, so intervals are made longer by this factor."""


def mean_bands(
    sizes: np.ndarray, errors: np.ndarray, level: float, *, largest: float = math.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of the interval of each mean over seeds, both `(S, K)`; NaN where a cell has under two runs.

    Two steps make them narrower than the t-interval of a cell: its variance is moderated by those of the other sizes
    and strategies, and its mean by those of neighbouring sizes, for curves are smooth. They hold for other trainings
    on these held-out rows, not for other rows.

    Args:
        sizes: `(K,)` training rows, ascending.
        errors: `(S, K, R)`, NaN where there is no run.
        level: of the intervals.
        largest: error there can be, such as 1 for a fraction: then the size of an error predicts how much it varies.
    """
    low, high = np.full(errors.shape[:2], np.nan), np.full(errors.shape[:2], np.nan)
    runs = np.isfinite(errors).sum(axis=2)
    if runs.max(initial=0) < 2 or not np.nanmax(errors) > 0:
        low[runs >= 2] = high[runs >= 2] = 0.0
        return low, high
    strategy, place = np.nonzero(runs > 0)
    kept, counts = errors[strategy, place], runs[strategy, place]
    mean = np.nanmean(kept, axis=1)
    away = np.where(np.isfinite(kept), kept - mean[:, None], 0.0)
    scale = np.maximum(mean, max(1e-9, 1e-3 * float(mean.max())))
    wrong = scale / largest if math.isfinite(largest) else None
    known = moderate(
        (away**2).sum(axis=1) / np.maximum(counts - 1, 1), (counts - 1).astype(np.float64), scale,
        sizes[place].astype(np.float64), strategy,
        ERROR_VARIANCE if wrong is None else FRACTION_VARIANCE, wrong,
    )  # fmt: skip
    tail = (1 - level) / 2
    for each in np.unique(strategy):
        own = strategy == each
        x = np.log(sizes[place[own]].astype(np.float64))
        complete = bool(np.isfinite(kept[own]).all())
        noise = seed_noise(
            x, _LONGER_TAILS * np.sqrt(known.values[own] / counts[own]) / scale[own], float(np.median(known.df[own])),
            away[own] / np.sqrt(known.values[own])[:, None] if complete else None, ERROR_CURVE,
        )  # fmt: skip
        logs = np.log(scale[own])
        curve = curve_posterior(x, logs - logs.mean(), noise, x, ERROR_CURVE)
        ends = [np.exp(curve.quantile(quantile) + logs.mean()) for quantile in (tail, 1 - tail)]
        enough = np.where(counts[own] >= 2, 1.0, np.nan)
        low[each, place[own]] = np.minimum(ends[0], mean[own]) * enough
        high[each, place[own]] = np.maximum(ends[1], mean[own]) * enough
    return low, high
