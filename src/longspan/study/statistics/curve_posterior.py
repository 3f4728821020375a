"""The posterior of a curve at and between the sizes tried, under a mixture of Gaussian processes over log size.

K sizes tried, G places, P kernels, C components: a kernel, a multiplier of the noise, and the fraction of it that a
seed has at all sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from longspan.study.statistics.learned_priors import CurvePrior

__all__ = ["CurvePosterior", "Noise", "curve_posterior", "seed_noise"]

# Gauss-Hermite nodes for a standard normal variable: the logarithm of the noise's multiplier.
_NODES = (-2.8569700138728056, -1.355626179974266, 0.0, 1.355626179974266, 2.8569700138728056)
_NODE_WEIGHTS = (
    0.011257411327720691,
    0.22207592200561266,
    0.5333333333333333,
    0.22207592200561266,
    0.011257411327720691,
)
_JITTER = 1e-9
_NEGLIGIBLE = 1e-4


@final
@dataclass(frozen=True, kw_only=True)
class CurvePosterior:
    """A mixture of normal distributions at each of G places."""

    weights: np.ndarray
    """`(C,)`, sums to 1."""
    means: np.ndarray
    """`(C, G)`."""
    sds: np.ndarray
    """`(C, G)`."""
    with_last: np.ndarray
    """`(C, G)`: covariance of the curve at each place with that at the last place."""
    prior_weights: np.ndarray
    """`(P,)`, sums to 1: the kernels before anything was measured."""
    prior_sds: np.ndarray
    """`(P, G)`; their mean is 0."""

    def mean(self) -> np.ndarray:
        """`(G,)`."""
        return self.weights @ self.means

    def below(self, value: float | np.ndarray = 0.0) -> np.ndarray:
        """`(G,)`: the probability that the curve lies below `value`."""
        from scipy.special import ndtr

        return self.weights @ ndtr((value - self.means) / self.sds)

    def log_evidence_against(self, value: float | np.ndarray) -> np.ndarray:
        """`(G,)`: the logarithm of prior density over posterior density at `value`, the Savage-Dickey ratio.

        If the curve has this value at a place, and the model of noise and of bends is right, the ratio is a martingale
        that begins at 1, whichever runs are chosen and whenever one looks: the probability that it ever reaches r is at
        most 1 / r.

        Source: Waudby-Smith and Ramdas 2020, "Confidence sequences for sampling without replacement", section 2 (the
        prior-posterior ratio); Ville 1939.
        """
        from scipy.special import logsumexp

        z, prior_z = (value - self.means) / self.sds, value / self.prior_sds
        posterior = logsumexp(-0.5 * z**2 - np.log(self.sds), b=self.weights[:, None], axis=0)
        return logsumexp(-0.5 * prior_z**2 - np.log(self.prior_sds), b=self.prior_weights[:, None], axis=0) - posterior

    def quantile(self, probability: float) -> np.ndarray:
        """`(G,)`, by halving."""
        low, high = (self.means - 9 * self.sds).min(axis=0), (self.means + 9 * self.sds).max(axis=0)
        for _ in range(45):
            middle = (low + high) / 2
            under = self.below(middle) < probability
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return (low + high) / 2


@final
@dataclass(frozen=True, kw_only=True)
class Noise:
    """N possible covariances of K means over seeds."""

    covariances: np.ndarray
    """`(N, K, K)`."""
    logs: np.ndarray
    """`(N,)`: log weights."""


def seed_noise(x: np.ndarray, errors: np.ndarray, df: float, residuals: np.ndarray | None, prior: CurvePrior) -> Noise:
    """How the means at K sizes vary over seeds: how much, and how alike one seed is from size to size.

    Args:
        x: `(K,)` log sizes.
        errors: `(K,)` standard errors of the means.
        df: degrees of freedom behind them; the fewer, the wider the mixture of multipliers.
        residuals: `(K, R)`: runs less their mean, in standard deviations; None where seeds are not complete.
        prior: what is known of correlations.
    """
    near = prior.near * np.exp(-np.abs(x[:, None] - x[None]) / prior.near_length)
    near += (1 - prior.near) * np.eye(len(x))
    covariances, logs = [], []
    spread = math.sqrt(2.0 / max(df, 2.0))
    for common, weight in zip(prior.common, prior.common_weights, strict=True):
        shape = common + (1 - common) * near
        evidence = math.log(weight) + (0.0 if residuals is None else _log_likelihood(shape, residuals))
        for node, node_weight in zip(_NODES, _NODE_WEIGHTS, strict=True):
            covariances.append(np.outer(errors, errors) * shape * math.exp(node * spread))
            logs.append(evidence + math.log(node_weight))
    return Noise(covariances=np.array(covariances), logs=np.array(logs))


def curve_posterior(
    x: np.ndarray, y: np.ndarray, noise: Noise, places: np.ndarray, prior: CurvePrior
) -> CurvePosterior:
    """The curve at G places, given its noisy values at K log sizes.

    Source: Rasmussen and Williams 2006, algorithm 2.1, for each component; components are weighted by their marginal
    likelihood. Differs: nothing is optimised, for a study has too few sizes; the mixture represents what is unknown.

    Args:
        x: `(K,)` log sizes.
        y: `(K,)` measured values.
        noise: of the measured values.
        places: `(G,)` log sizes.
        prior: the kernels.
    """
    count = len(x)
    at, places = x - x.mean(), places - x.mean()
    known, across, last = prior.kernels(at), prior.kernels(at, places), prior.kernels(places, places[-1:])[:, :, 0]
    variance = prior.variances(places)
    lower = np.linalg.cholesky(known[:, None] + noise.covariances[None] + _JITTER * np.eye(count))
    inverse = np.linalg.inv(lower)
    z = inverse @ y
    logs = -0.5 * (z**2).sum(axis=-1) - np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(axis=-1)
    logs = logs + np.log(prior.weights())[:, None] + noise.logs[None]
    weights = np.exp(logs - logs.max())
    kept = weights > _NEGLIGIBLE * weights.sum()
    kernel, kind = np.nonzero(kept)
    projected = inverse[kernel, kind] @ across[kernel]  # (C, K, G)
    means = np.einsum("ckg,ck->cg", projected, z[kernel, kind])
    variances = np.maximum(variance[kernel] - (projected**2).sum(axis=1), 1e-14)
    with_last = last[kernel] - (projected * projected[:, :, -1:]).sum(axis=1)
    return CurvePosterior(
        weights=weights[kept] / weights[kept].sum(), means=means, sds=np.sqrt(variances), with_last=with_last,
        prior_weights=prior.weights(), prior_sds=np.sqrt(variance),
    )  # fmt: skip


def _log_likelihood(shape: np.ndarray, residuals: np.ndarray) -> float:
    """Of residuals whose mean was taken away, so that one seed's worth of freedom is gone."""
    degrees = residuals.shape[1] - 1
    if degrees < 1:
        return 0.0
    quadratic = float(np.sum(residuals * np.linalg.solve(shape, residuals)))
    return -0.5 * degrees * float(np.linalg.slogdet(shape)[1]) - 0.5 * quadratic
