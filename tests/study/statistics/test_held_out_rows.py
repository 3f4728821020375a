import math

import numpy as np
import pytest
from scipy.stats import binomtest

from longspan.study.statistics.held_out_rows import (
    HeldOutRows,
    difference_covariance,
    proportion_interval,
    with_test_rows,
)


@pytest.mark.parametrize(("wrong", "rows"), [(0, 50), (21, 412), (9, 10), (30, 30)])
def test_the_interval_is_that_of_wilson(wrong, rows):
    reference = binomtest(wrong, rows).proportion_ci(0.95, method="wilson")
    assert proportion_interval(wrong / rows, rows, 0.95) == pytest.approx((reference.low, reference.high), abs=1e-5)


def test_the_same_mistakes_with_every_seed_still_have_an_interval():
    low, high = with_test_rows(21 / 412, 21 / 412, 21 / 412, rows=412, level=0.95)
    assert low < 0.035 < 21 / 412 < 0.075 < high


def test_both_sources_add_in_quadrature():
    least, _ = proportion_interval(0.2, 100, 0.9)
    low, _ = with_test_rows(0.2, 0.15, 0.25, rows=100, level=0.9)
    assert 0.2 - low == pytest.approx(math.sqrt(0.05**2 + (0.2 - least) ** 2))


def test_it_holds_for_other_rows_and_other_trainings():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        trained = np.clip(0.15 + 0.02 * rng.normal(size=5), 0, 1)
        hard = rng.random(300)
        means = np.array([(hard < each).mean() for each in trained])
        half = 2.776 * means.std(ddof=1) / math.sqrt(5)
        low, high = with_test_rows(means.mean(), means.mean() - half, means.mean() + half, rows=300, level=0.95)
        held.append(low <= 0.15 <= high)
    assert 0.93 <= np.mean(held) <= 1.0


def test_the_covariance_over_rows_is_that_of_drawing_other_rows():
    rng = np.random.default_rng(3)
    sizes, draws = 3, []
    common = np.array([0.3, 0.2, 0.1])

    def study(rows):
        hard = rng.normal(size=rows)
        return [common[k] * hard + 0.05 * rng.normal(size=(2, rows)) for k in range(sizes)]

    for _ in range(600):
        draws.append([each.mean() for each in study(40)])
    expected = np.cov(np.array(draws).T)
    found = np.mean([difference_covariance(study(40), proportion=False) for _ in range(60)], axis=0)
    assert found == pytest.approx(expected, rel=0.2)
    assert np.linalg.eigvalsh(difference_covariance(study(5), proportion=False)).min() > -1e-12


def test_rows_without_a_target_count_for_nothing():
    rng = np.random.default_rng(4)
    known = [rng.integers(0, 2, (3, 50)) - rng.integers(0, 2, (3, 50)) for _ in range(2)]
    holes = [np.concatenate([each.astype(float), np.full((3, 5), np.nan)], axis=1) for each in known]
    assert difference_covariance(holes, proportion=True) == pytest.approx(difference_covariance(known, proportion=True))
    assert difference_covariance([np.full((2, 4), np.nan)], proportion=True) is None


def test_differences_are_paired_by_seed_and_row():
    runs = {("a", 10, 0): np.array([1.0, 0.0]), ("b", 10, 0): np.array([0.0, 0.0]), ("a", 10, 1): np.array([1.0, 1.0])}
    held_out = HeldOutRows(count=2, proportion=True, runs=runs)
    assert held_out.differences("a", "b", 10, [0]).tolist() == [[1.0, 0.0]]
    assert held_out.differences("a", "b", 10, [0, 1]) is None
