"""The data frame of runs as cells: what is missing stays missing, what cannot be is refused by name."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from longspan.errors import StudyError, UnknownNameError
from longspan.study.run_grid import cells_of

FRAME = pl.DataFrame(
    {
        "strategy": ["b", "b", "a", "a", "a"],
        "size": [300, 100, 100, 300, 300],
        "seed": [0, 0, 0, 0, 7],
        "target": ["y"] * 5,
        "error": [0.2, 0.3, 0.4, float("nan"), 0.1],
        "seconds": [1.0] * 5,
    }
)


def test_cells_hold_each_run_at_its_place():
    cells = cells_of(FRAME)
    assert cells.strategies == ("b", "a")
    assert cells.sizes.tolist() == [100, 300]
    assert cells.seeds == (0, 7)
    np.testing.assert_array_equal(cells.of("b"), [[0.3, np.nan], [0.2, np.nan]])
    np.testing.assert_array_equal(cells.of("a"), [[0.4, np.nan], [np.nan, 0.1]])
    assert cells.missing() == {("b", 100): 1, ("b", 300): 1, ("a", 100): 1, ("a", 300): 1}
    assert cells_of(FRAME, strategies=["a"]).strategies == ("a",)


def test_null_and_infinite_errors_are_runs_that_failed():
    frame = FRAME.with_columns(error=pl.Series([None, float("inf"), 0.4, 0.3, 0.1]))
    assert np.isnan(cells_of(frame).of("b")).all()


def test_any_data_frame_will_do():
    pandas = pd.DataFrame(FRAME.drop("seconds").to_dict(as_series=False))
    np.testing.assert_array_equal(cells_of(pandas).errors, cells_of(FRAME).errors)


def test_a_target_is_named_where_there_are_several():
    two = pl.concat([FRAME, FRAME.with_columns(target=pl.lit("age"))])
    assert cells_of(two, target="age").target == "age"
    with pytest.raises(StudyError, match="several targets: y, age"):
        cells_of(two)
    with pytest.raises(UnknownNameError, match="Did you mean 'age'"):
        cells_of(two, target="ages")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.rename({"error": "errors"}), "no column 'error'. Is it the column 'errors'"),
        (pl.concat([FRAME, FRAME[:1]]), "'b' at size 300 with seed 0 stands 2 times"),
        (FRAME.with_columns(error=pl.lit(-0.5)), "has the error -0.5"),
        (FRAME.with_columns(size=pl.lit(0)), "size 0"),
        (FRAME[:0], "No run has a result"),
        (FRAME.with_columns(error=pl.lit(None, pl.Float64)), "No run has a result"),
    ],
)
def test_what_cannot_be_is_refused(frame, message):
    with pytest.raises(StudyError) as caught:
        cells_of(frame)
    assert message in str(caught.value)


def test_unknown_strategies_get_the_nearest_name():
    frame = FRAME.with_columns(strategy=pl.lit("staged"))
    with pytest.raises(UnknownNameError, match="Did you mean 'staged'"):
        cells_of(frame[:1], strategies=["stagd"])
    with pytest.raises(UnknownNameError, match="Did you mean 'staged'"):
        cells_of(frame[:1]).of("stage")
