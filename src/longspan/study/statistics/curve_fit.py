"""A power law fitted to the runs of one strategy, and the same fit for every resample of the seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.study.statistics.power_law import PowerLaw, fit_power_laws, power_laws_at
from longspan.study.statistics.resample import Resamples, resampled_means, standard_errors
from longspan.study.statistics.t_distribution import t_quantile

__all__ = ["CurveFit", "fit_curve"]


@final
@dataclass(frozen=True, kw_only=True)
class CurveFit:
    """What is known of one strategy's curve. B resamples, K sizes, G places on the curve."""

    law: PowerLaw
    """Fitted to the mean errors."""
    sizes: np.ndarray
    """`(K,)`: the sizes that the fit uses, ascending."""
    runs: int
    """The runs in the cell that has fewest; with one there is no spread."""
    left_out: tuple[int, ...]
    """Sizes with a single run where others have more: their error is not known well enough to bend the curve."""
    means: np.ndarray
    """`(K,)`: the mean error at each size."""
    resampled: np.ndarray
    """`(B, K)`: the same of each resample."""
    laws: tuple[np.ndarray, np.ndarray, np.ndarray]
    """a, b and c of each resample, each `(B,)`."""
    drawn: Resamples

    def law_at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The law at G sizes, within those tried or beyond: `(G,)`, and of every resample `(B, G)`."""
        return power_laws_at(x, _one(self.law))[0], power_laws_at(x, self.laws)

    def measured_at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The measured curve at G sizes within those tried: `(G,)`, and of every resample `(B, G)`.

        It is the law times a factor, interpolated over log size, that leads it through every mean. So it bends like a
        learning curve between two sizes, where a straight line would lie too high, and yet follows curves that are no
        power law (a plateau at guessing level before learning starts, say).
        """
        whole = _through_means(x, self.sizes, self.means[None], _one(self.law))[0]
        return whole, _through_means(x, self.sizes, self.resampled, self.laws)

    def half_width(self, values: np.ndarray, level: float) -> np.ndarray | None:
        """Half the width of an interval around G values that each resample gave, `(B, G)`; None with one run."""
        if self.runs < 2:
            return None
        return t_quantile((1 + level) / 2, self.runs - 1) * standard_errors(values, self.drawn, runs=self.runs)


def fit_curve(sizes: np.ndarray, errors: np.ndarray, drawn: Resamples) -> CurveFit | str:
    """Fit the runs of one strategy; or say why that cannot be done.

    With three sizes or more the law has a floor; with two it has none, because two points say nothing of a bend.

    Args:
        sizes: `(K,)` training rows, ascending.
        errors: `(K, R)`, NaN where there is no run.
        drawn: resamples of the R seeds; the same for every strategy, so that curves can be compared resample by
            resample.
    """
    runs_K = np.isfinite(errors).sum(axis=1)
    used = runs_K >= 2
    if used.sum() < 2:
        used = runs_K >= 1
    if used.sum() < 2:
        return "a curve needs runs at two sizes or more" if used.any() else "no run has a result"
    kept = errors[used]
    means, resampled = np.nanmean(kept, axis=1), resampled_means(kept, drawn)
    counts_K = runs_K[used].astype(np.float64)
    floor = len(means) >= 3
    a, b, c = fit_power_laws(sizes[used], means[None], counts_K[None], floor=floor)
    laws = fit_power_laws(sizes[used], resampled, np.broadcast_to(counts_K, resampled.shape), floor=floor)
    return CurveFit(
        law=PowerLaw(a=float(a[0]), b=float(b[0]), c=float(c[0])),
        sizes=sizes[used].astype(np.float64),
        runs=int(counts_K.min()),
        left_out=tuple(int(size) for size in sizes[(runs_K == 1) & ~used]),
        means=means,
        resampled=resampled,
        laws=laws,
        drawn=drawn,
    )


def _one(law: PowerLaw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One law where B are expected."""
    return np.array([law.a]), np.array([law.b]), np.array([law.c])


def _through_means(
    x: np.ndarray, sizes: np.ndarray, resampled: np.ndarray, laws: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """The laws, each times the factor that leads it through its means: `(B, G)`."""
    at_sizes_BK = power_laws_at(sizes, laws)
    factors_BK = np.divide(resampled, at_sizes_BK, out=np.ones_like(resampled), where=at_sizes_BK > 0)
    logs = np.log(sizes)
    left = np.clip(np.searchsorted(logs, np.log(x), side="right") - 1, 0, len(logs) - 2)
    fraction = (np.log(x) - logs[left]) / (logs[left + 1] - logs[left])
    factors_BG = factors_BK[:, left] * (1 - fraction) + factors_BK[:, left + 1] * fraction
    return power_laws_at(x, laws) * factors_BG
