import datetime
import json
import time

import numpy as np
import polars as pl
import pytest

from longspan.columns import Category
from longspan.errors import ConfigError, DataError


def test_the_vocabulary_is_sorted_by_value_whatever_the_order_of_the_rows():
    assert Category().fit(["b", "a", "b", "c"]).vocab == ("a", "b", "c")
    assert Category().fit([10, 2, 2]).vocab == (2, 10)
    assert Category().fit([True, False]).vocab == (False, True)
    assert Category().fit(["10", "2"]).vocab == ("10", "2")


def test_a_given_vocabulary_stays():
    column = Category(vocab=("b", "a", "unused"))
    assert column.fit(["a", "b"]) is column
    assert [int(column.encode(label)) for label in ("b", "a", "unused")] == [0, 1, 2]


def test_labels_become_positions_and_come_back():
    column = Category().fit(["cat", "dog", "eel"])
    encoded = column.encode("eel")
    assert (encoded.shape, encoded.dtype, int(encoded)) == ((), np.int64, 2)
    assert [column.decode(column.encode(label)) for label in column.vocab] == ["cat", "dog", "eel"]


def test_labels_that_python_calls_equal_are_one_label():
    column = Category().fit([1, 0, True, 1.0, np.int64(0), np.bool_(True)])
    assert len(column.vocab) == 2
    assert {int(column.encode(value)) for value in (1, True, 1.0, np.int64(1))} == {1}
    assert column.check(1.5) is not None


def test_whole_floats_are_whole_numbers_as_a_data_frame_with_gaps_has_them():
    column = Category().fit([3.0, 7.0])
    assert column.vocab == (3, 7)
    assert all(type(label) is int for label in column.vocab)
    assert column.check(7.0) is None


def test_numpy_labels_become_plain_ones_that_json_takes():
    column = Category().fit(np.array(["a", "b"])).vocab + Category().fit(np.array([1, 2])).vocab
    assert json.loads(json.dumps(column)) == ["a", "b", 1, 2]


def test_a_label_that_training_never_saw_is_a_fault_with_the_nearest():
    column = Category().fit(["persian", "siamese"])
    assert column.check("persain") == "class 'persain' does not occur in the training rows (nearest: 'persian')"
    with pytest.raises(ValueError, match="does not occur"):
        column.encode("persain")
    assert "does not occur" in Category(vocab=("0", "1")).check(1)  # pyright: ignore


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, 0.5, float("nan"), datetime.date(2026, 1, 1), b"a"])
def test_what_is_no_label_is_a_fault(value):
    column = Category().fit(["a", "b"])
    assert "is not a label: labels are words, whole numbers" in column.check(value)  # pyright: ignore
    with pytest.raises(ValueError, match="is not a label"):
        column.encode(value)
    with pytest.raises(DataError, match="is not a label"):
        Category().fit(["a", "b", value])


def test_fewer_than_two_classes_teach_nothing():
    with pytest.raises(DataError, match="at least two classes in the training rows, found only 'a'"):
        Category().fit(["a", "a"])
    with pytest.raises(DataError, match="found no value at all"):
        Category().fit([])


@pytest.mark.parametrize(
    ("vocab", "words"), [(("a", "a"), "'a' twice"), ((1, True), "twice"), ((0.5, 1), "not a label")]
)
def test_a_vocabulary_that_cannot_be_is_refused(vocab, words):
    with pytest.raises(ConfigError, match=words):
        Category(vocab=vocab)


def test_a_cell_is_escaped():
    assert Category().show_html("<b>") == "&lt;b&gt;"


def test_a_vocabulary_of_a_hundred_thousand_words_is_checked_at_once():
    started = time.monotonic()
    words = tuple(f"w{i}" for i in range(100_000))
    assert len(Category(vocab=words).vocab) == 100_000
    with pytest.raises(ConfigError, match="names 'w5' twice"):
        Category(vocab=(*words, "w5"))
    assert time.monotonic() - started < 10  # comparing each with each took minutes


def test_whole_columns_of_text_are_learned_and_encoded_as_single_labels_are():
    cells = pl.Series(["b", "a", "b", "c"])
    column = Category().fit_cells([cells[:2], cells[2:]])
    assert column == Category().fit(cells.to_list())
    found = column.encode_cells(pl.Series(["c", "z", "a"]))
    assert found is not None
    assert found[0][[0, 2]].tolist() == [2, 0]
    assert found[1] == {1: column.check("z")}
    assert Category().fit_cells([pl.Series([10, 2, 2])]).vocab == (2, 10)
    assert Category(vocab=(1, 2)).encode_cells(pl.Series([1, 2])) is None
