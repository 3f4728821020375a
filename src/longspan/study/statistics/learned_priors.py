"""What real learning curves look like, as numbers: priors for the spread over seeds and for the shape of curves.

Estimated on the development half of 121 data sets of the Learning Curve Database: data sets in ascending order of
their OpenML number, every second one from the first; the other half is only checked (`benchmarks/real_curves.py`).
`python benchmarks/prior_curves.py` gives such numbers from that half, or from your curves: weights of components
by expectation-maximisation over the marginal likelihoods of 900 curves with 20 to 125 seeds, levels and slopes of
variances as means and standard deviations over curves. Its weights differ a little from those below, as other draws of
900 curves do.

Source of the curves: Mohr, Viering, Loog and van Rijn 2022, "LCDB 1.0: an extensive learning curves database".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

__all__ = [
    "DIFFERENCE_CURVE", "DIFFERENCE_VARIANCE", "ERROR_CURVE", "ERROR_VARIANCE", "FRACTION_VARIANCE", "CurvePrior",
    "VariancePrior",
]  # fmt: skip

_FEWEST_WRONG, _FEWEST_RIGHT = 0.005, 0.02
"""Beyond these fractions there are too few curves to show how variances continue."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class VariancePrior:
    """The logarithm of a variance over seeds, relative to the squared error: a line over log size with deviations."""

    level: float
    """Mean at 100 training rows."""
    level_sd: float
    slope: float
    """Change per unit of the natural logarithm of size."""
    slope_sd: float
    group_sd: float
    """By how much strategies of one study differ."""
    cell_sds: tuple[float, ...]
    """By how much cells differ from their line: one of these."""
    cell_weights: tuple[float, ...]
    """How probable each of them is."""
    excess_kurtosis: float = 0.0
    """Of runs of one cell: the longer their tails, the less a sample variance of a few of them says."""
    wrong_power: float = 0.0
    """The variance changes with the fraction that is wrong to this power."""
    right_power: float = 0.0
    """And with the fraction that is right to this one."""

    def logs(self, sizes: np.ndarray, wrong: np.ndarray | None = None) -> np.ndarray:
        """`(M,)`: the logarithm of the variance to expect.

        Args:
            sizes: `(M,)` training rows.
            wrong: `(M,)`: errors as fractions of the largest there can be; needed where a power is not 0.
        """
        found = self.level + self.slope * np.log(sizes / 100.0)
        if wrong is not None:
            wrong = np.clip(wrong, _FEWEST_WRONG, 1 - _FEWEST_RIGHT)
            found = found + self.wrong_power * np.log(wrong) + self.right_power * np.log(1 - wrong)
        return found


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePrior:
    """A mixture of Gaussian processes over log size, and how the noise of one seed is correlated across sizes."""

    components: tuple[tuple[float, float, float, float], ...]
    """Smoothness (Matern: 0.5, 1.5 or 2.5), amplitude, length in natural logarithms of size, and weight of each."""
    level_sd: float
    slope_sd: float
    near: float
    """Correlation of one seed's noise at two sizes that are almost the same."""
    near_length: float
    """It falls by the factor e over this distance of log size."""
    common: tuple[float, ...]
    """The fraction of noise that a seed has at all sizes: one of these."""
    common_weights: tuple[float, ...]

    def weights(self) -> np.ndarray:
        """`(P,)`: how probable each component is; sums to 1."""
        found = np.array([component[3] for component in self.components])
        return found / found.sum()

    def kernels(self, x: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
        """`(P, N, M)`: the covariance of each component, with a level and a slope of its own.

        Args:
            x: `(N,)` log sizes.
            others: `(M,)` likewise; `x` if None.
        """
        others = x if others is None else others
        distance = np.abs(x[:, None] - others[None])
        line = self.level_sd**2 + self.slope_sd**2 * np.outer(x, others)
        return np.array(
            [line + amplitude**2 * _matern(distance / length, nu) for nu, amplitude, length, _ in self.components]
        )

    def variances(self, x: np.ndarray) -> np.ndarray:
        """`(P, N)`: the diagonal of `kernels`."""
        amplitudes = np.array([component[1] for component in self.components])
        return self.level_sd**2 + self.slope_sd**2 * x**2 + amplitudes[:, None] ** 2


def _matern(distance: np.ndarray, nu: float) -> np.ndarray:
    """Rasmussen and Williams 2006, equation 4.17."""
    scaled = np.sqrt(2 * nu) * distance
    factor = {0.5: 1.0, 1.5: 1 + scaled, 2.5: 1 + scaled + scaled**2 / 3}[nu]
    return factor * np.exp(-scaled)


DIFFERENCE_VARIANCE = VariancePrior(
    level=-3.7, level_sd=1.9, slope=0.0, slope_sd=0.35, group_sd=0.0,
    cell_sds=(0.2, 0.5, 1.2), cell_weights=(0.6, 0.25, 0.15),
)  # fmt: skip
"""Of the difference of two strategies, paired by seed, relative to their mean error."""

ERROR_VARIANCE = VariancePrior(
    level=-4.3, level_sd=1.9, slope=0.0, slope_sd=0.35, group_sd=0.8,
    cell_sds=(0.2, 0.5, 1.2), cell_weights=(0.6, 0.25, 0.15), excess_kurtosis=6.0,
)  # fmt: skip
"""Of the error of one strategy.

In one cell of twenty of the development half the excess kurtosis over seeds is above 5.6: most trainings end alike and
a few fail. With 0 in its place, bands of 95 % held 90 % of the means there; with 6 they hold 94 to 95 %.
"""

FRACTION_VARIANCE = VariancePrior(
    level=-4.47, level_sd=0.95, slope=-0.386, slope_sd=0.35, group_sd=1.1,
    cell_sds=(0.2, 0.5, 1.2), cell_weights=(0.6, 0.25, 0.15), excess_kurtosis=6.0,
    wrong_power=-0.684, right_power=1.333,
)  # fmt: skip
"""Of the error of one strategy, where errors are fractions, as error rates are.

The size of an error predicts how much it varies: on the development half, size and error together leave a standard
deviation of 0.86 between data sets of the logarithm, where size alone leaves 1.58.
"""

DIFFERENCE_CURVE = CurvePrior(
    components=(
        (0.5, 0.05, 3.0, 0.034),
        (0.5, 0.05, 6.0, 0.017),
        (0.5, 0.12, 1.5, 0.029),
        (1.5, 0.3, 0.7, 0.012),
        (1.5, 0.3, 3.0, 0.081),
        (1.5, 0.7, 1.5, 0.009),
        (1.5, 0.7, 3.0, 0.028),
        (2.5, 0.008, 12.0, 0.008),
        (2.5, 0.02, 3.0, 0.013),
        (2.5, 0.05, 6.0, 0.030),
        (2.5, 0.12, 3.0, 0.092),
        (2.5, 0.12, 6.0, 0.046),
        (2.5, 0.3, 0.7, 0.012),
        (2.5, 0.3, 1.5, 0.020),
        (2.5, 0.3, 3.0, 0.233),
        (2.5, 0.3, 6.0, 0.115),
        (2.5, 0.7, 3.0, 0.114),
        (2.5, 0.7, 6.0, 0.092),
        (2.5, 1.5, 6.0, 0.009),
    ),
    level_sd=0.4, slope_sd=0.1, near=0.53, near_length=1.0, common=(0.0, 0.4), common_weights=(0.8, 0.2),
)  # fmt: skip
"""Of the difference of two curves relative to their mean error."""

ERROR_CURVE = CurvePrior(
    components=(
        (0.5, 0.008, 0.7, 0.015),
        (0.5, 0.05, 3.0, 0.017),
        (0.5, 0.05, 6.0, 0.010),
        (0.5, 0.12, 0.7, 0.009),
        (1.5, 0.02, 3.0, 0.009),
        (1.5, 0.05, 1.5, 0.016),
        (1.5, 0.7, 1.5, 0.012),
        (1.5, 0.7, 6.0, 0.042),
        (1.5, 1.5, 6.0, 0.045),
        (1.5, 1.5, 12.0, 0.018),
        (2.5, 0.008, 12.0, 0.070),
        (2.5, 0.05, 6.0, 0.020),
        (2.5, 0.12, 1.5, 0.012),
        (2.5, 0.12, 6.0, 0.063),
        (2.5, 0.3, 12.0, 0.015),
        (2.5, 0.7, 6.0, 0.187),
        (2.5, 0.7, 12.0, 0.042),
        (2.5, 1.5, 3.0, 0.021),
        (2.5, 1.5, 6.0, 0.175),
        (2.5, 1.5, 12.0, 0.169),
    ),
    level_sd=3.0, slope_sd=0.1, near=0.72, near_length=1.2, common=(0.0, 0.4), common_weights=(0.8, 0.2),
)  # fmt: skip
"""Of the logarithm of an error."""
