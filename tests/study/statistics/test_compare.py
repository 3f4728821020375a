"""Comparisons: the posterior of a paired t-test, and what it cannot say."""

import math

import numpy as np
import polars as pl
import pytest

from longspan.errors import StudyError, UnknownNameError
from longspan.study.statistics.compare import compare, compare_all


def table(**cells):
    rows = [
        {"strategy": name, "size": 100, "seed": seed, "target": "y", "error": float(error)}
        for name, errors in cells.items()
        for seed, error in enumerate(errors)
    ]
    return pl.DataFrame(rows)


def test_the_probability_is_students():
    # Differences -1, -2, -3: mean -2, spread 1, t = 2 * sqrt(3) with 2 degrees of freedom.
    (found,) = compare(table(a=[1, 2, 3], b=[2, 4, 6]), "a", "b")
    t = 2 * math.sqrt(3)
    assert found.probability == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t**2)))  # closed form for 2 degrees
    assert (found.difference, found.pairs) == (-2, 3)
    assert found.low == pytest.approx(-2 - 4.3027 / math.sqrt(3), abs=1e-4)
    assert found.high == pytest.approx(-2 + 4.3027 / math.sqrt(3), abs=1e-4)
    (turned,) = compare(table(a=[1, 2, 3], b=[2, 4, 6]), "b", "a")
    assert turned.probability == pytest.approx(0.5 - t / (2 * math.sqrt(2 + t**2)))


def test_the_probability_is_that_of_a_posterior_drawn_by_hand():
    rng = np.random.default_rng(0)
    differences = np.array([-0.02, 0.01, -0.03, -0.01])
    spread = differences.std(ddof=1)
    sigma = spread * np.sqrt(3 / rng.chisquare(3, 400_000))
    mean = differences.mean() + sigma / 2 * rng.normal(size=400_000)
    (found,) = compare(table(a=0.5 + differences, b=[0.5] * 4), "a", "b")
    assert found.probability == pytest.approx((mean < 0).mean(), abs=3e-3)


def test_pairs_are_made_by_seed():
    level = np.array([0.1, 0.5, 0.9])  # seeds differ much more than strategies do
    offset = np.array([0.01, 0.012, 0.008])
    (found,) = compare(table(a=level + offset, b=level), "b", "a")
    assert found.probability is not None
    assert found.probability > 0.99
    (unpaired,) = compare(table(a=level + offset, b=level[::-1]), "b", "a")
    assert unpaired.probability == pytest.approx(0.5, abs=0.1)


def test_a_single_seed_has_no_probability():
    (found,) = compare(table(a=[0.1], b=[0.2]), "a", "b")
    assert (found.pairs, found.probability, found.low, found.high) == (1, None, None, None)
    assert found.difference == pytest.approx(-0.1)
    assert str(found) == "a against b at 100: a single seed, so no probability"


def test_seeds_that_never_met_make_no_pair():
    (found,) = compare(table(a=[0.1, float("nan")], b=[float("nan"), 0.2]), "a", "b")
    assert (found.pairs, found.difference, found.probability) == (0, None, None)
    assert "no seed has a result of both" in str(found)
    assert compare(table(a=[float("nan")] * 2, b=[0.1, 0.2]), "a", "b") == []


def test_ties_and_equal_differences_are_no_certainty():
    (tie,) = compare(table(a=[0.1, 0.2, 0.3], b=[0.1, 0.2, 0.3]), "a", "b")
    assert (tie.difference, tie.probability) == (0, 0.5)
    (always,) = compare(table(a=[0.1, 0.2, 0.3], b=[0.2, 0.3, 0.4]), "a", "b")
    assert always.probability == 1 - 2**-4
    (never,) = compare(table(a=[0.2, 0.3, 0.4], b=[0.1, 0.2, 0.3]), "a", "b")
    assert never.probability == 2**-4


def test_all_pairs_at_all_sizes():
    frame = table(a=[1, 2], b=[2, 3.5], c=[3, 4])
    both = pl.concat([frame, frame.with_columns(size=pl.lit(200, pl.Int64))])
    found = compare_all(both)
    assert found.select("first", "second", "size").rows() == [
        (first, second, size) for first, second in (("a", "b"), ("a", "c"), ("b", "c")) for size in (100, 200)
    ]
    assert found["probability"].is_between(0, 1).all()
    assert compare_all(table(a=[1, 2])).columns == found.columns


def test_names_are_checked():
    with pytest.raises(UnknownNameError, match="Did you mean 'staged'"):
        compare(table(staged=[1, 2], whole=[2, 3]), "staget", "whole")
    with pytest.raises(StudyError, match="'a' twice"):
        compare(table(a=[1, 2]), "a", "a")
