"""Seeds and rows for a difference, against statsmodels' formula and against studies that are drawn."""

import math

import numpy as np
import pytest
from scipy import stats

from longspan.errors import ConfigError
from longspan.study.statistics.power import DifferenceSpread, detectable_difference, rows_needed, seeds_needed


def test_with_many_degrees_of_freedom_it_is_the_textbook_formula():
    spread = DifferenceSpread(seeds=0.0, rows=0.25, both=0.0, df=1e6)
    by_hand = ((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * 0.5 / 0.03) ** 2
    assert rows_needed(spread, 0.03, 3, power=0.8, level=0.95) == pytest.approx(by_hand, abs=1)


def test_no_number_of_seeds_makes_up_for_too_few_rows_nor_rows_for_seeds():
    spread = DifferenceSpread(seeds=1e-4, rows=0.1, both=0.05, df=5)
    assert seeds_needed(spread, 0.01, 100, power=0.8, level=0.95) is None
    assert rows_needed(spread, 0.002, 3, power=0.8, level=0.95) is None
    seeds = seeds_needed(spread, 0.05, 1000, power=0.8, level=0.95)
    assert seeds is not None
    assert detectable_difference(spread, seeds, 1000, power=0.8, level=0.95) <= 0.05
    assert seeds == 2 or detectable_difference(spread, seeds - 1, 1000, power=0.8, level=0.95) > 0.05


def test_drawn_studies_tell_it_as_often_as_is_said():
    rng = np.random.default_rng(0)
    spread = DifferenceSpread(seeds=4e-4, rows=0.08, both=0.04, df=4)
    difference = detectable_difference(spread, 5, 400, power=0.8, level=0.95)
    told = 0
    for _ in range(600):
        rows, seeds = 0.08**0.5 * rng.normal(size=400), 0.02 * rng.normal(size=(5, 1))
        errors = difference + rows + seeds + 0.2 * rng.normal(size=(5, 400))
        interaction = (errors - errors.mean(0) - errors.mean(1, keepdims=True) + errors.mean()).var() * 2000 / 1596
        variance = errors.mean(1).var(ddof=1) / 5 + (errors.mean(0).var(ddof=1) - interaction / 5) / 400
        told += abs(errors.mean()) / math.sqrt(variance) > stats.t(8).ppf(0.975)
    assert 0.72 <= told / 600 <= 0.88


def test_levels_and_powers_are_checked():
    spread = DifferenceSpread(seeds=1, rows=1, both=0, df=3)
    with pytest.raises(ConfigError, match="power=80"):
        detectable_difference(spread, 3, 10, power=80, level=0.95)
    with pytest.raises(ConfigError, match="level=95"):
        detectable_difference(spread, 3, 10, power=0.8, level=95)
