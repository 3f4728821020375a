"""One sentence on what twice the data would bring a strategy, as a function of its measured errors alone."""

from __future__ import annotations

import numpy as np

from longspan.study.formatting import percent, say_error, say_interval, say_size
from longspan.study.statistics.extrapolation import Forecast, extrapolate

__all__ = ["forecast_sentence", "more_data_sentence"]

_LEVEL = 0.8
"""Of the interval of a forecast: at this level it was checked on real curves (`benchmarks/extrapolation.py`)."""
_HARDLY = 0.1
"""Doubling the data hardly helps where even the lower end of the forecast cuts the error by less than this fraction."""


def more_data_sentence(
    name: str, sizes: np.ndarray, errors: np.ndarray, *, unit: str = "", largest: float = np.inf
) -> str:
    """What doubling the data is projected to bring, or why nothing is projected.

    Args:
        name: the strategy.
        sizes: `(K,)` training rows, ascending.
        errors: `(K, R)`, NaN where there is no run.
        unit: of the error; "%" shows a proportion as percent.
        largest: error there can be.
    """
    used = np.isfinite(errors).any(axis=1)
    sizes, errors = sizes[used], errors[used]
    if len(sizes) < 2:
        return f"{name} was run at one size only, so nothing is projected for more data."
    last = float(np.nanmean(errors[-1]))
    if last == 0:
        return (
            f"{name} makes no error on the held-out rows with {say_size(sizes[-1])} training rows, so more data cannot "
            "improve this measurement: more or harder held-out rows can."
        )
    return forecast_sentence(name, last, extrapolate(sizes, errors, 2.0 * sizes[-1], largest=largest), unit=unit)


def forecast_sentence(name: str, last: float, forecast: Forecast, *, unit: str = "") -> str:
    """Whether the forecast lies below the last mean error as a whole, not at all, or in part.

    Args:
        name: the strategy.
        last: its mean error at the largest size.
        forecast: at twice that size.
        unit: of the error.
    """
    low, high = forecast.interval(_LEVEL)
    middle = forecast.quantile(0.5)
    rows = f"{say_size(forecast.size)} training rows"
    interval = f"{percent(_LEVEL)} interval: {say_interval(low, high, unit)}"
    if high < last:
        return (
            f"More data should still help {name}: with {rows} its error is projected to fall from "
            f"{say_error(last, unit)} to {say_error(middle, unit)} ({interval})."
        )
    if low > (1 - _HARDLY) * last:
        return (
            f"More data hardly helps {name}: with {rows} its error is projected to be {say_error(middle, unit)}, now "
            f"{say_error(last, unit)} ({interval})."
        )
    cut, least, most = (100 * (1 - each / last) for each in (middle, high, low))
    change = f"cut the error by {cut:.0f} %" if cut >= 0.5 else "leave the error as it is"
    if cut <= -0.5:
        change = f"raise the error by {-cut:.0f} %"
    return (
        f"It is unclear whether more data would help {name}: doubling it is projected to {change} "
        f"({percent(_LEVEL)} interval of the cut: {least:.0f} to {most:.0f} %)."
    )
