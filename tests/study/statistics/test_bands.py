import numpy as np
import pytest
from scipy import stats

from longspan.study.statistics.bands import mean_bands

SIZES = np.array([100, 200, 400, 800, 1600, 3200])
TRUTH = np.stack([0.5 * SIZES**-0.3, 0.8 * SIZES**-0.4])


def made_up(seed, runs=3):
    return TRUTH[..., None] * (1 + 0.08 * np.random.default_rng(seed).normal(size=(2, 6, runs)))


def test_with_three_seeds_they_are_two_fifths_narrower_than_t_and_hold_what_they_promise():
    held, width = [], []
    for seed in range(40):
        errors = made_up(seed)
        low, high = mean_bands(SIZES, errors, 0.95)
        held += ((low <= TRUTH) & (high >= TRUTH)).ravel().tolist()
        t = 2 * stats.t.ppf(0.975, 2) * errors.std(axis=2, ddof=1) / np.sqrt(3)
        width += ((high - low) / t).ravel().tolist()
    assert np.median(width) < 0.6
    assert 0.92 <= np.mean(held) <= 0.995


def test_seeds_that_agree_by_chance_still_have_an_interval():
    errors = made_up(0)
    errors[0, 2] = errors[0, 2].mean()
    low, high = mean_bands(SIZES, errors, 0.95)
    assert high[0, 2] - low[0, 2] > 0.04 * errors[0, 2, 0]


def test_missing_runs_leave_the_rest():
    errors = made_up(1)
    errors[0, 0] = np.nan
    errors[1, 3, 1:] = np.nan
    low, high = mean_bands(SIZES, errors, 0.95)
    assert np.isnan(low[0, 0])
    assert np.isnan(high[1, 3])
    assert np.isfinite(low).sum() == np.isfinite(high).sum() == 10
    assert (low[0, 1:] <= errors[0, 1:].mean(axis=1)).all()


def test_errors_of_another_unit_have_the_same_relative_intervals():
    low, high = mean_bands(SIZES, made_up(2), 0.9)
    thousand = mean_bands(SIZES, 1000 * made_up(2), 0.9)
    assert thousand[0] == pytest.approx(1000 * low, rel=1e-6)
    assert thousand[1] == pytest.approx(1000 * high, rel=1e-6)


def test_of_fractions_the_error_tells_how_much_it_varies():
    errors = made_up(3, runs=2)
    for each in range(2):
        errors[each] = errors[each].mean(axis=1, keepdims=True) + np.array([-1e-3, 1e-3])  # hardly any spread is seen
    low, high = mean_bands(SIZES, errors, 0.95)
    of_fractions = mean_bands(SIZES, errors, 0.95, largest=1.0)
    assert np.median((of_fractions[1] - of_fractions[0]) / (high - low)) > 1.1
    percents = mean_bands(SIZES, 100 * errors, 0.95, largest=100.0)
    assert percents[0] == pytest.approx(100 * of_fractions[0], rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_constant_errors_stop_nothing(value):
    low, high = mean_bands(SIZES, np.full((2, 6, 3), value), 0.95)
    assert (low <= value).all()
    assert (high >= value).all()
