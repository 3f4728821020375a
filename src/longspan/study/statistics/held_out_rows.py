"""What another set of held-out rows would change: the second source of uncertainty beside other trainings."""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["proportion_interval", "with_test_rows"]


def proportion_interval(proportion: float, rows: int, level: float) -> tuple[float, float]:
    """Wilson's interval of a proportion of `rows` rows.

    It has a width at 0 and at 1 too. Source: Wilson 1927; Brown, Cai and DasGupta 2001.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (proportion + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * math.sqrt(proportion * (1 - proportion) / rows + (z / (2 * rows)) ** 2) / (1 + z * z / rows)
    return max(0.0, min(proportion, middle - half)), min(1.0, max(proportion, middle + half))


def with_test_rows(
    mean: float, low: float | None, high: float | None, *, rows: int, level: float
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
