"""The bootstrap over seeds: which seeds are drawn, how often, and what the spread of the draws shows."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.errors import ConfigError

__all__ = ["Resamples", "resampled_means", "resamples", "standard_errors"]


@final
@dataclass(frozen=True, kw_only=True)
class Resamples:
    """B ways to draw R seeds from R seeds with replacement, each with all its runs."""

    counts: np.ndarray
    """`(B, R)`: how often each seed is drawn; each row sums to R."""
    fractions: np.ndarray
    """`(B,)`: how likely each way is; sums to 1."""


def resamples(seeds: int, *, draws: int = 500, seed: int = 0) -> Resamples:
    """Every way to draw, where there are at most `draws` (up to six seeds at 500), else `draws` random ones.

    Args:
        seeds: R.
        draws: the most ways to look at.
        seed: of the random draws; with few seeds there is nothing random.
    """
    if seeds < 1 or draws < 2:
        raise ConfigError(f"A bootstrap needs a seed and two draws, got {seeds} seeds and {draws} draws.")
    if math.comb(2 * seeds - 1, seeds) <= draws:
        ways = itertools.combinations_with_replacement(range(seeds), seeds)
        counts = np.array([np.bincount(way, minlength=seeds) for way in ways])
        orders = [math.factorial(seeds) / math.prod(math.factorial(each) for each in row) for row in counts.tolist()]
        return Resamples(counts=counts, fractions=np.array(orders) / float(seeds) ** seeds)
    counts = np.random.default_rng(seed).multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    return Resamples(counts=counts, fractions=np.full(draws, 1 / draws))


def resampled_means(errors: np.ndarray, drawn: Resamples) -> np.ndarray:
    """Mean errors of each resample, `(B, K)`, from the runs `(K, R)`; NaN runs are left out.

    A cell none of whose runs were drawn keeps the mean of all its runs.
    """
    known = np.isfinite(errors)
    sums = drawn.counts @ np.where(known, errors, 0.0).T
    runs = drawn.counts @ known.T
    whole = np.nanmean(errors, axis=1)
    return np.where(runs > 0, sums / np.maximum(runs, 1), whole)


def standard_errors(values: np.ndarray, drawn: Resamples, *, runs: int) -> np.ndarray:
    """The standard error of each of G values, from B resamples of it: `(G,)`.

    Intervals are figure +- t with `runs` - 1 degrees of freedom times this. The percentiles of so few seeds are much
    too narrow: at a nominal 90 % they hold 72 % at three to five seeds (`benchmarks/study_coverage.py`). Two steps
    correct that: t, and the factor sqrt(R / (R - 1)), because a resample of R seeds varies less than R new seeds.

    Source: Efron and Tibshirani 1993, chapters 6 and 12; Hesterberg 2015, "What teachers should know about the
    bootstrap", section 4 (narrowness, and expanded percentiles). Differs: the standard error is expanded, not the
    percentiles, which at three seeds would be the three seeds themselves.

    Args:
        values: `(B, G)`.
        drawn: the resamples that the values come from.
        runs: R, the runs behind the least certain cell; at least 2.
    """
    mean = drawn.fractions @ values
    return np.sqrt(drawn.fractions @ (values - mean) ** 2 * runs / (runs - 1))
