"""Student's t distribution for whole degrees of freedom: few seeds make wide intervals, and this says how wide.

Written out because scipy is no dependency of ours.
"""

from __future__ import annotations

import math

from longspan.errors import ConfigError

__all__ = ["t_cdf", "t_quantile"]


def t_cdf(t: float, df: int) -> float:
    """The probability that Student's t with `df` degrees of freedom is at most `t`.

    Source: Abramowitz and Stegun 1964, equations 26.7.3 (odd) and 26.7.4 (even): finite sums, exact.
    """
    if df < 1:
        raise ConfigError(f"Degrees of freedom must be a whole number from 1 on, got {df}.")
    if math.isinf(t):
        return 1.0 if t > 0 else 0.0
    angle = math.atan(t / math.sqrt(df))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = df % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for power in range(2 + odd, df + 1, 2):  # the term with cosine to the power of `power - 2`
        total += term
        term *= cosine**2 * (power - 1) / power
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return min(1.0, max(0.0, 0.5 + inside / 2))


def t_quantile(probability: float, df: int) -> float:
    """The t that Student's t stays below with `probability` (0 to 1, both excluded); the inverse of `t_cdf`."""
    if not 0 < probability < 1:
        raise ConfigError(f"A probability must lie between 0 and 1, got {probability}.")
    if probability < 0.5:
        return -t_quantile(1 - probability, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_cdf(middle, df) < probability else (low, middle)
    return (low + high) / 2
