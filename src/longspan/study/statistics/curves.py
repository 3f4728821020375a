"""Learning curves of a study: mean errors with intervals, the power law behind them, and the data an error takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from longspan.errors import ConfigError, StudyError
from longspan.study.formatting import check_level, three_digits
from longspan.study.run_grid import RunGrid, cells_of
from longspan.study.statistics.bands import mean_bands
from longspan.study.statistics.curve_fit import CurveFit, fit_curve
from longspan.study.statistics.held_out_rows import HeldOutRows, interval_for_rows_like_these
from longspan.study.statistics.learning import not_learned
from longspan.study.statistics.power_law import PowerLaw
from longspan.study.statistics.resample import resamples
from longspan.study.statistics.sample_size import FARTHEST, NotReached, SizeFor

__all__ = ["Curve", "Estimate", "Point", "curves"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """The mean error at one size."""

    size: int
    mean: float
    low: float | None
    """Lower end of the interval of the mean over seeds; None where a single run has a result."""
    high: float | None
    runs: int
    """Runs with a result."""
    rows_low: float | None = None
    """Lower end of the interval for other rows like these as well; None where errors of rows are not known."""
    rows_high: float | None = None
    learned: bool = True
    """Whether it is better than guessing, as far as is known; see `longspan.study.guessing`."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure from the fitted law."""

    value: float
    low: float | None
    """None with a single seed, which gives no uncertainty."""
    high: float | None
    extrapolated: bool
    """Whether it lies beyond the sizes tried."""


@final
@dataclass(frozen=True, kw_only=True)
class Curve:
    """The learning curve of one strategy."""

    strategy: str
    target: str
    level: float
    seeds: int
    points: tuple[Point, ...]
    """One for each size with a result, ascending."""
    fit: CurveFit | None = field(repr=False, compare=False)
    """The law and its resamples; None where there is none."""
    no_law: str
    """Why there is no law; empty if there is one."""

    @property
    def learned(self) -> bool:
        """Whether it is better than guessing at one of the sizes at least."""
        return any(point.learned for point in self.points)

    @property
    def law(self) -> PowerLaw | None:
        """The power law through the means; None with fewer than two sizes (`no_law` has the reason)."""
        return self.fit.law if self.fit else None

    @property
    def fits(self) -> bool:
        """Whether the law describes what was measured: no mean lies 10 % and more than its own interval beside it."""
        if self.fit is None:
            return False
        for point in self.points:
            away = abs(point.mean - self.fit.law.error_at(point.size))
            sure = point.high - point.mean if point.high is not None else 0.0
            if point.size not in self.fit.left_out and away > max(sure, 0.1 * point.mean):
                return False
        return True

    @property
    def flat(self) -> bool:
        """Whether the law does not fall at all: the error was no lower with more data."""
        return self.fit is not None and (self.fit.law.a == 0 or self.fit.law.b == 0)

    def error_at(self, size: float) -> Estimate:
        """The law's error at `size` training rows, with its interval.

        Raises:
            StudyError: there is no law.
        """
        fit = self._fitted()
        if size <= 0:
            raise ConfigError(f"size must be > 0, got {size}.")
        value, every = fit.law_at(np.array([float(size)]))
        beyond = not fit.sizes[0] <= size <= fit.sizes[-1]
        return _estimate(float(value[0]), fit.half_width(every, self.level), extrapolated=beyond)

    def floor(self) -> Estimate:
        """The error that no amount of data would remove, if the law holds; with its interval.

        Raises:
            StudyError: there is no law.
        """
        fit = self._fitted()
        return _estimate(fit.law.c, fit.half_width(fit.laws[2][:, None], self.level), extrapolated=True)

    def gain(self, times: float = 2.0) -> Estimate:
        """The fraction of the error at the largest size that `times` the data would take away; with its interval.

        Raises:
            StudyError: there is no law.
        """
        fit = self._fitted()
        whole, each = fit.law_at(fit.sizes[-1] * np.array([1.0, times]))
        gains = 1 - each[:, 1] / np.maximum(each[:, 0], 1e-300)
        gain = 1 - float(whole[1] / max(whole[0], 1e-300))
        half = fit.half_width(gains[:, None], self.level)
        found = _estimate(gain, half, extrapolated=True)
        return Estimate(
            value=gain, low=None if half is None else gain - float(half[0]), high=found.high, extrapolated=True
        )

    def size_for(self, error: float) -> SizeFor | NotReached:
        """The training rows at which the law reaches `error`.

        The interval holds all sizes at which `error` lies within the law's own interval.

        Raises:
            ConfigError: `error` is below 0 or not a number.
            StudyError: there is no law.
        """
        fit = self._fitted()
        if not error >= 0:
            raise ConfigError(f"The wanted error must be a number from 0 on, got {error}.")
        x = np.geomspace(max(1.0, fit.sizes[0] / 10), fit.sizes[-1] * FARTHEST, 1500)
        values, every = fit.law_at(x)
        half = fit.half_width(every, self.level)
        low = None if half is None else _first(x, values - half - error)
        high = None if half is None else _first(x, values + half - error)
        size = fit.law.size_for(error)
        if size is None or size > x[-1]:
            reason = "flat" if self.flat else "floor" if size is None else "too far"
            floor = fit.law.a + fit.law.c if self.flat else fit.law.c
            return NotReached(error=error, floor=floor, reason=reason, low=_rows(low), level=self.level)
        return SizeFor(
            error=error,
            size=_rows(size) or 1,
            low=None if low == x[0] else _rows(low),
            high=_rows(high),
            extrapolated=not fit.sizes[0] <= size <= fit.sizes[-1],
            level=self.level,
            seeds=fit.runs,
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values; the resamples are left out."""
        found: dict[str, Any] = {
            "strategy": self.strategy,
            "target": self.target,
            "level": self.level,
            "seeds": self.seeds,
            "points": [{name: getattr(point, name) for name in Point.__slots__} for point in self.points],
            "law": None,
            "no_law": self.no_law,
        }
        if self.fit is not None:
            floor = self.floor()
            found["law"] = self.fit.law.to_json() | {"c_low": floor.low, "c_high": floor.high, "fits": self.fits}
            found["left_out"] = list(self.fit.left_out)
        return found

    def _fitted(self) -> CurveFit:
        if self.fit is None:
            raise StudyError(f"{self.strategy!r} has no fitted curve: {self.no_law}. Run it at more sizes.")
        return self.fit


def curves(
    frame: Any, *, target: str | None = None, level: float = 0.95, seed: int = 0,
    strategies: Sequence[str] | None = None, largest: float = math.inf, held_out: HeldOutRows | None = None,
    guess: float | None = None,
) -> dict[str, Curve]:  # fmt: skip
    """The learning curve of every strategy, by name.

    The interval of a mean comes from all runs of the strategies (`longspan.study.statistics.bands`); the interval of
    all values of the law come from the bootstrap over seeds, drawn for all sizes and strategies together
    (`longspan.study.statistics.resample`).

    Args:
        frame: the runs, one row each; see `longspan.study.run_grid.cells_of`, whose errors are raised here too.
        target: whose error; may be left out where there is only one.
        level: of the intervals.
        seed: of the bootstrap, where there are more than six seeds.
        strategies: only these, in this order; all if None.
        largest: error there can be, such as 1 for a fraction; intervals end there.
        held_out: the rows that were measured on; then a second interval holds for other rows like these.
        guess: the error of guessing; a strategy that is never better gets no law.
    """
    cells = cells_of(frame, target=target, strategies=strategies)
    check_level(level)
    drawn = resamples(len(cells.seeds), seed=seed)
    low, high = mean_bands(cells.sizes, cells.errors, level, largest=largest)
    found: dict[str, Curve] = {}
    for place, strategy in enumerate(cells.strategies):
        errors = cells.of(strategy)
        fit = fit_curve(cells.sizes, errors, drawn)
        points = [
            _point(int(size), errors[k], (float(low[place, k]), float(high[place, k])), largest)
            for k, size in enumerate(cells.sizes)
        ]
        points = [_for_rows(point, strategy, cells, held_out, level, largest, guess) for point in points if point]
        if points and not any(point.learned for point in points):
            fit = "it has not learned: its errors are those of guessing"
        elif points and not any(point.mean for point in points):
            fit = "it made no error on the held-out rows"
        found[strategy] = Curve(
            strategy=strategy,
            target=cells.target,
            level=level,
            seeds=int(np.isfinite(errors).any(axis=0).sum()),
            points=tuple(points),
            fit=None if isinstance(fit, str) else fit,
            no_law=fit if isinstance(fit, str) else "",
        )
    return found


def _point(size: int, errors: np.ndarray, ends: tuple[float, float], largest: float) -> Point | None:
    """The mean of one cell with its interval; None if it has no run."""
    known = errors[np.isfinite(errors)]
    if not len(known):
        return None
    mean = float(known.mean())
    if not np.isfinite(ends).all():
        return Point(size=size, mean=mean, low=None, high=None, runs=len(known))
    return Point(size=size, mean=mean, low=ends[0], high=max(mean, min(largest, ends[1])), runs=len(known))


def _for_rows(
    point: Point, strategy: str, cells: RunGrid, held_out: HeldOutRows | None, level: float, largest: float,
    guess: float | None,
) -> Point:  # fmt: skip
    """The point with its interval for other rows, and whether it is better than guessing."""
    ends = None
    if held_out is not None:
        place = int(np.flatnonzero(cells.sizes == point.size)[0])
        runs = zip(cells.seeds, cells.of(strategy)[place], strict=True)
        seeds = [seed for seed, error in runs if np.isfinite(error)]
        errors = held_out.of(strategy, point.size, seeds)
        ends = interval_for_rows_like_these(point.mean, point.low, point.high, held_out, errors, level=level)
    low, high = ends or (None, None)
    return replace(
        point, rows_low=low, rows_high=None if high is None else max(point.mean, min(largest, high)),
        learned=not not_learned(point.mean, point.high if high is None else high, guess),
    )  # fmt: skip


def _estimate(value: float, half: np.ndarray | None, *, extrapolated: bool) -> Estimate:
    """A figure from 0 on with its interval."""
    if half is None:
        return Estimate(value=value, low=None, high=None, extrapolated=extrapolated)
    low, high = max(0.0, value - float(half[0])), value + float(half[0])
    return Estimate(value=value, low=low, high=high, extrapolated=extrapolated)


def _first(x: np.ndarray, above: np.ndarray) -> float | None:
    """The first x at which `above` is 0 or less, between two places on a straight line over log x; None if nowhere."""
    places = np.flatnonzero(above <= 0)
    if not len(places):
        return None
    place = int(places[0])
    if place == 0:
        return float(x[0])
    fraction = above[place - 1] / (above[place - 1] - above[place])
    return float(x[place - 1] * (x[place] / x[place - 1]) ** fraction)


def _rows(size: float | None) -> int | None:
    """Whole training rows, three significant digits."""
    return None if size is None else max(1, round(three_digits(size)))
