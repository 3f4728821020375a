"""How probable it is that one strategy beats another, at each size: runs are paired by their seed, errors by row."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import polars as pl

from longspan.errors import StudyError
from longspan.study.formatting import check_level, say_probability, say_size
from longspan.study.run_grid import cells_of
from longspan.study.statistics.held_out_rows import HeldOutRows, difference_variance
from longspan.study.statistics.paired_difference import pair_scale, pair_variances
from longspan.study.statistics.t_distribution import t_cdf, t_quantile

__all__ = ["Comparison", "compare", "compare_all"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two strategies at one size."""

    first: str
    second: str
    size: int
    pairs: int
    """Seeds with a result of both."""
    difference: float | None
    """Mean of first minus second over the pairs: below 0 where the first has the lower error. None without a pair."""
    low: float | None
    high: float | None
    """Ends of its interval; None with fewer than two pairs."""
    probability: float | None
    """That the first has the lower mean error on these held-out rows; 0.5 for a tie; None with fewer than two pairs."""
    rows_low: float | None = None
    """Ends of the interval for other rows like these; None where errors of rows are not known."""
    rows_high: float | None = None
    rows_probability: float | None = None
    """That the first has the lower mean error on rows like these."""

    @property
    def chance(self) -> float | None:
        """The probability to act on: for rows like these where it is known, else for these rows."""
        return self.probability if self.rows_probability is None else self.rows_probability

    def __str__(self) -> str:
        """In words."""
        who = f"{self.first} against {self.second} at {say_size(self.size)}"
        if self.difference is None:
            return f"{who}: no seed has a result of both"
        if self.probability is None:
            return f"{who}: a single seed, so no probability"
        text = f"{who}: {say_probability(self.probability)} that {self.first} has the lower error"
        if self.rows_probability is None:
            return text
        return f"{text} on these rows, {say_probability(self.rows_probability)} on rows like these"


def compare(
    frame: Any, first: str, second: str, *, target: str | None = None, level: float = 0.95,
    held_out: HeldOutRows | None = None,
) -> list[Comparison]:  # fmt: skip
    """At each size that both were tried at: how probable it is that `first` has the lower mean error.

    The differences of the pairs are taken as normal. Their variance is moderated by that at the other sizes, because
    three pairs alone hardly determine it; the posterior of the mean is then Student's t. It is for the mean
    over trainings on these held-out rows. With errors of rows, a second posterior is for other rows like these: its
    variance has that of rows added, and its degrees of freedom are Welch and Satterthwaite's.

    Source: Gelman et al. 2013, section 3.2; Smyth 2004 (moderated t). Differs: `moderated_variance` says how.

    Args:
        frame: the runs; see `longspan.study.run_grid.cells_of`, whose errors are raised here too.
        first: a strategy.
        second: another.
        target: whose error; may be left out where there is only one.
        level: of the interval of the difference.
        held_out: the rows that were measured on; None where errors of rows are not known.

    Raises:
        StudyError: both names are the same.
    """
    check_level(level)
    if first == second:
        raise StudyError(f"Give two strategies to compare, not {first!r} twice.")
    cells = cells_of(frame, target=target)
    ours, theirs = cells.of(first), cells.of(second)
    apart = ours - theirs
    paired = np.isfinite(apart).sum(axis=1)
    (used,) = np.nonzero(paired)
    enough = len(used) > 0 and paired.max() > 1
    known = pair_variances(cells.sizes[used], apart[used], pair_scale(ours[used], theirs[used])) if enough else None
    places = {int(size): place for place, size in enumerate(used)}
    found: list[Comparison] = []
    for size in range(len(cells.sizes)):
        if np.isnan(ours[size]).all() or np.isnan(theirs[size]).all():
            continue
        shared = np.isfinite(apart[size])
        mean = float(apart[size][shared].mean()) if shared.any() else None
        fields: dict[str, Any] = {"difference": mean, "low": None, "high": None, "probability": None}
        if mean is not None and known is not None and shared.sum() > 1:
            place = places[size]
            variance, df = float(known.values[place]) / int(shared.sum()), float(known.df[place])
            fields["low"], fields["high"], fields["probability"] = _posterior(mean, variance, df, level)
            if not np.any(apart[size][shared]):
                fields["probability"] = 0.5
            seeds = [seed for seed, has in zip(cells.seeds, shared, strict=True) if has]
            rows = None if held_out is None else held_out.differences(first, second, int(cells.sizes[size]), seeds)
            rows = None if rows is None else rows[:, np.isfinite(rows).all(axis=0)]
            if held_out is not None and rows is not None and rows.shape[1] > 1:
                of_rows = difference_variance(rows, proportion=held_out.proportion)
                both = variance + of_rows
                total = both**2 / (variance**2 / df + of_rows**2 / max(rows.shape[1] - 1, 1)) if both else df
                ends = _posterior(mean, both, total, level)
                fields["rows_low"], fields["rows_high"], fields["rows_probability"] = ends
        found.append(
            Comparison(first=first, second=second, size=int(cells.sizes[size]), pairs=int(shared.sum()), **fields)
        )
    return found


def compare_all(
    frame: Any, *, target: str | None = None, level: float = 0.95, held_out: HeldOutRows | None = None
) -> pl.DataFrame:
    """Every pair of strategies at every size: a row for each `Comparison`, a column for each of its fields."""
    cells = cells_of(frame, target=target)
    rows = [
        {name: getattr(each, name) for name in Comparison.__slots__}
        for first, second in itertools.combinations(cells.strategies, 2)
        for each in compare(frame, first, second, target=cells.target, level=level, held_out=held_out)
    ]
    words, whole = ("first", "second"), ("size", "pairs")
    schema = {
        name: pl.String if name in words else pl.Int64 if name in whole else pl.Float64 for name in Comparison.__slots__
    }
    return pl.DataFrame(rows, schema=schema)


def _posterior(mean: float, variance: float, df: float, level: float) -> tuple[float, float, float]:
    """Both ends of the interval of a mean, and the probability that it is below 0."""
    error = math.sqrt(variance)
    if not error > 0:
        return mean, mean, 0.5 if mean == 0 else float(mean < 0)
    half = t_quantile((1 + level) / 2, df) * error
    return mean - half, mean + half, t_cdf(-mean / error, df)
