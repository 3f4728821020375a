"""Comparisons: the posterior of a paired t-test with a moderated variance, on these rows and on rows like these."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from longspan.errors import StudyError, UnknownNameError
from longspan.study.statistics.compare import compare, compare_all
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.paired_difference import pair_scale, pair_variances


def table(**cells):
    rows = [
        {"strategy": name, "size": 100, "seed": seed, "target": "y", "error": float(error)}
        for name, errors in cells.items()
        for seed, error in enumerate(errors)
    ]
    return pl.DataFrame(rows)


def test_the_probability_is_students_with_a_moderated_variance():
    ours, theirs = np.array([[0.1, 0.2, 0.3]]), np.array([[0.25, 0.35, 0.5]])
    (found,) = compare(table(a=ours[0], b=theirs[0]), "a", "b")
    known = pair_variances(np.array([100.0]), ours - theirs, pair_scale(ours, theirs))
    reference = stats.t(known.df[0], -0.5 / 3, math.sqrt(known.values[0] / 3))
    assert (found.difference, found.pairs) == (pytest.approx(-0.5 / 3), 3)
    assert found.probability == pytest.approx(reference.cdf(0))
    assert (found.low, found.high) == pytest.approx(reference.interval(0.95))
    (turned,) = compare(table(a=ours[0], b=theirs[0]), "b", "a")
    assert turned.probability == pytest.approx(1 - reference.cdf(0))


def test_with_many_seeds_it_is_the_classical_paired_test():
    rng = np.random.default_rng(0)
    a, b = 0.2 + 0.02 * rng.normal(size=60), 0.195 + 0.02 * rng.normal(size=60)
    (found,) = compare(table(a=a, b=b), "a", "b")
    assert found.probability == pytest.approx(stats.ttest_rel(b, a, alternative="less").pvalue, abs=0.02)


def test_intervals_hold_and_are_narrower_than_those_of_three_pairs_alone():
    rng = np.random.default_rng(3)
    held, narrower = [], []
    for _ in range(60):
        spread = 0.1 * np.exp(0.5 * np.clip(rng.normal(), -2, 1))
        sizes = [table(a=1 + spread * rng.normal(size=3), b=[1.0] * 3).with_columns(size=n) for n in (100, 200, 400)]
        for each, frame in zip(compare(pl.concat(sizes), "a", "b"), sizes, strict=True):
            errors = frame.filter(strategy="a")["error"].to_numpy() - 1
            low, high = stats.t(2, errors.mean(), errors.std(ddof=1) / math.sqrt(3)).interval(0.95)
            held.append(each.low <= 0 <= each.high)  # pyright: ignore
            narrower.append((each.high - each.low) / (high - low))  # pyright: ignore
    assert 0.92 <= np.mean(held) <= 1
    assert np.median(narrower) < 0.75


def test_pairs_are_made_by_seed():
    level = np.array([0.1, 0.5, 0.9])  # seeds differ much more than strategies do
    offset = np.array([0.06, 0.062, 0.058])
    (found,) = compare(table(a=level + offset, b=level), "b", "a")
    assert found.probability is not None
    assert found.probability > 0.95
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
    assert tie.low < 0 < tie.high, "equal three times is not equal for ever"
    (always,) = compare(table(a=[0.1, 0.2, 0.3], b=[0.11, 0.21, 0.31]), "a", "b")
    assert 0.5 < always.probability < 0.99
    assert always.low < always.difference < always.high


def rows_of(rows, draw=0, seeds=4, hard=0.3, gain=0.0, noise=0.1):
    """Two strategies on the same rows: the second is wrong on a few more of them; and what that gives everywhere."""
    rng = np.random.default_rng(draw)
    difficulty, runs, cells = rng.random(rows), {}, {"a": [], "b": []}
    for seed in range(seeds):
        for name, level in (("a", hard), ("b", hard + gain)):
            wrong = (difficulty + noise * rng.normal(size=rows) < level + 0.01 * rng.normal()).astype(float)
            runs[name, 100, seed] = wrong
            cells[name].append(wrong.mean())
    return table(**cells), HeldOutRows(count=rows, proportion=True, runs=runs)


def test_other_rows_are_a_second_source_of_doubt():
    frame, held_out = rows_of(80, gain=0.02)
    (found,) = compare(frame, "a", "b", held_out=held_out)
    (here,) = compare(frame, "a", "b")
    assert (found.low, found.high, found.probability) == (here.low, here.high, here.probability)
    assert found.rows_low < found.low
    assert found.rows_high > found.high
    assert found.chance == found.rows_probability != found.probability
    assert "on these rows, P = " in str(found)


def test_intervals_for_rows_like_these_hold():
    held, on_these = [], []
    for draw in range(150):
        frame, held_out = rows_of(100, draw=draw, gain=0.05, noise=0.02)
        (found,) = compare(frame, "b", "a", held_out=held_out)
        held.append(found.rows_low <= 0.05 <= found.rows_high)  # pyright: ignore - 0.05: of the rows, away from the ends
        on_these.append(found.low <= 0.05 <= found.high)  # pyright: ignore
    assert 0.92 <= np.mean(held) <= 1
    assert np.mean(on_these) < 0.9


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
