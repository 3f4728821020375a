from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image as PILImage

from longspan.columns import Category, Image
from longspan.data.readers.series import cells_of, lists_in_text, missing_nan, series_of
from longspan.errors import DataError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([True, None], [True, None]),
        (["a", Path("b/c.png")], ["a", "b/c.png"]),
        ([np.str_("a"), np.str_("b")], ["a", "b"]),
        ([np.int8(3), np.float32(0.5)], [3.0, 0.5]),
        ([1.0, float("nan")], [1.0, None]),
        (np.array([1.5, np.nan]), [1.5, None]),
        (np.array(["a", "b"]), ["a", "b"]),
        ([("b", "a"), {"d", "c"}, [], np.array(["e"]), None], [["b", "a"], ["c", "d"], [], ["e"], None]),
        (range(3), [0, 1, 2]),
        ([], []),
    ],
)
def test_values_of_every_origin_become_plain_cells(values, expected):
    assert series_of("a", values).to_list() == expected


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["x", 1], r"mixes text \(row 0: 'x'\) and numbers \(row 1: 1\)"),
        ([None, True, 3], r"True or False \(row 1: True\) and numbers \(row 2: 3\)"),
        (["a", ["b"]], "text .* and list"),
        ([["a"], [1]], "lists of text .* and lists of numbers"),
        ([b"a", "a"], "bytes .* and text"),
        ([10**60], "cannot be held in a table"),
    ],
)
def test_values_of_several_types_are_refused_and_not_turned_into_text(values, words):
    with pytest.raises(DataError, match=f"Column 'a'.*{words}"):
        series_of("a", values)


def test_one_array_of_images_is_pointed_into_and_not_copied():
    pixels = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    cells, held = cells_of("x", Image(), pixels)
    assert cells.to_list() == [0, 1]
    assert held is pixels
    _, of_torch = cells_of("x", Image(), torch.from_numpy(pixels))
    assert np.shares_memory(of_torch, pixels)


def test_images_one_by_one_are_stacked_and_may_be_missing():
    first, second = np.full((4, 3, 3), 1, np.uint8), np.full((4, 3, 3), 2, np.uint8)
    cells, held = cells_of("x", Image(), [first, None, PILImage.fromarray(second)])
    assert cells.to_list() == [0, None, 1]
    assert np.array_equal(held, [first, second])


def test_images_as_paths_stay_paths():
    cells, held = cells_of("x", Image(), np.array(["a.png", "b.png"]))
    assert (cells.to_list(), held) == (["a.png", "b.png"], None)
    assert cells_of("x", Image(), [Path("a.png"), None])[0].to_list() == ["a.png", None]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((2, 3, 4, 4), np.uint8), "last axis must be 1 or 3 channels"),
        (np.zeros((2, 4, 4)), r"got float64 \(2, 4, 4\).*astype\('uint8'\)"),
        (np.zeros((2, 4, 4, 3, 1), np.uint8), r"must be uint8 \(N, H, W\)"),
        ([np.zeros((4, 4), np.uint8), np.zeros((5, 4), np.uint8)], "must be of one size"),
        ([np.zeros((4, 4), np.uint8), "a.png"], "both as files and as arrays"),
        ([np.zeros((4, 4))], "got float64"),
    ],
)
def test_arrays_that_are_no_images_say_what_would_do(values, words):
    with pytest.raises(DataError, match=words):
        cells_of("x", Image(), values)


def test_an_array_for_another_column_is_a_list_of_values():
    assert cells_of("x", Category(), np.array([3, 1]))[0].to_list() == [3, 1]


def test_nan_of_a_data_frame_is_missing_and_categoricals_are_text():
    assert missing_nan(pl.Series([1.0, float("nan"), None])).to_list() == [1.0, None, None]
    assert missing_nan(pl.Series(["a", None], dtype=pl.Categorical)).dtype == pl.String
    assert missing_nan(pl.Series([1, None])).to_list() == [1, None]


def test_things_keep_all_their_fields_wherever_these_first_occur():
    box = {"box": [0, 0, 2, 2], "label": "a"}
    rows = [[], [box], [{**box, "ignore": True}, {**box, "score": 0.5}], None]
    series = series_of("boxes", rows)
    assert series.null_count() == 1
    assert series.to_list()[2][0]["ignore"] is True
    assert series.to_list()[2][1]["score"] == 0.5
    assert series.to_list()[1][0] == {**box, "ignore": None, "score": None}


def test_things_may_be_outlined_in_several_ways():
    runs, corners = {"rle": {"size": [2, 2], "counts": [1, 3]}}, {"polygons": [[0, 0, 2.5, 0, 2, 2]]}
    first, second = series_of("things", [[runs], [corners]]).to_list()
    assert first[0]["rle"] == runs["rle"]
    assert second[0]["polygons"] == corners["polygons"]


def test_json_in_text_is_read_as_lists():
    cells = pl.Series("b", ['[{"box": [1, 2, 3, 4], "label": "cat"}]', "[]", "", None, "null"])
    entry = {"box": [1, 2, 3, 4], "label": "cat"}
    assert lists_in_text(cells, "x.csv").to_list() == [[entry], [], None, None, None]
    lists = pl.Series("b", [[1.0], None])
    assert lists_in_text(lists, "x.csv") is lists


def test_text_that_is_no_json_is_refused_all_rows_at_once():
    with pytest.raises(DataError, match=r"'b' of x.csv.*\n.*row 0: '\[1, 2' is not JSON.*\n.*row 2.*64 deep") as error:
        lists_in_text(pl.Series("b", ["[1, 2", "[]", "[" * 99 + "]" * 99]), "x.csv")
    assert len(error.value.faults) == 2
