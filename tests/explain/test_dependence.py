import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError


def test_a_number_is_followed_at_quantiles(loans):
    trees, table = loans
    curve = ls.explain.dependence(trees, table, "income", "sum", points=6, rows=80)
    assert curve.rows.shape == (80, 6)
    values = table.column_values("income")
    assert min(values) < curve.points[0] < curve.points[-1] < max(values)
    slope = np.polyfit(curve.points, curve.mean, 1)[0]
    assert slope == pytest.approx(3, abs=0.4)
    by_hand = [each["sum"] for each in trees.predict([{"income": curve.points[2], "noise": 0.0, "job": "clerk"}])]
    assert by_hand[0] == pytest.approx(curve.mean[2], abs=15)


def test_all_rows_get_the_value(loans):
    trees, table = loans
    few = table.take(np.arange(5))
    curve = ls.explain.dependence(trees, few, "job", "paid", outcome="yes")
    for place, job in enumerate(curve.points):
        rows = [{"income": row["income"], "noise": row["noise"], "job": job} for row in few]
        expected = [each.by_target["paid"].probabilities["yes"] for each in trees.predict(rows)]
        assert curve.rows[:, place] == pytest.approx(expected)
    low, high = curve.band
    assert (low <= curve.mean).all()
    assert (curve.mean <= high).all()


def test_slips_are_told(loans):
    trees, table = loans
    with pytest.raises(UnknownNameError, match="class"):
        ls.explain.dependence(trees, table, "job", "paid", outcome="maybe")
    with pytest.raises(ConfigError, match="is for targets of classes"):
        ls.explain.dependence(trees, table, "job", "sum", outcome="yes")
    with pytest.raises(UnknownNameError, match="column that the model reads"):
        ls.explain.dependence(trees, table, "paid", "sum")


def test_where_many_rows_share_a_value_the_others_are_points_too(loans):
    trees, table = loans
    income = [0.0 if row % 10 else 40.0 + row / 50 for row in range(len(table))]
    curve = ls.explain.dependence(trees, table.with_column("income", ls.Number(), income), "income", "sum", rows=100)
    assert curve.points[0] == 0.0
    assert sum(point > 40 for point in curve.points) >= 5
