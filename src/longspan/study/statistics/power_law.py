"""Learning curves as power laws with a floor, fitted to thousands of curves at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

__all__ = ["PowerLaw", "fit_power_laws", "power_laws_at"]

STEEPEST = 2.5
"""The largest exponent that is tried; measured curves have 0.05 to 1 (Hestness et al. 2017)."""

_LEAST = 0.02  # of the largest error of a curve; smaller ones weigh no more than this one, or a 0 would outweigh all
_GRID = 51
_FINER = 21


@final
@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """error = a * size ** -b + c: the part that more data removes, how fast, and the floor that it does not.

    Source: Cortes et al. 1994 ("Learning curves: asymptotic values and rate of convergence"); Hestness et al. 2017.

    Example:
        >>> law = PowerLaw(a=2.0, b=0.5, c=0.01)
        >>> law.error_at(400)
        0.11
        >>> round(law.size_for(0.11))
        400
        >>> law.size_for(0.01) is None
        True
    """

    a: float
    """Scale, from 0 on: the error above the floor at one training row."""
    b: float
    """Exponent, 0 to 2.5: 0.5 halves the error above the floor with four times the data."""
    c: float
    """Floor, from 0 on, in the unit of the error."""

    def error_at(self, size: float) -> float:
        """The error at `size` training rows."""
        return self.a * size**-self.b + self.c

    def size_for(self, error: float) -> float | None:
        """The training rows at which the law reaches `error`; None if it never does (the floor is not below it)."""
        if error <= self.c or self.a <= 0:
            return None if error < self.c or self.a > 0 else 0.0
        if self.b <= 0:
            return None if error < self.a + self.c else 0.0
        log_size = (math.log(self.a) - math.log(error - self.c)) / self.b
        return math.exp(log_size) if log_size < 700 else None

    def to_json(self) -> dict[str, float]:
        """As JSON values."""
        return {"a": self.a, "b": self.b, "c": self.c}


def fit_power_laws(
    sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray | None = None, *, floor: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The power law of least relative squares for each of B curves: a, b and c, each `(B,)`.

    For a given b the law is linear in a and c, so the best non-negative pair is a formula; b is searched on a grid that
    is refined twice around its best value. Squares are weighted by 1 / error ** 2, first of the measured errors, then
    of those fitted before: with the measured ones alone, curves would lean towards the points that happen to be low.

    Args:
        sizes: `(K,)` training rows, K >= 2.
        errors: `(B, K)` mean errors, from 0 on.
        weights: `(B, K)`: how much each point counts (its number of runs, say); 0 leaves it out; all the same if None.
        floor: fit c too; needs three sizes. Without it c is 0.
    """
    # B curves, K sizes, G exponents
    middle = float(np.exp(np.mean(np.log(sizes))))
    logs_K = np.log(sizes / middle)
    weights = np.ones_like(errors) if weights is None else weights
    unit_B1 = errors.max(axis=1, keepdims=True)
    errors = errors / np.where(unit_B1 > 0, unit_B1, 1.0)
    fitted_BK = errors
    coarse = STEEPEST / (_GRID - 1)
    b_BG = np.linspace(0, STEEPEST, _GRID)[None]  # one row for all curves, until each has its own
    rows = np.arange(len(errors))
    a = b = c = np.zeros(len(errors))
    for step in (None, coarse, coarse * 2 / (_FINER - 1), None):
        relative_BK = weights / np.maximum(fitted_BK, _LEAST) ** 2
        a_BG, c_BG, squares_BG = _best_scale_and_floor(logs_K, errors, relative_BK, b_BG, floor=floor)
        best = squares_BG.argmin(axis=1)
        a, b, c = a_BG[rows, best], np.broadcast_to(b_BG, a_BG.shape)[rows, best], c_BG[rows, best]
        fitted_BK = a[:, None] * np.exp(-b[:, None] * logs_K) + c[:, None]
        if step is not None:  # the first pass, by measured weights, is repeated whole with fitted ones
            b_BG = np.clip(b[:, None] + np.linspace(-step, step, _FINER), 0, STEEPEST)
    return unit_B1[:, 0] * a * middle**b, b, unit_B1[:, 0] * c


def power_laws_at(x: np.ndarray, laws: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """The errors of B laws at G sizes: `(B, G)`."""
    a, b, c = laws
    return a[:, None] * np.exp(-b[:, None] * np.log(x)) + c[:, None]


def _best_scale_and_floor(
    log_sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray, exponents: np.ndarray, *, floor: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of B curves and G exponents: the best a >= 0, the best c >= 0, and the sum of squares left, `(B, G)`.

    `exponents` is `(B, G)`, or `(1, G)` where all curves share them.
    """
    powers_BGK = np.exp(-exponents[:, :, None] * log_sizes)
    weighted_BK = weights * errors
    pp = (powers_BGK**2 @ weights[:, :, None])[:, :, 0]
    p = (powers_BGK @ weights[:, :, None])[:, :, 0]
    pe = (powers_BGK @ weighted_BK[:, :, None])[:, :, 0]
    one, e = weights.sum(axis=1)[:, None], weighted_BK.sum(axis=1)[:, None]
    ee = (weighted_BK * errors).sum(axis=1)[:, None]
    scale_alone, level_alone = pe / pp, np.broadcast_to(e / one, pp.shape)
    if floor:
        determinant = pp * one - p**2
        flat = determinant <= 1e-12 * pp * one  # b near 0: power and floor are one and the same
        divisor = np.where(flat, 1.0, determinant)
        a, c = (pe * one - p * e) / divisor, (pp * e - p * pe) / divisor
        # Non-negative least squares in two unknowns: where one comes out negative, it is 0 and the other stands alone.
        rising = flat | (a < 0)
        a, c = np.where(c < 0, scale_alone, a), np.where(c < 0, 0.0, c)
        a, c = np.where(rising, 0.0, a), np.where(rising, level_alone, c)
    else:
        a, c = scale_alone, np.zeros_like(scale_alone)
    return a, c, ee - 2 * a * pe - 2 * c * e + a**2 * pp + 2 * a * c * p + c**2 * one
