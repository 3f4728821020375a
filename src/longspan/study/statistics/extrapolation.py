"""A learning curve beyond the sizes tried: a weighted mixture of five forecasts instead of one law.

No single law is right for most curves: on real ones, a power law extrapolated fourfold is closer than "the error stays
as it is" only about every second time. So the forecast is a mixture whose weights and widths were learned on the
development half of the Learning Curve Database (`benchmarks/extrapolation.py`). K sizes, G shapes, M forecasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.errors import StudyError

__all__ = ["FARTHEST_FORECAST", "FORECASTS", "Forecast", "extrapolate", "forecast_centers", "forecast_spread"]

FARTHEST_FORECAST = 4.0
"""Intervals were checked up to this many times the largest size."""
FORECASTS = ("last value", "power law", "power law with floor", "exponential", "MMF")

_LEAST_FRACTION = 0.02  # of the largest error of a curve: a forecast does not fall below this fraction of the last one
_WIDE = 3.0

# Learned by `python benchmarks/extrapolation.py --learn` on the development half; at 2 and at 4 times the largest size.
_WEIGHTS = {2.0: (0.085, 0.111, 0.63, 0.034, 0.139), 4.0: (0.032, 0.191, 0.681, 0.025, 0.071)}
"""Of each forecast."""
_SCALES = {2.0: (0.0003, 0.5876, 1.2286, 0.1397), 4.0: (0.0332, 0.522, 1.7579, 0.1711)}
"""Of the spread: a constant, times the disagreement of forecasts, times the standard error; and the fraction of wide
components, which are three times as wide."""


@final
@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A distribution of the mean error at one size: normal components over its logarithm."""

    size: float
    times: float
    """How many times the largest size tried."""
    centers: np.ndarray
    """`(M,)`: logarithms of the errors that each forecast gives."""
    weights: np.ndarray
    """`(M,)`, sums to 1."""
    spread: float
    """Standard deviation of each component."""
    wide: float
    """The fraction of each component that is three times as wide."""
    largest: float
    """The largest error there can be."""

    def below(self, error: float | np.ndarray) -> np.ndarray:
        """The probability that the error lies below `error`."""
        from scipy.special import ndtr

        z = (np.log(np.maximum(error, 1e-300))[..., None] - self.centers) / self.spread
        return ((1 - self.wide) * ndtr(z) + self.wide * ndtr(z / _WIDE)) @ self.weights

    def quantile(self, probability: float) -> float:
        """The error below which it lies with this probability, by halving."""
        low, high = self.centers.min() - 12 * self.spread, self.centers.max() + 12 * self.spread
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.below(np.exp(middle)) < probability else (low, middle)
        return min(self.largest, float(np.exp((low + high) / 2)))

    def interval(self, level: float = 0.8) -> tuple[float, float]:
        """Lower and upper end at `level`."""
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)


def extrapolate(
    sizes: np.ndarray, errors: np.ndarray, size: float, *, largest: float = np.inf, beyond: bool = False
) -> Forecast:
    """The mean error at a size beyond those tried.

    Source: Mohr et al. 2022 (which laws fit, and that no extrapolation beats the last value everywhere); Viering and
    Loog 2023, "The shape of learning curves: a review" (MMF: Morgan, Mercer and Flodin). Differs: a mixture.

    Args:
        sizes: `(K,)` training rows, ascending; at least two.
        errors: `(K, R)`, NaN where there is no run.
        size: training rows, above the largest of `sizes`.
        largest: error there can be, such as 1 for a fraction.
        beyond: extrapolate further than 4 times the largest size, where no interval was ever checked.

    Raises:
        StudyError: a size that is too far or not beyond those tried, fewer than two sizes, or a curve of zeros.
    """
    used = np.isfinite(errors).any(axis=1)
    sizes, errors = sizes[used].astype(np.float64), errors[used]
    if len(sizes) < 2:
        raise StudyError("An extrapolation needs runs at two sizes or more.")
    times = size / sizes[-1]
    if not times > 1:
        raise StudyError(f"size={size:,g} is not beyond the sizes tried, which end at {sizes[-1]:,g}.")
    if times > FARTHEST_FORECAST * 1.01 and not beyond:
        raise StudyError(
            f"size={size:,g} is {times:.3g} times the largest size tried ({sizes[-1]:,g}). Forecasts are checked up to "
            f"{FARTHEST_FORECAST:g} times. Add larger sizes, or ask for it with beyond=True."
        )
    means = np.nanmean(errors, axis=1)
    if not means[-1] > 0:
        raise StudyError("The error at the largest size is 0, so no law can be fitted to it.")
    runs = np.isfinite(errors).sum(axis=1)
    spread = np.nanstd(errors, axis=1) * np.sqrt(runs / np.maximum(runs - 1, 1)) / np.maximum(means, 1e-12)
    typical = float(np.sqrt(np.mean(spread[runs > 1] ** 2))) if (runs > 1).any() else 0.1
    centers = forecast_centers(sizes, means[None], np.array([float(size)]))[0, :, 0]
    weights, scales = _at(times, _WEIGHTS), _at(times, _SCALES)
    error = np.array([typical / np.sqrt(runs[-1])])
    sd = float(forecast_spread(centers[None], error, scales[:3])[0]) * (_shrink(times) if times < 2 else 1.0)
    if times > FARTHEST_FORECAST:
        sd *= float(np.log(times) / np.log(FARTHEST_FORECAST))
    return Forecast(
        size=float(size), times=float(times), centers=centers, weights=weights / weights.sum(), spread=max(sd, 1e-4),
        wide=float(scales[3]), largest=largest,
    )  # fmt: skip


def forecast_spread(centers: np.ndarray, standard_errors: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The standard deviation of each component for B curves, `(B,)`.

    Args:
        centers: `(B, M)` logarithms.
        standard_errors: `(B,)`: of the last mean, relative to it.
        scales: constant, factor of the disagreement of forecasts, factor of the standard error.
    """
    apart = centers.std(axis=1)
    return np.sqrt(scales[0] ** 2 + (scales[1] * apart) ** 2 + (scales[2] * standard_errors) ** 2)


def forecast_centers(sizes: np.ndarray, means: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The logarithm of the error that each of M forecasts gives for B curves at P sizes: `(B, M, P)`.

    Args:
        sizes: `(K,)` ascending.
        means: `(B, K)` mean errors.
        places: `(P,)` sizes.
    """
    x, at = sizes / sizes[-1], places / sizes[-1]
    lowest = np.maximum(means[:, -1:], 1e-9)
    last = np.broadcast_to(lowest, (len(means), len(places)))
    exponents = np.linspace(0.02, 2.5, 125)[:, None]
    rates = np.geomspace(0.2, 30, 40)[:, None]
    half, steep = (each.reshape(-1, 1) for each in np.meshgrid(np.geomspace(0.01, 4, 12), (0.5, 1.0, 1.5, 2.0, 3.0)))
    three = len(sizes) >= 3
    found = [
        last,
        _best(x**-exponents, at**-exponents, means, floor=False),
        _best(x**-exponents, at**-exponents, means, floor=three),
        _best(np.exp(-rates * x), np.exp(-rates * at), means, floor=three),
        _best(1 / (1 + (x / half) ** steep), 1 / (1 + (at / half) ** steep), means, floor=three),
    ]
    return np.log(np.maximum(np.stack(found, axis=1), _LEAST_FRACTION * lowest[:, :, None]))


def _best(shapes: np.ndarray, beyond: np.ndarray, means: np.ndarray, *, floor: bool) -> np.ndarray:
    """Scale x shape + floor of least relative squares, both from 0 on, over G shapes; its errors at P places `(B, P)`.

    Args:
        shapes: `(G, K)` at the sizes tried.
        beyond: `(G, P)` at the places.
        means: `(B, K)`.
        floor: whether there is one.
    """
    weights = 1 / np.maximum(means, _LEAST_FRACTION * means.max(axis=1, keepdims=True) + 1e-12) ** 2
    total, first = weights.sum(axis=1)[:, None], (weights * means).sum(axis=1)[:, None]
    squared, single = weights @ (shapes**2).T, weights @ shapes.T
    product = (weights * means) @ shapes.T
    scale, level = product / squared, np.zeros_like(product)
    if floor:
        determinant = squared * total - single**2
        flat = determinant <= 1e-10 * squared * total
        safe = np.where(flat, 1.0, determinant)
        both = (product * total - single * first) / safe
        rest = (squared * first - single * product) / safe
        inside, rising = ~flat & (both >= 0) & (rest >= 0), flat | (both < 0)
        scale = np.where(inside, both, np.where(rising, 0.0, scale))
        level = np.where(inside, rest, np.where(rising, first / total, 0.0))
    squares = -2 * scale * product - 2 * level * first
    squares = squares + scale**2 * squared + 2 * scale * level * single + level**2 * total
    best = squares.argmin(axis=1)
    rows = np.arange(len(means))
    return scale[rows, best][:, None] * beyond[best] + level[rows, best][:, None]


def _at(times: float, table: dict[float, tuple[float, ...]]) -> np.ndarray:
    """Numbers for a distance, straight between 2 and 4 over its logarithm, and the nearest ones outside."""
    fraction = float(np.clip(np.log2(times) - 1, 0, 1))
    return (1 - fraction) * np.array(table[2.0]) + fraction * np.array(table[4.0])


def _shrink(times: float) -> float:
    """Below twice the largest size a forecast is surer, in proportion to the distance, down to a third."""
    return max(1 / 3, float(np.log2(times)))
