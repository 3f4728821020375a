"""The difference of two learning curves: where its sign changes, and where the sign is clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.study.statistics.curve_fit import CurveFit
from longspan.study.statistics.resample import standard_errors
from longspan.study.statistics.t_distribution import t_cdf, t_quantile

__all__ = ["CurveDifference", "Span", "curve_difference"]

Span = tuple[float | None, float | None]
"""An interval; None for an end that lies beyond the sizes tried."""

_PLACES = 401
_TINY = 1e-300


@final
@dataclass(frozen=True, kw_only=True)
class CurveDifference:
    """First curve minus second at G places, evenly spaced over log x. Below 0 the first has the lower error."""

    x: np.ndarray
    """`(G,)`: sizes or costs that both curves were measured at or between."""
    values: np.ndarray
    """`(G,)`; exactly 0 where nothing but rounding parts the curves."""
    errors: np.ndarray | None
    """`(G,)`: the standard error of each difference; None with a single seed."""
    runs: int
    """The runs behind the least certain point of both curves."""
    level: float

    def crossings(self) -> list[tuple[int, int]]:
        """The places left and right of each change of sign."""
        (parted,) = np.nonzero(self.values)
        flips = np.flatnonzero(np.diff(np.sign(self.values[parted])))
        return [(int(parted[flip]), int(parted[flip + 1])) for flip in flips]

    def clearest(self) -> tuple[int, int] | None:
        """The crossing with the clearest difference on both of its sides; None if there is none."""
        clear = self.values / (1.0 if self.errors is None else np.maximum(self.errors, _TINY))

        def evidence(crossing: tuple[int, int]) -> float:
            left, right = crossing
            sign = np.sign(self.values[left])
            return min(float((sign * clear[: left + 1]).max()), float((-sign * clear[right:]).max()))

        return max(self.crossings(), key=evidence, default=None)

    def place_of(self, crossing: tuple[int, int]) -> float:
        """The x at which the curves cross; the middle of the stretch where they are one and the same, if they are."""
        left, right = crossing
        fraction = abs(self.values[left]) / (abs(self.values[left]) + abs(self.values[right]))
        return float(self.x[left] * (self.x[right] / self.x[left]) ** (fraction if right == left + 1 else 0.5))

    def span_around(self, crossing: tuple[int, int]) -> Span:
        """From the first to the last place at which the sign is unclear; needs more than one seed.

        Places beyond another crossing are that one's, if the sign is clear somewhere between the two. All places
        count, not only those next to the crossing: curves that part for a while and meet again settle nothing.
        """
        unsure = self._excess() <= 0
        start, end = 0, len(unsure) - 1
        for left, right in self.crossings():
            between = slice(right, crossing[0] + 1) if right <= crossing[0] else slice(crossing[1], left + 1)
            (sure,) = np.nonzero(~unsure[between])
            if len(sure) and right <= crossing[0]:
                start = max(start, right + int(sure[0]))
            elif len(sure) and left >= crossing[1]:
                end = min(end, crossing[1] + int(sure[-1]))
        (doubtful,) = np.nonzero(unsure[start : end + 1])
        low, high = (
            (int(doubtful[0]), int(doubtful[-1])) if len(doubtful) else (crossing[0] - start, crossing[1] - start)
        )
        return self._ends(min(crossing[0], start + low), max(crossing[1], start + high))

    def span_of_doubt(self) -> Span | None:
        """From the first to the last place at which the sign is unclear; None if it is clear everywhere."""
        (unsure,) = np.nonzero(self._excess() <= 0)
        return self._ends(int(unsure[0]), int(unsure[-1])) if len(unsure) else None

    def settles(self, span: Span) -> bool:
        """Whether a span that is open at one end, or at none, locates a crossing; needs more than one seed.

        With one end open, all rests on the other end of the sizes tried: which curve is lower there must be certain at
        half the error rate, because chance can strike at two ends. So of two strategies that are the same, one seems
        to overtake the other in no more cases than the level allows.
        """
        if self.errors is None or span == (None, None):
            return False
        if None not in span:
            return True
        end = -1 if span[0] is None else 0
        sure = t_quantile(1 - (1 - self.level) / 4, self.runs - 1)
        return bool(np.abs(self.values[end]) > sure * self.errors[end])

    def least_sure(self) -> float | None:
        """The probability that the curve that is lower at the first place is so at the place where that is least sure.

        The posterior of `longspan.study.statistics.compare`; None with a single seed.
        """
        if self.errors is None:
            return None
        sign = -1.0 if self.values.sum() < 0 else 1.0
        return t_cdf(float((sign * self.values / np.maximum(self.errors, _TINY)).min()), self.runs - 1)

    def _excess(self) -> np.ndarray:
        """`(G,)`: how far the interval of each difference stays away from 0; above 0 where the sign is clear."""
        if self.errors is None:
            return np.full_like(self.values, -np.inf)
        return np.abs(self.values) - t_quantile((1 + self.level) / 2, self.runs - 1) * self.errors

    def _ends(self, low: int, high: int) -> Span:
        """The x at both ends of a stretch of places, each moved outwards to where the doubt ends."""
        return self._end(low, -1), self._end(high, 1)

    def _end(self, place: int, step: int) -> float | None:
        excess = self._excess()
        outside = place + step
        if not 0 <= outside < len(self.x):
            return None if excess[place] <= 0 else float(self.x[place])
        if excess[place] > 0 or excess[outside] <= 0:
            return float(self.x[place])
        fraction = -excess[place] / (excess[outside] - excess[place])
        return float(self.x[place] * (self.x[outside] / self.x[place]) ** fraction)


def curve_difference(
    first: CurveFit, second: CurveFit, *, level: float, scales: tuple[float, float] = (1.0, 1.0)
) -> CurveDifference | None:
    """The difference of two curves over the range that both were measured in; None if there is no such range.

    Args:
        first: fitted with the same resamples as `second`.
        second: the curve that is taken away.
        level: of the intervals.
        scales: what a training row of each counts on the common axis: 1 for sizes, its cost for costs.
    """
    start = max(first.sizes[0] * scales[0], second.sizes[0] * scales[1])
    end = min(first.sizes[-1] * scales[0], second.sizes[-1] * scales[1])
    if start >= end:
        return None
    x = np.geomspace(start, end, _PLACES)
    curves = [
        fit.measured_at(np.clip(x / scale, fit.sizes[0], fit.sizes[-1]))
        for fit, scale in zip((first, second), scales, strict=True)
    ]
    (one, one_BG), (other, other_BG) = curves
    values = np.where(np.abs(one - other) <= 1e-9 * (one + other), 0.0, one - other)
    runs = min(first.runs, second.runs)
    errors = standard_errors(one_BG - other_BG, first.drawn, runs=runs) if runs > 1 else None
    return CurveDifference(x=x, values=values, errors=errors, runs=runs, level=level)
