"""The difference of two learning curves from runs paired by seed: where its sign is known, and where it changes.

The difference is relative to the mean error of both, so that one prior serves errors of any size and unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.study.run_grid import RunGrid
from longspan.study.statistics.curve_posterior import CurvePosterior, Noise, curve_posterior, seed_noise
from longspan.study.statistics.held_out_rows import HeldOutRows, difference_covariance
from longspan.study.statistics.learned_priors import DIFFERENCE_CURVE, DIFFERENCE_VARIANCE
from longspan.study.statistics.moderated_variance import ModeratedVariance, moderate

__all__ = ["PairedDifference", "SignChange", "pair_scale", "pair_variances", "paired_difference", "rows_covariance"]

_PLACES = 301
_OPEN_NEEDS = 0.8
"""A crossing beside only one settled end is named where the other end has changed sides with this probability."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SignChange:
    """One crossing: the curves change sides somewhere from `low` to `high`."""

    size: float
    """Where both sides are equally probable."""
    low: float | None
    """None where the interval extends below the sizes tried."""
    high: float | None
    """None where it extends above them."""
    probability: float
    """That the curves cross there at all."""
    first_below: bool
    """Whether the first strategy has the lower error at smaller sizes."""


@final
@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """First error less second, relative to their mean, at G places evenly spaced over log size."""

    x: np.ndarray
    """`(G,)` training rows."""
    below: np.ndarray
    """`(G,)`: the probability that the first strategy has the lower error."""
    posterior: CurvePosterior
    scale: np.ndarray
    """`(G,)`: the mean error of both, to which the posterior is relative."""
    measured_at: np.ndarray
    """`(K,)`: the sizes with pairs."""
    measured: np.ndarray
    """`(K,)`: the mean difference at each of them."""
    run_variance: np.ndarray
    """`(K,)`: the variance of one pair's difference, relative to the squared scale."""
    runs: int
    """Pairs at the size that has fewest."""

    def sign_changes(self, level: float) -> list[SignChange]:
        """Every crossing that is settled on both sides, or on one and probable on the other; ascending.

        The interval of a crossing holds the places between two that are settled in favour of different strategies. So
        it holds the true crossing wherever the test at that place is right, which a test at `level` is.

        Source: Fieller 1954: an interval as the set of all values that a test does not refuse.
        """
        tail = (1 - level) / 2
        sure = np.where(self.below >= 1 - tail, 1, np.where(self.below <= tail, -1, 0))
        (settled,) = np.nonzero(sure)
        if not len(settled):
            return []
        found: list[SignChange] = []
        start, end = int(settled[0]), int(settled[-1])
        if start > 0 and (beyond := self._probability(0, -int(sure[start]))) >= _OPEN_NEEDS:
            found.append(self._change(0, start, beyond, first_below=bool(sure[start] < 0), open_low=True))
        for left, right in zip(settled[:-1].tolist(), settled[1:].tolist(), strict=True):
            if sure[left] != sure[right]:
                lower = self._strongest(slice(0, left + 1), int(sure[left]), sure, left, -1)
                upper = self._strongest(slice(right, None), int(sure[right]), sure, right, 1)
                found.append(self._change(left, right, max(0.0, lower + upper - 1), first_below=bool(sure[left] > 0)))
        last = len(self.x) - 1
        if end < last and (beyond := self._probability(last, -int(sure[end]))) >= _OPEN_NEEDS:
            found.append(self._change(end, last, beyond, first_below=sure[end] > 0, open_high=True))
        return found

    def doubt(self, level: float) -> tuple[float | None, float | None] | None:
        """From the first to the last place at which the sign is not settled; None for an end beyond those tried."""
        tail = (1 - level) / 2
        (open_places,) = np.nonzero((self.below < 1 - tail) & (self.below > tail))
        if not len(open_places):
            return None
        low, high = int(open_places[0]), int(open_places[-1])
        return None if low == 0 else float(self.x[low]), None if high == len(self.x) - 1 else float(self.x[high])

    def mean_crosses(self) -> bool:
        """Whether each strategy has the lower mean error at one of the sizes tried."""
        return bool((self.measured > 0).any() and (self.measured < 0).any())

    def least_sure(self, first_below: bool | None = None) -> float:
        """The probability of a side, of the more probable one overall if None, at the place where it is least."""
        side = self.below.mean() >= 0.5 if first_below is None else first_below
        return float(self.below.min() if side else (1 - self.below).min())

    def crosses_in(self, low: float | None, high: float | None, *, first_below: bool) -> float:
        """At least this probable: one strategy is better somewhere up to `low`, the other from `high` on.

        Args:
            low: training rows; None for the smallest size.
            high: None for the largest size.
            first_below: whether the first strategy is the one with the lower error at smaller sizes.
        """
        side = self.below if first_below else 1 - self.below
        up_to = self.x <= (self.x[0] if low is None else low * (1 + 1e-9))
        onwards = self.x >= (self.x[-1] if high is None else high * (1 - 1e-9))
        return max(0.0, float(side[up_to].max()) + float((1 - side)[onwards].max()) - 1)

    def better_by(self, size: float, worth: float) -> tuple[float, float, float]:
        """P(first better by more than `worth`), P(no difference that matters), P(second better by more).

        Args:
            size: training rows within the sizes tried.
            worth: a difference of the errors, in their unit, from 0 on.
        """
        place = int(np.argmin(np.abs(np.log(self.x / size))))
        margin = worth / self.scale[place]
        first = float(self.posterior.below(-margin)[place])
        second = 1.0 - float(self.posterior.below(margin)[place])
        return first, max(0.0, 1.0 - first - second), second

    def _probability(self, place: int, side: int) -> float:
        return float(self.below[place] if side > 0 else 1 - self.below[place])

    def _strongest(self, places: slice, side: int, sure: np.ndarray, at: int, step: int) -> float:
        """How sure a side is at its clearest place, walking from `at` until the other side is settled."""
        values = self.below if side > 0 else 1 - self.below
        indices = np.arange(len(values))[places]
        for place in indices[::-1] if step < 0 else indices:
            if sure[place] == -side:
                indices = indices[indices > place] if step < 0 else indices[indices < place]
                break
        return float(values[indices].max())

    def _change(
        self, left: int, right: int, probability: float, *, first_below: bool, open_low: bool = False,
        open_high: bool = False,
    ) -> SignChange:  # fmt: skip
        beside = self.below[left : right + 1] - 0.5
        (flips,) = np.nonzero(np.diff(np.sign(beside)) != 0)
        logs = np.log(self.x[left : right + 1])
        if len(flips):
            flip = int(flips[len(flips) // 2])
            fraction = beside[flip] / (beside[flip] - beside[flip + 1])
            middle = float(np.exp(logs[flip] + fraction * (logs[flip + 1] - logs[flip])))
        else:
            middle = float(np.exp((logs[0] + logs[-1]) / 2))
        return SignChange(
            size=middle, low=None if open_low else float(self.x[left]),
            high=None if open_high else float(self.x[right]),
            probability=probability, first_below=bool(first_below),
        )  # fmt: skip


def paired_difference(
    sizes: np.ndarray, first: np.ndarray, second: np.ndarray, *, places: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> PairedDifference | None:  # fmt: skip
    """The difference of two strategies over the sizes at which both have runs of the same seed.

    None where fewer than two sizes have a pair, or no size has two: then the spread over seeds cannot be estimated.

    Args:
        sizes: `(K,)` training rows, ascending.
        first: `(K, R)` errors, NaN where there is no run.
        second: `(K, R)`; column r of both is the same seed.
        places: `(G,)` sizes to look at; evenly spaced over the logarithm of those tried if None.
        rows: `(K, K)` of `rows_covariance`: then the difference is that on other rows like these; on these if None.
    """
    apart = first - second
    pairs = np.isfinite(apart).sum(axis=1)
    used = pairs > 0
    if used.sum() < 2 or pairs.max() < 2:
        return None
    sizes, apart, pairs = sizes[used].astype(np.float64), apart[used], pairs[used]
    scale = pair_scale(first[used], second[used])
    x, mean = np.log(sizes), np.nanmean(apart, axis=1)
    away = np.where(np.isfinite(apart), apart - mean[:, None], 0.0)
    known = pair_variances(sizes, apart, scale)
    complete = bool(np.isfinite(apart).all())
    noise = seed_noise(
        x, np.sqrt(known.values / pairs) / scale, float(np.median(known.df)),
        away / np.sqrt(known.values)[:, None] if complete else None, DIFFERENCE_CURVE,
    )  # fmt: skip
    if rows is not None:
        of_rows = rows[np.ix_(used, used)] / np.outer(scale, scale)
        noise = Noise(covariances=noise.covariances + of_rows, logs=noise.logs)
    at = np.linspace(x[0], x[-1], _PLACES) if places is None else np.log(places)
    posterior = curve_posterior(x, mean / scale, noise, at, DIFFERENCE_CURVE)
    return PairedDifference(
        x=np.exp(at), below=posterior.below(), posterior=posterior, scale=np.exp(np.interp(at, x, np.log(scale))),
        measured_at=sizes, measured=mean, run_variance=known.values / scale**2, runs=int(pairs.min()),
    )  # fmt: skip


def rows_covariance(cells: RunGrid, first: str, second: str, held_out: HeldOutRows | None) -> np.ndarray | None:
    """`(K, K)`: how the mean differences would vary over other held-out rows; NaN at sizes without a pair.

    None where the errors of rows of a pair are not known.

    Args:
        cells: the runs.
        first: a strategy.
        second: another.
        held_out: the rows that were measured on.
    """
    if held_out is None:
        return None
    paired = np.isfinite(cells.of(first) - cells.of(second))
    (used,) = np.nonzero(paired.any(axis=1))
    known: list[np.ndarray] = []
    for place in used:
        seeds = [seed for seed, has in zip(cells.seeds, paired[place], strict=True) if has]
        apart = held_out.differences(first, second, int(cells.sizes[place]), seeds)
        if apart is None:
            return None
        known.append(apart)
    covariance = difference_covariance(known, proportion=held_out.proportion) if known else None
    if covariance is None:
        return None
    found = np.full((len(cells.sizes),) * 2, np.nan)
    found[np.ix_(used, used)] = covariance
    return found


def pair_scale(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`(K,)`: the mean error of both strategies over the pairs at each size; never 0.

    Args:
        first: `(K, R)` errors, NaN where there is no run; a pair at every size.
        second: `(K, R)`.
    """
    both = np.where(np.isfinite(first - second), first + second, np.nan)
    level = np.nanmean(both, axis=1) / 2
    return np.maximum(level, max(1e-9, 1e-3 * float(level.max())))


def pair_variances(sizes: np.ndarray, apart: np.ndarray, scale: np.ndarray) -> ModeratedVariance:
    """The variance of one pair's difference at each size, moderated by the other sizes.

    Args:
        sizes: `(K,)`.
        apart: `(K, R)` differences, NaN where there is no pair.
        scale: `(K,)`, of `pair_scale`.
    """
    pairs = np.isfinite(apart).sum(axis=1)
    away = np.where(np.isfinite(apart), apart - np.nanmean(apart, axis=1)[:, None], 0.0)
    sample = (away**2).sum(axis=1) / np.maximum(pairs - 1, 1)
    groups = np.zeros(len(sizes), dtype=np.int64)
    return moderate(sample, (pairs - 1).astype(np.float64), scale, sizes, groups, DIFFERENCE_VARIANCE)
