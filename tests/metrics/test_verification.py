import math

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from longspan.errors import ConfigError, DataError
from longspan.metrics.verification import (
    choose_threshold,
    equal_error_rate,
    error_rates,
    fold_accuracies,
    identification,
    rank_accuracy,
    rate_by_person,
    roc,
    wilson,
)


def test_wilson_against_published_values():
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(0, 0) == (0, 1)


def test_independent_trials_give_wilsons_interval():
    wrong = np.arange(400) % 8 == 0
    rate = rate_by_person(wrong, range(400))
    assert (rate.count, rate.total, rate.value) == (50, 400, 0.125)
    assert (rate.low, rate.high) == pytest.approx(wilson(50, 400), abs=0.004)


def test_trials_of_one_person_count_as_one_where_they_agree():
    """400 trials of 40 people who are all right or all wrong are as good as 40."""
    wrong = (np.arange(40) % 8 == 0).repeat(10)
    rate = rate_by_person(wrong, np.arange(40).repeat(10).tolist())
    assert (rate.low, rate.high) == pytest.approx(wilson(5, 40), abs=0.01)


def test_intervals_by_person_hold():
    """Coverage, over sets of people who differ: of ten comparisons each, an error is likelier for some."""
    rng = np.random.default_rng(0)
    people = np.arange(60).repeat(10)
    inside = plain = 0
    for _ in range(400):
        chance = rng.beta(0.3, 2.7, 60)  # mean 0.1
        wrong = rng.random(600) < chance[people]
        rate = rate_by_person(wrong, people.tolist())
        inside += rate.low <= 0.1 <= rate.high
        plain += wilson(int(wrong.sum()), 600)[0] <= 0.1 <= wilson(int(wrong.sum()), 600)[1]
    assert inside / 400 > 0.92
    assert plain / 400 < 0.80, "without people it would be too narrow"


def test_comparisons_of_two_people_belong_to_both():
    """Against the definition: the sum over all pairs of comparisons that share a person."""
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 12, 90), rng.integers(12, 30, 90)
    bad = rng.random(30) < 0.3
    wrong = bad[first] & (rng.random(90) < 0.8)
    off = wrong - wrong.mean()
    share = (first[:, None] == first) | (second[:, None] == second)
    variance = (share * np.outer(off, off)).sum() / 90**2
    fraction = wrong.mean()
    independent = fraction * (1 - fraction) / variance
    people = len({*first, *second})
    erring = len({*first[wrong]})
    effective = people / 2 + (independent - people / 2) * (erring - 1) / (erring + 1)
    rate = rate_by_person(wrong, first.tolist(), second.tolist())
    assert (rate.low, rate.high) == pytest.approx(wilson(fraction * effective, effective))


def test_nothing_wrong_is_said_of_people_not_of_trials():
    rate = rate_by_person(np.zeros(500, bool), (np.arange(500) % 10).tolist())
    assert (rate.low, rate.high) == pytest.approx(wilson(0, 10))
    rate = rate_by_person(
        np.zeros(45, bool), [a for a in range(10) for _ in range(a)], [b for a in range(10) for b in range(a)]
    )
    assert (rate.low, rate.high) == pytest.approx(wilson(0, 5))


def test_the_curve_is_that_of_another_library():
    rng = np.random.default_rng(0)
    same = rng.random(300) < 0.4
    scores = np.round(rng.normal(same * 1.0, 1), 1)  # with ties
    thresholds, far, frr = roc(scores, same)
    expected = roc_curve(same, scores, drop_intermediate=False)
    np.testing.assert_allclose(far, expected[0])
    np.testing.assert_allclose(1 - frr, expected[1])
    np.testing.assert_allclose(thresholds, expected[2])
    eer = equal_error_rate(scores, same)
    assert far[np.argmax(far >= frr) - 1] <= eer <= far[np.argmax(far >= frr)]


def test_equal_error_rate_by_hand():
    assert equal_error_rate([0.9, 0.8, 0.2, 0.1], [True, True, False, False]) == 0
    assert equal_error_rate([0.9, 0.2, 0.8, 0.1], [True, True, False, False]) == 0.5
    assert equal_error_rate([1.0, 1.0], [True, False]) == 0.5


def test_a_threshold_lets_no_more_in_than_allowed():
    scores = np.arange(200) / 200
    threshold = choose_threshold(scores, np.zeros(200, bool), far=0.01)
    assert (scores >= threshold).sum() == 2
    assert (scores >= scores[197]).sum() == 3, "and none lower would do"
    with pytest.raises(DataError, match="at least 1,000 are needed"):
        choose_threshold(scores, np.zeros(200, bool), far=0.001)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        choose_threshold(scores, np.zeros(200, bool), far=1)
    equal = choose_threshold(np.full(200, 0.5), np.zeros(200, bool), far=0.01)
    assert equal > 0.5, "equal scores are not let in together"


def test_both_errors_at_a_threshold():
    rates = error_rates([0.9, 0.4, 0.8, 0.1, 0.2], "aabcc", "aaacb", 0.5)
    assert (rates.frr.count, rates.frr.total) == (2, 3)
    assert (rates.far.count, rates.far.total) == (1, 2)
    with pytest.raises(DataError, match="Both kinds"):
        error_rates([0.9], "a", "a", 0.5)
    with pytest.raises(DataError, match="finite"):
        error_rates([0.9, math.nan], "ab", "aa", 0.5)


def test_thresholds_of_a_fold_come_from_the_others():
    scores = np.array([0.9, 0.1, 0.5, 0.4, 0.9, 0.6])
    same = np.array([True, False] * 3)
    accuracies, thresholds = fold_accuracies(scores, same, [0, 0, 1, 1, 2, 2])
    # Without fold 2 the best threshold lies between 0.4 and 0.5, so 0.6 is accepted there.
    assert thresholds[2] == pytest.approx(0.45)
    assert accuracies.tolist() == [1.0, 0.5, 0.5]
    with pytest.raises(DataError, match="one fold"):
        fold_accuracies(scores, same, np.zeros(6))


SIMILARITIES = np.array([[0.9, 0.1, 0.3], [0.6, 0.2, 0.7], [0.1, 0.8, 0.2]])  # entries of a, b, a


def test_ranks_count_people_not_entries():
    assert rank_accuracy(SIMILARITIES, ["a", "b", "b"], ["a", "b", "a"]).count == 2
    assert rank_accuracy(SIMILARITIES, ["a", "b", "b"], ["a", "b", "a"], rank=2).count == 3
    with pytest.raises(DataError, match="'c' is not in the gallery"):
        rank_accuracy(SIMILARITIES, ["a", "c", "b"], ["a", "b", "a"])


def test_strangers_are_named_above_the_threshold():
    found = identification(SIMILARITIES, ["a", "stranger", "b"], ["a", "b", "a"], 0.75)
    assert (found.dir.count, found.dir.total, found.far.count, found.far.total) == (2, 2, 0, 1)
    found = identification(SIMILARITIES, ["b", "stranger", "b"], ["a", "b", "a"], 0.65)
    assert (found.dir.count, found.far.count, found.wrong_person.count) == (1, 1, 1)
