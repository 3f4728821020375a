import numpy as np
import pytest
from scipy import stats

import longspan as ls


def test_bakers_whose_sums_are_noisy_are_found(loans):
    trees, table = loans
    found = ls.explain.slices(trees, table, "sum")
    first = found[0]
    assert (first.column, first.value) == ("job", "baker")
    assert first.certain
    errors = np.array(
        [abs(each["sum"] - v) for each, v in zip(trees.predict(table), table.column_values("sum"), strict=True)]
    )
    bakers = np.array([value == "baker" for value in table.column_values("job")])
    assert first.rows == bakers.sum()
    assert first.difference == pytest.approx(errors[bakers].mean() - errors[~bakers].mean(), rel=1e-6)
    expected = stats.ttest_ind(errors[bakers], errors[~bakers], equal_var=False).confidence_interval()
    assert first.interval == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_quarters_of_a_number_that_does_not_matter_are_not_certain(loans):
    trees, table = loans
    found = ls.explain.slices(trees, table, "paid", by=["noise"])
    assert len(found) == 4
    assert sum(each.rows for each in found) == len(table)
    assert not any(each.certain for each in found)


def test_missing_values_are_a_group_and_small_groups_are_left_out(loans):
    trees, table = loans
    noise = [None if row < 30 else value for row, value in enumerate(table.column_values("noise"))]
    place = ["here" if row < 5 else "there" for row in range(len(table))]
    told = table.with_column("noise", table.columns["noise"], noise).with_column("place", ls.Category(), place)
    found = ls.explain.slices(trees, told, "paid", by=["noise", "place"])
    assert {each.rows for each in found if each.value == "missing"} == {30}
    assert not [each for each in found if each.column == "place"]
