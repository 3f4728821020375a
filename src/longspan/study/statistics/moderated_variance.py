"""Variances over seeds, moderated: three seeds alone hardly determine the spread of a cell.

M cells, each with a sample variance from a few runs. The logarithm of the true relative variance is a level, plus a
slope over log size, plus a deviation of each group (a strategy, or a pair of them), plus a deviation of each cell. How
large those are was measured on real learning curves (`learned_priors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.study.statistics.learned_priors import VariancePrior

__all__ = ["ModeratedVariance", "moderate"]

_NEWTON_STEPS = 60
_LEAST_RATIO = 0.2
_TINY = 1e-12


@final
@dataclass(frozen=True, kw_only=True)
class ModeratedVariance:
    """The variance of one run in each of M cells, and how well it is known."""

    values: np.ndarray
    """`(M,)`."""
    df: np.ndarray
    """`(M,)`: degrees of freedom of Student's t for a mean with this variance; more than the cell alone would have."""


def moderate(
    sample: np.ndarray, df: np.ndarray, scale: np.ndarray, sizes: np.ndarray, groups: np.ndarray, prior: VariancePrior,
    wrong: np.ndarray | None = None,
) -> ModeratedVariance:  # fmt: skip
    """Posterior variances by Laplace's approximation, averaged over how much cells may differ.

    Source: Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression" (limma), and
    its trend over the mean (limma-trend). Differs: the trend is over log size and Bayesian, and the prior's parameters
    come from other learning curves, because a study has too few cells to estimate them; and a sample variance counts
    as if it had the degrees of freedom at which a normal one would be as uncertain: with excess kurtosis k and R runs
    its relative variance is 2 / (R - 1) + k / R (Kendall and Stuart, volume 1, section 10.5).

    Args:
        sample: `(M,)` sample variances; anything where `df` is 0.
        df: `(M,)` degrees of freedom of each, 0 where there is a single run.
        scale: `(M,)` > 0: the error that a variance is relative to.
        sizes: `(M,)` training rows.
        groups: `(M,)` whole numbers: cells of one strategy, or one pair, have the same.
        prior: measured on real curves.
        wrong: `(M,)` errors as fractions, for a prior that is a function of them.
    """
    relative = sample / scale**2
    df = np.where(df > 0, 2 / (2 / np.maximum(df, 1e-9) + prior.excess_kurtosis / (df + 1)), 0.0)
    x = np.log(sizes / 100.0)
    same = groups[:, None] == groups[None]
    broad = prior.level_sd**2 + prior.slope_sd**2 * np.outer(x, x) + prior.group_sd**2 * same
    mean = prior.logs(sizes, wrong)
    logs, modes, spreads = [], [], []
    for cell_sd in prior.cell_sds:
        evidence, mode, spread = _laplace(relative, df, mean, broad + cell_sd**2 * np.eye(len(x)))
        logs.append(evidence)
        modes.append(mode)
        spreads.append(spread)
    weights = np.asarray(prior.cell_weights) * np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    mode = weights @ np.array(modes)
    spread = weights @ (np.array(spreads) + (np.array(modes) - mode) ** 2)
    return ModeratedVariance(values=np.exp(mode) * scale**2, df=np.clip(2.0 / spread, 1.0, 1e6))


def _laplace(
    relative: np.ndarray, df: np.ndarray, mean: np.ndarray, prior: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log evidence, and mode and marginal variance of the log variance of each cell."""
    precision = np.linalg.inv(prior)
    eta = mean.copy()
    for _ in range(_NEWTON_STEPS):
        ratio = relative * np.exp(-eta)
        gradient = -precision @ (eta - mean) - 0.5 * df * (1 - ratio)
        # Far above the mode the ratio vanishes, and the curvature with it; a least one keeps steps small.
        curvature = precision + np.diag(0.5 * df * np.maximum(ratio, _LEAST_RATIO))
        step = np.linalg.solve(curvature, gradient)
        eta = eta + np.clip(step, -3.0, 3.0)
        if np.abs(step).max() < 1e-8:
            break
    # The curvature at which a scaled inverse chi-squared of these degrees of freedom would sit.
    hessian = precision + np.diag(0.5 * df * relative * np.exp(-eta))
    away = eta - mean
    fit = -0.5 * float(np.sum(df * (eta + relative * np.exp(-eta))))
    evidence = fit - 0.5 * float(away @ precision @ away)
    evidence += 0.5 * float(np.linalg.slogdet(precision)[1] - np.linalg.slogdet(hessian)[1])
    return evidence, eta, np.diagonal(np.linalg.inv(hessian)).copy()
