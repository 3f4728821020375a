import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.explain.threshold import _best, _costs


@pytest.mark.parametrize(("false_positive", "false_negative"), [(1, 1), (1, 9), (5, 1)])
def test_the_best_threshold_is_that_of_a_search_over_all(false_positive, false_negative):
    rng = np.random.default_rng(1)
    scores = rng.random(300).round(2)  # with ties
    positive = rng.random(300) < scores
    best = _best(scores, positive, false_positive, false_negative)
    costs = [_costs(scores, positive, at, false_positive, false_negative).sum() for at in np.linspace(0, 1, 1001)]
    assert _costs(scores, positive, best, false_positive, false_negative).sum() == min(costs)


def test_dear_misses_lower_the_threshold_and_the_cost(loans):
    trees, table = loans
    found = ls.explain.threshold(trees, table, "paid", positive="no", false_negative=8)
    assert found.threshold < 0.35
    assert found.cost < found.cost_at_half
    assert found.saved[0] > 0
    even = ls.explain.threshold(trees, table, "paid", positive="no")
    assert found.threshold < even.threshold


def test_slips_are_told(loans):
    trees, table = loans
    with pytest.raises(UnknownNameError, match="class"):
        ls.explain.threshold(trees, table, "paid", positive="perhaps")
    with pytest.raises(ConfigError, match="not both 0"):
        ls.explain.threshold(trees, table, "paid", positive="no", false_positive=0, false_negative=0)
    yes = table.take(np.flatnonzero([value == "yes" for value in table.column_values("paid")]))
    with pytest.raises(ConfigError, match="rows are not of 'no'"):
        ls.explain.threshold(trees, yes, "paid", positive="no")
