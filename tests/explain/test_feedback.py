"""A policy that learns from what it found: where it ends, against what theory says of urns."""

import numpy as np
import pytest
from scipy import stats

from longspan.errors import ConfigError
from longspan.explain.feedback import discovered, feedback_audit, reweighted, simulate_feedback


def test_with_equal_rates_the_share_is_a_beta_binomial_draw():
    _, records, _ = simulate_feedback((1.0, 1.0), prior=(2, 3), one_at_most=True, days=100, runs=2000, seed=1)
    assert (records.sum(axis=1) == 105).all()  # an incident a day
    found = records[:, 0] - 2
    expected = stats.betabinom(100, 2, 3)
    for place in (10, 30, 50, 80):
        assert (found <= place).mean() == pytest.approx(expected.cdf(place), abs=0.035)  # 3 standard errors


def test_the_busier_region_ends_up_with_more_than_its_share():
    *_, shares = simulate_feedback((3.0, 2.0), days=400, runs=200)
    assert shares[:, 0].mean() > 0.7
    *_, corrected = simulate_feedback((3.0, 2.0), censor=reweighted, days=2000, runs=200)
    assert corrected[:, 0].mean() == pytest.approx(0.6, abs=0.02)


def test_an_audit_finds_the_exploration_that_mends_the_policy():
    audit = feedback_audit((3.0, 2.0), days=1000, runs=100, explorations=(0.0, 0.2, 1.0), tolerance=0.05)
    drifts = [each.drift for each in audit.outcomes]
    assert drifts[0] > drifts[1] > drifts[2]
    assert audit.needed == 1.0
    assert "it takes 100% exploration" in str(audit)
    assert str(audit).count("\n") == 3
    honest = feedback_audit((3.0, 2.0), censor=lambda incidents, *_: incidents, days=1000, runs=50)
    assert honest.needed == 0.0
    assert "without exploration" in str(honest)
    short = feedback_audit((3.0, 2.0), days=1000, runs=50, explorations=(0.0, 0.05))
    assert short.needed is None
    assert "is not enough" in str(short)


def test_a_policy_that_sends_everyone_to_the_highest_rate_runs_away_at_once():
    def greedy(rates):
        return (rates == rates.max(axis=1, keepdims=True)).astype(float)

    *_, shares = simulate_feedback((3.0, 2.9), prior=(10, 11), allocate=greedy, days=50, runs=20)
    assert (shares[:, 1] == 1).all()  # it never sees the other


def test_runs_depend_on_the_seed_alone():
    first, again, other = (simulate_feedback((3.0, 2.0), days=20, runs=5, seed=seed)[1] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_what_a_policy_must_not_return_is_refused():
    cases = {
        "predict must return an array of shape": {"predict": lambda records: records[:, :1]},
        "allocate returned a negative": {"allocate": lambda rates: -rates},
        "censor returned a negative": {"censor": lambda *_: np.full((200, 2), np.nan)},
        "no region a share": {"allocate": lambda rates: 0 * rates},
        "rates must be": {"rates": [1.0]},
        "prior must be": {"prior": [1.0]},
        "days must be": {"days": 0},
        "explorations must be": {"explorations": [2.0]},
        "tolerance must be": {"tolerance": 0},
    }
    for message, options in cases.items():
        with pytest.raises(ConfigError, match=message):
            feedback_audit(**{"rates": [1.0, 2.0], "days": 3, "explorations": [0.0], **options})
    with pytest.raises(ConfigError, match="probabilities"):
        simulate_feedback([2.0, 1.0], one_at_most=True)


def test_only_visits_discover():
    visits = np.array([[1.0, 0.0]])
    assert discovered(np.array([[3.0, 4.0]]), visits, visits, np.random.default_rng(0)).tolist() == [[3.0, 0.0]]
