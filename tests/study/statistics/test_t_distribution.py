"""Student's t against printed tables and against a sum over its density."""

import math

import numpy as np
import pytest
from scipy import stats

from longspan.errors import ConfigError
from longspan.study.statistics.t_distribution import mean_interval, t_cdf, t_quantile


@pytest.mark.parametrize(
    ("df", "at_95", "at_975"),
    [(1, 6.3138, 12.7062), (2, 2.9200, 4.3027), (3, 2.3534, 3.1824), (4, 2.1318, 2.7764), (5, 2.0150, 2.5706),
     (10, 1.8125, 2.2281), (29, 1.6991, 2.0452)],
)  # fmt: skip
def test_quantiles_are_those_of_the_tables(df, at_95, at_975):
    assert t_quantile(0.95, df) == pytest.approx(at_95, abs=6e-5)
    assert t_quantile(0.975, df) == pytest.approx(at_975, abs=6e-5)
    assert t_quantile(0.025, df) == pytest.approx(-at_975, abs=6e-5)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 8])
def test_the_distribution_is_the_sum_of_its_density(df):
    scale = math.gamma((df + 1) / 2) / (math.sqrt(df * math.pi) * math.gamma(df / 2))
    for t in (0.5, 1.7, 3.0):
        x = np.linspace(0, t, 20_001)
        density = scale * (1 + x**2 / df) ** (-(df + 1) / 2)
        assert t_cdf(t, df) == pytest.approx(0.5 + np.trapezoid(density, x), abs=1e-8)
        assert t_cdf(-t, df) == pytest.approx(1 - t_cdf(t, df), abs=1e-12)


def test_ends_and_slips():
    assert (t_cdf(math.inf, 3), t_cdf(-math.inf, 3), t_cdf(0, 3)) == (1, 0, 0.5)
    with pytest.raises(ConfigError, match="from 1 on"):
        t_cdf(1.0, 0)
    with pytest.raises(ConfigError, match=r"between 0 and 1, got 95"):
        t_quantile(95, 3)


def test_the_interval_is_that_of_a_paired_t_test():
    one, other = np.random.default_rng(0).normal(size=(2, 5))
    mean, low, high = mean_interval((other - one).tolist())
    found = stats.ttest_rel(other, one).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((np.mean(other - one), found.low, found.high))
    assert mean_interval([0.25]) == (0.25, 0.25, 0.25)
