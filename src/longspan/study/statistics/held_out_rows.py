"""What another set of held-out rows would change: the second source of uncertainty beside other trainings.

R seeds, N rows. With the error of every row of every run, the mean over both varies for two reasons: each training is
another one, and each row is. The variances below are those that resampling seeds and rows would give, in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import final

import numpy as np

__all__ = [
    "HeldOutRows",
    "difference_covariance",
    "difference_variance",
    "interval_for_rows_like_these",
    "proportion_interval",
    "row_variance",
    "with_test_rows",
]

_LEAST_SEEDS_APART = 2


@final
@dataclass(frozen=True, kw_only=True)
class HeldOutRows:
    """The rows that every run of a study was measured on, and how wrong each run was on each of them."""

    count: int
    """N."""
    proportion: bool
    """Whether the error is the proportion of rows that are wrong."""
    runs: Mapping[tuple[str, int, int], np.ndarray]
    """By strategy, size and seed: `(N,)`, NaN for a row without a target. Empty where errors of rows are not known."""

    def of(self, strategy: str, size: int, seeds: Sequence[int]) -> np.ndarray | None:
        """`(R, M)` of the M rows that have a target; None where a run's errors of rows are not known."""
        found = [self.runs.get((strategy, size, seed)) for seed in seeds]
        known = [each for each in found if each is not None]
        if not known or len(known) < len(found):
            return None
        errors = np.stack(known)
        return errors[:, np.isfinite(errors).all(axis=0)]

    def differences(self, first: str, second: str, size: int, seeds: Sequence[int]) -> np.ndarray | None:
        """`(R, N)`: errors of `first` less those of `second`, paired by seed and row; None where some are not known."""
        ours, theirs = ([self.runs.get((name, size, seed)) for seed in seeds] for name in (first, second))
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
        return np.stack([a - b for a, b in pairs]) if len(pairs) == len(seeds) and pairs else None


def row_variance(errors: np.ndarray) -> float:
    """The variance of rows, without what trainings add to it: of the mean over N other rows it is this over N.

    Source: the two-way layout of analysis of variance with one value per cell (Searle, Casella and McCulloch 1992,
    section 4.7): the mean over seeds of a row varies by the row's own variance and by the interaction over R.

    Args:
        errors: `(R, N)`.
    """
    of_rows = errors.mean(axis=0)
    return max(0.0, float(of_rows.var(ddof=1)) - _interaction(errors) / len(errors))


def difference_variance(differences: np.ndarray, *, proportion: bool) -> float:
    """The variance of the mean difference of two strategies over N other rows.

    Of right and wrong, half a row is added to each of the four combinations, so that two strategies with the same
    mistakes are not taken as equal on all rows. Source: Agresti and Min 2005, "Simple improved confidence intervals for
    comparing matched proportions".

    Args:
        differences: `(R, N)`, paired by seed and row.
        proportion: whether each error is 0 or 1.
    """
    of_rows, rows = differences.mean(axis=0), differences.shape[1]
    interaction = _interaction(differences) / len(differences)
    if not proportion:
        return max(0.0, float(of_rows.var(ddof=1)) - interaction) / rows
    squares = float((of_rows**2).sum()) - rows * interaction
    mean = float(of_rows.sum()) / (rows + 2)
    return max((max(squares, 0.0) + 1) / (rows + 2) - mean**2, 1 / (rows + 2)) / (rows + 2)


def difference_covariance(by_size: Sequence[np.ndarray], *, proportion: bool) -> np.ndarray | None:
    """`(K, K)`: how the mean differences of two strategies at K sizes vary together over N other rows.

    The same rows are measured at every size, so a row that is hard for one strategy counts at all of them.

    Args:
        by_size: K arrays `(R, N)`, paired by seed and row, NaN for a row without a target.
        proportion: whether each error is 0 or 1.
    """
    known = np.isfinite(np.concatenate(by_size)).all(axis=0)
    if known.sum() < 2:
        return None
    kept = [each[:, known] for each in by_size]
    of_rows = np.stack([each.mean(axis=0) for each in kept])
    covariance = np.atleast_2d(np.cov(of_rows)) / of_rows.shape[1]
    np.fill_diagonal(covariance, [difference_variance(each, proportion=proportion) for each in kept])
    # The variances are without what trainings add, so together with the covariances they may describe nothing.
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def interval_for_rows_like_these(
    mean: float, low: float | None, high: float | None, held_out: HeldOutRows, errors: np.ndarray | None, *,
    level: float,
) -> tuple[float, float] | None:  # fmt: skip
    """The interval of a mean error for other trainings and other rows; None where errors of rows say nothing.

    Args:
        mean: over seeds and rows.
        low: end of the interval over seeds on these rows; None with a single seed, which counts as no distance.
        high: likewise.
        held_out: the rows.
        errors: `(R, N)` of the runs behind the mean; None where they are not known.
        level: of the interval over seeds and of the result.
    """
    if held_out.proportion:
        rows = float(held_out.count)
        if errors is not None and errors.shape[1] > 1:
            rows = float(errors.shape[1])
            own = row_variance(errors)
            if 0 < mean < 1 and len(errors) >= _LEAST_SEEDS_APART:
                # Where other trainings make other mistakes, rows matter less: as if there were more of them.
                rows = min(rows * len(errors), max(rows, rows * mean * (1 - mean) / max(own, 1e-12)))
        return with_test_rows(mean, low, high, rows=rows, level=level)
    if errors is None or errors.shape[1] < 2:
        return None
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(row_variance(errors) / errors.shape[1])
    below = math.hypot(half, 0.0 if low is None else mean - low)
    above = math.hypot(half, 0.0 if high is None else high - mean)
    return max(0.0, mean - below), mean + above


def _interaction(errors: np.ndarray) -> float:
    """The variance that neither seeds nor rows explain; 0 with one seed, where it cannot be seen."""
    seeds, rows = errors.shape
    if seeds < _LEAST_SEEDS_APART:
        return 0.0
    rest = errors - errors.mean(axis=0) - errors.mean(axis=1, keepdims=True) + errors.mean()
    return float((rest**2).sum()) / ((seeds - 1) * (rows - 1))


def proportion_interval(proportion: float, rows: float, level: float) -> tuple[float, float]:
    """Wilson's interval of a proportion of `rows` rows.

    It has a width at 0 and at 1 too. Source: Wilson 1927; Brown, Cai and DasGupta 2001.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (proportion + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * math.sqrt(proportion * (1 - proportion) / rows + (z / (2 * rows)) ** 2) / (1 + z * z / rows)
    return max(0.0, min(proportion, middle - half)), min(1.0, max(proportion, middle + half))


def with_test_rows(
    mean: float, low: float | None, high: float | None, *, rows: float, level: float
) -> tuple[float, float]:
    """The interval of a mean proportion of wrong predictions for other trainings and other rows like these.

    The distances of both intervals from the mean are added in quadrature, for the two sources are independent.

    Args:
        mean: over seeds, measured on the same rows.
        low: end of the interval over seeds; None with a single seed, which counts as no distance.
        high: likewise.
        rows: that the error was measured on.
        level: of the interval over seeds and of the result.
    """
    least, most = proportion_interval(mean, rows, level)
    below = math.hypot(mean - least, 0.0 if low is None else mean - low)
    above = math.hypot(most - mean, 0.0 if high is None else high - mean)
    return max(0.0, mean - below), min(1.0, mean + above)
