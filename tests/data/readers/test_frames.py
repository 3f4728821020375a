"""Data frames and arrays."""

import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image as PILImage

from longspan.columns import Boxes, Category, Image, Number
from longspan.data import Table
from longspan.errors import ConfigError, DataError, UnknownNameError

CELLS = {"n": [1.5, None], "word": ["x", None], "tags": [["a"], ["b", "c"]], "yes": [True, False]}


def as_pandas():
    return pytest.importorskip("pandas").DataFrame(CELLS)


def as_pyarrow():
    return pytest.importorskip("pyarrow").table(CELLS)


@pytest.mark.parametrize(
    "make", [lambda: pl.DataFrame(CELLS), as_pandas, as_pyarrow], ids=["polars", "pandas", "arrow"]
)
def test_any_data_frame_gives_the_same_rows(make):
    table = Table.from_frame(make())
    assert list(table) == [
        {"n": 1.5, "word": "x", "tags": ["a"], "yes": True},
        {"n": None, "word": None, "tags": ["b", "c"], "yes": False},
    ]
    assert [column.kind for column in table.columns.values()] == ["number", "category", "multi_label", "category"]


@pytest.mark.parametrize("make", [pl.DataFrame, lambda rows: pytest.importorskip("pandas").DataFrame(rows)])
def test_boxes_stand_as_json_in_frames_and_csv_files(make, tmp_path):
    frame = make({"photo": ["a.png", "b.png", "c.png"], "boxes": ["[[1, 2, 3.5, 4]]", "[]", None]})
    (tmp_path / "boxes.csv").write_text('photo,boxes\na.png,"[[1, 2, 3.5, 4]]"\nb.png,[]\nc.png,\n')
    meant = {"photo": Image(), "boxes": Boxes()}
    for table in (Table.from_frame(frame, meant), Table.from_csv(tmp_path / "boxes.csv", meant)):
        assert table.column_values("boxes") == [[[1.0, 2.0, 3.5, 4.0]], [], None]


def test_pandas_needs_no_pyarrow(monkeypatch):
    frame = as_pandas()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert Table.from_frame(frame)[1] == {"n": None, "word": None, "tags": ["b", "c"], "yes": False}


def test_pandas_categoricals_are_labels():
    pandas = pytest.importorskip("pandas")
    table = Table.from_frame(pandas.DataFrame({"c": pandas.Categorical(["b", "a"])}))
    assert table.column_values("c") == ["b", "a"]
    assert isinstance(table.columns["c"], Category)


def test_a_data_frame_column_of_mixed_values_is_named():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="Column 'm' mixes numbers"):
        Table.from_frame(pandas.DataFrame({"m": [1, "x"]}))


def test_what_is_no_data_frame_is_refused():
    with pytest.raises(DataError, match="dict is not a data frame"):
        Table.from_frame({"a": [1]})
    with pytest.raises(DataError, match="data frame has no rows"):
        Table.from_frame(pl.DataFrame({"a": []}))


def test_the_callers_frame_is_not_touched():
    frame = pl.DataFrame({"a": [1.0, float("nan")]})
    Table.from_frame(frame).with_column("b", Number(), [1, 2])
    assert frame.columns == ["a"]
    assert np.isnan(frame["a"][1])


def test_arrays_of_images_are_not_copied():
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    table = Table.from_arrays({"x": pixels, "y": ["a", "b"]}, {"x": Image(), "y": Category()})
    assert np.shares_memory(table.arrays["x"], pixels)
    assert np.array_equal(table.value(1, "x"), pixels[1])
    assert table.column_values("y") == ["a", "b"]


@pytest.mark.parametrize("kind", [list, np.array, tuple])
def test_labels_come_as_lists_or_arrays(kind):
    table = Table.from_arrays({"y": kind([3, 1])}, {"y": Category()})
    assert table.column_values("y") == [3, 1]
    assert type(table.value(0, "y")) is int


def test_a_list_of_paths_or_of_arrays_is_a_column_of_images(tmp_path):
    PILImage.new("L", (4, 3)).save(tmp_path / "a.png")
    files = Table.from_arrays({"x": [tmp_path / "a.png"]}, {"x": Image()})
    assert files.value(0, "x") == str(tmp_path / "a.png")
    arrays = Table.from_arrays({"x": [np.zeros((3, 4), np.uint8)] * 2}, {"x": Image()})
    assert arrays.arrays["x"].shape == (2, 3, 4)


def test_arrays_of_different_lengths_or_without_a_meaning_are_refused():
    with pytest.raises(DataError, match=r"different lengths: {'a': 2, 'b': 1}"):
        Table.from_arrays({"a": [1, 2], "b": [1]}, {"a": Number(), "b": Number()})
    with pytest.raises(ConfigError, match=r"\['b'\] are given, but columns= does not say"):
        Table.from_arrays({"a": [1, 2], "b": [1, 2]}, {"a": Number()})
    with pytest.raises(UnknownNameError, match="There is no column 'c'"):
        Table.from_arrays({"a": [1, 2]}, {"c": Number()})
