"""Student's t distribution: few seeds make wide intervals; here is how wide."""

from __future__ import annotations

from longspan.errors import ConfigError

__all__ = ["t_cdf", "t_quantile"]


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
