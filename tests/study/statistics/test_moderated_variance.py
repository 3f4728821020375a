import numpy as np
import pytest

from longspan.study.statistics.learned_priors import VariancePrior
from longspan.study.statistics.moderated_variance import moderate

VAGUE = VariancePrior(
    level=0.0, level_sd=30.0, slope=0.0, slope_sd=1e-3, group_sd=0.0, cell_sds=(1e-3,), cell_weights=(1.0,)
)


def test_cells_that_may_not_differ_pool_as_textbooks_do():
    # One common variance under a flat prior: the mean of the sample variances weighted by their degrees of freedom.
    sample, df = np.array([1.0, 2.0, 6.0]), np.array([2.0, 4.0, 2.0])
    found = moderate(sample, df, np.ones(3), np.full(3, 100), np.zeros(3, int), VAGUE)
    assert found.values == pytest.approx([22 / 8] * 3, rel=0.01)
    assert found.df == pytest.approx([8.0] * 3, rel=0.02)


def test_cells_that_may_differ_at_will_keep_their_own():
    free = VariancePrior(
        level=0.0, level_sd=1e-3, slope=0.0, slope_sd=1e-3, group_sd=0.0, cell_sds=(30.0,), cell_weights=(1.0,)
    )
    found = moderate(np.array([0.1, 5.0]), np.array([9.0, 4.0]), np.ones(2), np.full(2, 100), np.zeros(2, int), free)
    assert found.values == pytest.approx([0.1, 5.0], rel=0.01)
    assert found.df == pytest.approx([9.0, 4.0], rel=0.02)


def test_a_cell_without_freedom_takes_its_neighbours_variance():
    sample, df = np.array([4.0, 4.0, 0.0]), np.array([6.0, 6.0, 0.0])
    found = moderate(sample, df, np.ones(3), np.array([50, 100, 200]), np.zeros(3, int), VAGUE)
    assert found.values[2] == pytest.approx(4.0, rel=0.02)


def test_variances_are_relative_to_the_error():
    sample, df = np.array([1.0, 400.0]), np.array([3.0, 3.0])
    found = moderate(sample, df, np.array([1.0, 20.0]), np.full(2, 100), np.zeros(2, int), VAGUE)
    assert found.values == pytest.approx([1.0, 400.0], rel=0.01)


def test_a_cell_without_freedom_takes_what_its_error_tells():
    # A binomial variance, relative to the squared error: (1 - p) / (p n).
    binomial = VariancePrior(
        level=0.0, level_sd=30.0, slope=0.0, slope_sd=1e-3, group_sd=0.0, cell_sds=(1e-3,), cell_weights=(1.0,),
        wrong_power=-1.0, right_power=1.0,
    )  # fmt: skip
    wrong = np.array([0.1, 0.4, 0.7])
    variance = wrong * (1 - wrong) / 50
    sample, df = np.array([variance[0], variance[1], 0.0]), np.array([9.0, 9.0, 0.0])
    found = moderate(sample, df, wrong, np.full(3, 100), np.zeros(3, int), binomial, wrong)
    assert found.values == pytest.approx(variance, rel=0.02)
