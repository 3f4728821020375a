import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import Text
from longspan.errors import ConfigError, DataError


def test_the_characters_of_the_training_rows_are_sorted_and_each_once():
    column = Text().fit(["ba", "", "a-B"])
    assert column.vocab == ("-", "B", "a", "b")
    assert column.encode("a-b").tolist()[:4] == [2, 0, 3, -1]


def test_texts_are_positions_then_minus_one_and_come_back():
    column = Text(vocab=tuple("0123456789"), max_length=5, min_steps=5)
    for text, encoded in {"007": [0, 0, 7, -1, -1], "": [-1] * 5, "12345": [1, 2, 3, 4, 5]}.items():
        assert column.encode(text).tolist() == encoded
        assert column.encode(text).dtype == np.int64
        assert column.decode(column.encode(text)) == text
        assert column.decode(torch.tensor(encoded)) == text


def test_other_rows_may_be_twice_as_long_as_the_longest_training_text_and_eight_more():
    column = Text().fit(["aaa", "a"])
    assert column.max_length == 14
    assert column.check("a" * 14) is None
    fault = column.check("a" * 15)
    assert fault == ("'aaaaaaaaaaaaaaa' has 15 characters, more than the 14 allowed; Text(max_length=15) allows them")


@pytest.mark.parametrize(
    ("texts", "steps"), [(["abc"], 3), (["feed"], 5), (["aaaa"], 7), (["abcdef", "aaaa"], 7), ([""], 0), (["a", ""], 1)]
)
def test_reading_takes_a_step_for_each_character_and_one_between_equal_neighbours(texts, steps):
    assert Text(vocab=tuple("abcdef")).fit(texts).min_steps == steps


def test_what_was_given_stays():
    given = Text(vocab=("b", "a"), max_length=3, min_steps=2)
    assert given.fit(["ab", "abab"]) is given
    assert Text(vocab=("b", "a")).fit(["a"]) == Text(vocab=("b", "a"), max_length=10, min_steps=1)
    assert Text(vocab="0123456789").vocab[7] == "7"


def test_a_training_text_that_cannot_be_encoded_does_not_count():
    assert Text(vocab=("a",), max_length=2).fit(["aaaaaa", "bbbb", "aa"]).min_steps == 3


def test_characters_that_no_training_row_has_are_named_with_the_nearest():
    column = Text().fit(["abc"])
    assert column.check("axAx") == (
        "'x', 'A' (nearest: 'a') in 'axAx' occur in no training row; Text(vocab=...) names more characters"
    )
    assert column.check("x").startswith("'x' in 'x' occurs in no training row")


@pytest.mark.parametrize("value", [7, 7.5, b"7", ["7"], True])
def test_values_that_are_no_strings_say_how_to_make_them_strings(value):
    assert "is not a text; make it one: table.with_column(name, Text(), lambda row: str(row[name]))" in Text().check(
        value
    )
    with pytest.raises(DataError, match=r"is not a text; make it one: .*\)\.$"):
        Text().fit(["a", value])


def test_nothing_to_read_is_said():
    with pytest.raises(DataError, match="needs at least one character in the training rows, found only ''"):
        Text().fit(["", ""])
    with pytest.raises(DataError, match="found no value at all"):
        Text().fit([])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vocab": ("a", "bc")}, "single characters, got 'bc'"),
        ({"vocab": ("a", 1)}, "single characters, got 1"),
        ({"vocab": "abca"}, "names 'a' twice"),
        ({"max_length": 0}, "max_length must be at least 1"),
        ({"min_steps": -1}, "min_steps must be at least 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        Text(**options)


def test_shown_text_is_escaped():
    assert Text().show_html("<b>") == "&lt;b&gt;"


def test_a_csv_column_that_is_a_text_keeps_its_zeros_and_dates(tmp_path):
    path = tmp_path / "plates.csv"
    path.write_text("plate,day\n007,2024-01-02\n12,2024-01-03\n,2024-01-04\n")
    table = ls.Table.from_csv(path, {"plate": Text(), "day": Text()})
    assert table.column_values("plate") == ["007", "12", None]
    assert table.column_values("day")[0] == "2024-01-02"
