import math

import numpy as np
import pytest
from scipy.stats import binomtest

from longspan.study.statistics.held_out_rows import proportion_interval, with_test_rows


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
