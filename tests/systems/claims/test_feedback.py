"""The five theorems on short urns, and what makes a verdict."""

import numpy as np
import pytest

from longspan.systems.claims.feedback import _THEOREMS, FeedbackOptions, _Check, _fixed_share, _over_runs


def test_the_theorems_hold_on_short_urns():
    options = FeedbackOptions(runs=300, days=3000)
    checks = [theorem(options, 0) for theorem in _THEOREMS]
    assert [round(each.expected, 3) for each in checks] == [0.2, 0.9, 0.6, 0.623, 0.6]
    for each in checks:
        assert each.found == pytest.approx(each.expected, abs=0.02)
        assert each.low < each.found < each.high


def test_the_fixed_share_solves_its_equation():
    share = _fixed_share()
    first, second = 0.6 * (1 + 0.5 * share), 0.4 * (1 + 0.5 * (1 - share))
    assert share == pytest.approx(first / (first + second))


def test_a_verdict_needs_the_interval_to_hold_the_value():
    values = np.random.default_rng(0).normal(1.0, 0.1, 400)
    assert _over_runs("mean", values, lambda draws: draws.mean(axis=-1), 1.0, 0).verdict == "reproduced"
    assert _over_runs("mean", values, lambda draws: draws.mean(axis=-1), 1.1, 0).verdict == "refuted"
    assert _Check("x", 1.0, 1.0, 1.0, 1.0).verdict == "reproduced"
