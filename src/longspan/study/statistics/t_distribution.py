"""Student's t distribution: few seeds make wide intervals; here is how wide."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

from longspan.errors import ConfigError

__all__ = ["mean_interval", "t_cdf", "t_quantile"]


def mean_interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Mean of values, one per seed, and the ends of its 95 % interval; both ends the mean for fewer than two.

    For pairs give their differences.

    Example:
        >>> [round(value, 3) for value in mean_interval([1.0, 2.0, 3.0])]
        [2.0, -0.484, 4.484]
    """
    known = [float(value) for value in values]
    mean = statistics.fmean(known)
    if len(known) < 2:
        return mean, mean, mean
    half = t_quantile(0.975, len(known) - 1) * statistics.stdev(known) / math.sqrt(len(known))
    return mean, mean - half, mean + half


def t_cdf(t: float, df: float) -> float:
    """The probability that Student's t with `df` degrees of freedom is at most `t`."""
    from scipy.special import stdtr

    if df < 1:
        raise ConfigError(f"Degrees of freedom must be a number from 1 on, got {df}.")
    return float(stdtr(df, t))


def t_quantile(probability: float, df: float) -> float:
    """The t that Student's t stays below with `probability` (0 to 1, both excluded); the inverse of `t_cdf`."""
    from scipy.special import stdtrit

    if not 0 < probability < 1:
        raise ConfigError(f"A probability must lie between 0 and 1, got {probability}.")
    return float(stdtrit(df, probability))
