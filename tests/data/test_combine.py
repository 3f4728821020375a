"""Tables below each other: cells whose values have names."""

import polars as pl
import pytest

import longspan as ls
from longspan.errors import DataError


def test_points_in_another_order_and_points_that_one_table_lacks_are_kept_by_name():
    column = ls.Keypoints(names=("eye", "ear", "nose"))
    first = ls.Table.from_arrays({"points": [{"eye": [1.0, 2.0], "ear": [3.0, 4.0]}, None]}, {"points": column})
    second = ls.Table.from_arrays({"points": [{"ear": [5.0, 6.0], "nose": [7.0, 8.0]}]}, {"points": column})
    found = first.concat(second)["points"]
    known = [each and {name: place for name, place in each.items() if place is not None} for each in found]
    assert known == [{"eye": [1, 2], "ear": [3, 4]}, None, {"ear": [5, 6], "nose": [7, 8]}]


def test_features_of_other_columns_are_refused():
    first, second = (
        ls.Table.from_frame(pl.DataFrame({name: [1.0, 2.5, 4.0], "y": ["a", "b", "a"]})).with_features("y")
        for name in ("x", "z")
    )
    with pytest.raises(DataError, match="is made of x in one table and of z in the other"):
        first.concat(second)
    assert len(first.concat(first)) == 6
