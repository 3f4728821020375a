import numpy as np
import pytest
from sklearn.inspection import permutation_importance

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError


class _Wrapped:
    """The trees as scikit-learn's estimator of a frame's columns."""

    def __init__(self, trees, table):
        self.trees, self.table = trees, table

    def fit(self, x, y):
        return self

    def score(self, x, y):
        rows = [{"income": a, "noise": b, "job": c} for a, b, c in x.tolist()]
        found = [each.by_target["paid"].value for each in self.trees.predict(rows)]
        return float(np.mean([one == other for one, other in zip(found, y, strict=True)]))


def test_increases_agree_with_scikit_learn(loans):
    trees, table = loans[0], loans[1].take(np.arange(250))
    found = {each.column: each for each in ls.explain.importance(trees, table, "paid", repeats=5)}
    frame = table.frame.select("income", "noise", "job").to_numpy()
    reference = permutation_importance(
        _Wrapped(trees, table), frame, table.column_values("paid"), n_repeats=4, random_state=1
    )
    for place, name in enumerate(["income", "noise", "job"]):
        assert found[name].increase == pytest.approx(reference.importances_mean[place], abs=0.05)


def test_what_matters_is_certain_and_noise_is_not(loans):
    trees, table = loans
    found = ls.explain.importance(trees, table, "paid")
    assert [each.column for each in found][:2] == ["income", "job"]
    certain = {each.column: each.certain for each in found}
    assert certain == {"income": True, "job": True, "noise": False}
    numbers = ls.explain.importance(trees, table, "sum", columns=["income"])
    # shuffling x of y = 3 x + e adds about E|3 (x' - x)| = 3 * 2 * 10 / sqrt(pi) = 33.9, less what was off before
    assert numbers[0].increase == pytest.approx(33.9 - numbers[0].error, abs=6)


def test_the_model_and_the_table_are_left_alone(loans):
    trees, table = loans
    before = table.frame.clone()
    ls.explain.importance(trees, table, "paid", repeats=1)
    assert table.frame.equals(before)


def test_slips_are_told(loans):
    trees, table = loans
    with pytest.raises(ConfigError, match="predicts paid, sum; name one"):
        ls.explain.importance(trees, table)
    with pytest.raises(UnknownNameError, match=r"'incom'.*income"):
        ls.explain.importance(trees, table, "paid", columns=["incom"])
    with pytest.raises(ConfigError, match="Only networks and boosted trees"):
        ls.explain.importance(object(), table, "paid")
