"""How many seeds and held-out rows a comparison needs, from the variances of a pilot.

R seeds, N rows. The mean difference of two strategies, paired by seed and row, varies by seeds, by rows, and by both
together: V = seeds / R + rows / N + both / (R N).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from longspan.errors import ConfigError
from longspan.study.statistics.t_distribution import t_quantile

__all__ = ["MOST_SEEDS", "DifferenceSpread", "detectable_difference", "rows_needed", "seeds_needed"]

MOST_SEEDS = 200
_MOST_ROWS = 10_000_000


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DifferenceSpread:
    """Variances of the difference of two strategies."""

    seeds: float
    """Of one pair of trainings, measured on endlessly many rows."""
    rows: float
    """Of one row, over endlessly many trainings."""
    both: float
    """Of one row in one pair of trainings, beside those two."""
    df: float
    """Degrees of freedom behind `seeds`, of which those of the new seeds are added."""

    def of_mean(self, seeds: int, rows: int) -> float:
        """The variance of the mean difference over so many seeds and rows."""
        return self.seeds / seeds + self.rows / rows + self.both / (seeds * rows)


def detectable_difference(spread: DifferenceSpread, seeds: int, rows: int, *, power: float, level: float) -> float:
    """The difference that such a study detects with this power.

    Source: Cohen 1988, chapter 2, with Student's t in place of the normal quantile.
    """
    if not 0.5 <= power < 1:
        raise ConfigError(
            f"power={power}: the probability of detecting the difference, from 0.5 to below 1 (0.8, say)."
        )
    if not 0 < level < 1:
        raise ConfigError(f"level={level}: of the test, between 0 and 1 (0.95, say).")
    df = max(1.0, spread.df + seeds - 1)
    return (t_quantile((1 + level) / 2, df) + t_quantile(power, df)) * math.sqrt(spread.of_mean(seeds, rows))


def seeds_needed(spread: DifferenceSpread, difference: float, rows: int, *, power: float, level: float) -> int | None:
    """The fewest seeds, from 2 on, that detect the difference on so many rows; None where no number does."""
    for seeds in range(2, MOST_SEEDS + 1):
        if detectable_difference(spread, seeds, rows, power=power, level=level) <= difference:
            return seeds
    return None


def rows_needed(spread: DifferenceSpread, difference: float, seeds: int, *, power: float, level: float) -> int | None:
    """The fewest held-out rows that detect the difference with so many seeds; None where no number does."""

    def enough(rows: int) -> bool:
        return detectable_difference(spread, seeds, rows, power=power, level=level) <= difference

    low, high = 1, 2
    while not enough(high):
        low, high = high, high * 2
        if high > _MOST_ROWS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
