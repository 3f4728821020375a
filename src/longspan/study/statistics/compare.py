"""How probable it is that one strategy beats another, at each size: runs are paired by their seed."""

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
    """That the first has the lower mean error; 0.5 for a tie; None with fewer than two pairs."""

    def __str__(self) -> str:
        """In words."""
        who = f"{self.first} against {self.second} at {say_size(self.size)}"
        if self.difference is None:
            return f"{who}: no seed has a result of both"
        if self.probability is None:
            return f"{who}: a single seed, so no probability"
        return f"{who}: {say_probability(self.probability)} that {self.first} has the lower error"


def compare(frame: Any, first: str, second: str, *, target: str | None = None, level: float = 0.95) -> list[Comparison]:
    """At each size that both were tried at: how probable it is that `first` has the lower mean error.

    The differences of the pairs are taken as normal with unknown mean and spread. Under the flat prior on the mean and
    the logarithm of the spread, the posterior of the mean is Student's t with one degree of freedom less than there are
    pairs; the probability is its mass below 0. It speaks of the mean over seeds, on these test rows; not of one run,
    and not of other test rows.

    Source: Gelman et al. 2013, section 3.2; Benavoli et al. 2017, section 4.1 (the correlated t-test, whose
    correlation is 0 here because all runs are measured on the same rows). Differs: where all differences are one and
    the same number, t would say certainty, so the sign is taken instead: (number of pairs) throws of a coin of unknown
    bias that all fell alike make 1 - 2 ** -(pairs + 1) under a flat prior, and all ties make 0.5.

    Args:
        frame: the runs; see `longspan.study.run_grid.cells_of`, whose errors are raised here too.
        first: a strategy.
        second: another.
        target: whose error; may be left out where there is only one.
        level: of the interval of the difference.

    Raises:
        StudyError: both names are the same.
    """
    check_level(level)
    if first == second:
        raise StudyError(f"Give two strategies to compare, not {first!r} twice.")
    cells = cells_of(frame, target=target)
    ours, theirs = cells.of(first), cells.of(second)
    found: list[Comparison] = []
    for place, size in enumerate(cells.sizes):
        if np.isnan(ours[place]).all() or np.isnan(theirs[place]).all():
            continue
        differences = ours[place] - theirs[place]
        known = differences[np.isfinite(differences)]
        mean, half, probability = _posterior(known, level)
        ends = (None, None) if mean is None or half is None else (mean - half, mean + half)
        found.append(
            Comparison(
                first=first, second=second, size=int(size), pairs=len(known), difference=mean, low=ends[0],
                high=ends[1], probability=probability,
            )
        )  # fmt: skip
    return found


def compare_all(frame: Any, *, target: str | None = None, level: float = 0.95) -> pl.DataFrame:
    """Every pair of strategies at every size: `first, second, size, pairs, difference, low, high, probability`."""
    cells = cells_of(frame, target=target)
    rows = [
        {name: getattr(each, name) for name in Comparison.__slots__}
        for first, second in itertools.combinations(cells.strategies, 2)
        for each in compare(frame, first, second, target=cells.target, level=level)
    ]
    words, whole = ("first", "second"), ("size", "pairs")
    schema = {
        name: pl.String if name in words else pl.Int64 if name in whole else pl.Float64 for name in Comparison.__slots__
    }
    return pl.DataFrame(rows, schema=schema)


def _posterior(differences: np.ndarray, level: float) -> tuple[float | None, float | None, float | None]:
    """Mean, half the width of its interval, and the probability that it is below 0."""
    pairs = len(differences)
    if not pairs:
        return None, None, None
    mean = float(differences.mean())
    if pairs == 1:
        return mean, None, None
    # What is left of rounding counts as no spread: 0.3 - 0.2 is not quite 0.2 - 0.1.
    spread = float(differences.std(ddof=1))
    if spread <= 1e-12 * float(np.abs(differences).max()):
        sign = 0.0 if mean == 0 else math.copysign(1.0, mean)
        return mean, 0.0, 0.5 - sign * (0.5 - 2.0 ** -(pairs + 1))
    error = spread / math.sqrt(pairs)
    return mean, t_quantile((1 + level) / 2, pairs - 1) * error, t_cdf(-mean / error, pairs - 1)
