import numpy as np
import pytest
from scipy.stats import multivariate_normal

from longspan.study.statistics.curve_posterior import Noise, curve_posterior, seed_noise
from longspan.study.statistics.learned_priors import CurvePrior

X, Y, PLACES = np.array([0.0, 1.0, 3.0]), np.array([0.3, 0.1, -0.2]), np.array([0.5, 2.0])


def prior(*components):
    return CurvePrior(
        components=components, level_sd=1.0, slope_sd=0.5, near=0.5, near_length=1.0, common=(0.0, 0.6),
        common_weights=(0.5, 0.5),
    )  # fmt: skip


def test_one_component_is_the_conditional_normal():
    one = prior((2.5, 0.4, 2.0, 1.0))
    noise = np.diag([0.01, 0.02, 0.01])
    found = curve_posterior(X, Y, Noise(covariances=noise[None], logs=np.zeros(1)), PLACES, one)
    both = one.kernels(np.concatenate([X, PLACES]) - X.mean())[0]
    gain = both[3:, :3] @ np.linalg.inv(both[:3, :3] + noise)
    assert found.mean() == pytest.approx(gain @ Y, abs=1e-7)
    assert found.sds[0] ** 2 == pytest.approx(np.diag(both[3:, 3:] - gain @ both[:3, 3:]), rel=1e-5)


def test_components_are_weighted_by_their_evidence():
    two = prior((0.5, 0.1, 1.0, 0.3), (2.5, 0.7, 2.0, 0.7))
    noise = np.diag([0.01, 0.02, 0.01])
    found = curve_posterior(X, Y, Noise(covariances=noise[None], logs=np.zeros(1)), PLACES, two)
    evidence = [multivariate_normal.pdf(Y, cov=each + noise) for each in two.kernels(X - X.mean())]
    expected = np.array([0.3, 0.7]) * evidence
    assert found.weights == pytest.approx(expected / expected.sum(), rel=1e-4)


def test_quantiles_and_probabilities_agree():
    found = curve_posterior(X, Y, seed_noise(X, np.full(3, 0.1), 4.0, None, prior((1.5, 0.4, 2.0, 1.0))), PLACES,
                            prior((1.5, 0.4, 2.0, 1.0)))  # fmt: skip
    assert found.below(found.quantile(0.2)) == pytest.approx(0.2, abs=1e-6)
    assert (found.quantile(0.9) > found.quantile(0.1)).all()


def test_few_degrees_of_freedom_make_tails_as_long_as_those_of_t():
    # A level known from one size alone: the mixture of multipliers should be near Student's t.
    flat = CurvePrior(
        components=((2.5, 1e-4, 2.0, 1.0),), level_sd=1e3, slope_sd=1e-6, near=0.0, near_length=1.0, common=(0.0,),
        common_weights=(1.0,),
    )  # fmt: skip
    x = np.array([0.0])
    found = curve_posterior(x, np.array([0.0]), seed_noise(x, np.array([1.0]), 6.0, None, flat), x, flat)
    assert found.quantile(0.975)[0] == pytest.approx(2.447, rel=0.12)


def test_seeds_that_move_as_one_are_seen_as_such():
    rng = np.random.default_rng(0)
    known = prior((2.5, 0.4, 2.0, 1.0))
    x = np.linspace(0, 8, 6)
    together = np.repeat(rng.normal(size=(1, 6)), 6, axis=0) + 0.1 * rng.normal(size=(6, 6))
    alone = rng.normal(size=(6, 6))
    for residuals, common in ((together, True), (alone, False)):
        noise = seed_noise(x, np.ones(6), 9.0, residuals - residuals.mean(axis=1, keepdims=True), known)
        assert (noise.logs[5:].max() > noise.logs[:5].max()) == common


def test_evidence_against_a_value_is_the_ratio_of_marginal_likelihoods():
    two = prior((0.5, 0.1, 1.0, 0.3), (2.5, 0.7, 2.0, 0.7))
    noise, value, place = np.diag([0.01, 0.02, 0.01]), 0.15, PLACES[-1]
    found = curve_posterior(X, Y, Noise(covariances=noise[None], logs=np.zeros(1)), PLACES, two)
    free = constrained = at_all = 0.0
    for weight, kernel in zip((0.3, 0.7), two.kernels(np.append(X, place) - X.mean()), strict=True):
        density = weight * multivariate_normal.pdf(value, cov=kernel[3, 3])
        gain = kernel[:3, 3] / kernel[3, 3]
        left = kernel[:3, :3] - np.outer(gain, kernel[3, :3])
        free += weight * multivariate_normal.pdf(Y, cov=kernel[:3, :3] + noise)
        constrained += density * multivariate_normal.pdf(Y, mean=gain * value, cov=left + noise)
        at_all += density
    expected = np.log(free / (constrained / at_all))
    assert found.log_evidence_against(value)[-1] == pytest.approx(expected, rel=1e-3)


def test_evidence_against_the_true_value_is_seldom_large_however_often_one_looks():
    rng, one = np.random.default_rng(1), prior((1.5, 0.4, 2.0, 1.0))
    at = np.append(X, X[-1])
    kernel = one.kernels(X - X.mean())[0]
    rest = kernel[:2, :2] - np.outer(kernel[:2, 2], kernel[2, :2]) / kernel[2, 2]
    fooled = 0
    for _ in range(60):
        curve = np.append(rng.multivariate_normal(np.zeros(2), rest), 0.0)  # it is 0 at the last place
        runs = curve + rng.normal(size=(12, 3)) * 0.3
        looks = (
            curve_posterior(
                X,
                runs[:count].mean(axis=0),
                Noise(covariances=np.eye(3)[None] * 0.09 / count, logs=np.zeros(1)),
                at,
                one,
            ).log_evidence_against(0.0)[-1]
            for count in range(1, 13)
        )
        fooled += max(looks) >= np.log(20)
    assert fooled <= 6  # of 60 at 5 %: more happen in one case of 25
