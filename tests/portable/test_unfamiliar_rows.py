import warnings

import polars as pl
import pytest

import longspan as ls
from longspan.portable.unfamiliar_rows import warn_of_unfamiliar

ROWS = {"kg": [50.0, 60.0, 70.0, 80.0] * 10, "sex": ["f", "m", "f", "m"] * 10, "y": ["a", "b", "a", "b"] * 10}


@pytest.fixture
def inputs():
    table = ls.Table.from_frame(pl.DataFrame(ROWS)).with_features("y")
    column = table.columns["features"]
    return {"features": column.fit(table.column_values("features"))}


def said(inputs, **cells):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_unfamiliar(ls.Table.from_frame(pl.DataFrame({**ROWS, **cells})), inputs)
    return " ".join(str(each.message) for each in caught)


def test_rows_like_those_of_training_are_not_spoken_of(inputs):
    assert said(inputs) == ""
    assert (
        said(inputs, kg=[45.0, 60.0, None, 70.0] * 10, sex=["f", None, "m", "m"] * 10) == ""
    )  # a few beyond are no other unit


def test_labels_that_did_not_occur_and_another_unit_are_named(inputs):
    words = said(inputs, kg=[110.0, 132.0, 154.0, 176.0] * 10, sex=["F", "m", "x", "m"] * 10)
    assert "20 of 40 labels in 'sex', such as 'F', did not occur in training" in words
    assert "40 of 40 numbers in 'kg' lie beyond those of the training rows, 50 to 80 (another unit?)" in words


def test_zeros_below_a_long_tail_are_not_taken_for_another_unit():
    gains = [0.0] * 95 + [7688.0, 3103.0, 15024.0, 99999.0, 594.0]
    table = ls.Table.from_frame(pl.DataFrame({"gain": gains, "y": ["a", "b"] * 50})).with_features("y")
    column = table.columns["features"].fit(table.column_values("features"))
    assert column.unfamiliar(table.frame.select("gain")) == []
