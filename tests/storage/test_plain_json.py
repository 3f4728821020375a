"""JSON from a stranger: the same values as the standard library's, and a bound on how deep they are nested."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longspan.storage.plain_json import DEEPEST, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_values_come_back(value):
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False, indent=1)) == value


@pytest.mark.parametrize("left_right", ["[]", ("{" + '"a":', "}")])
def test_the_depth_is_bounded_and_counted_exactly(left_right):
    left, right = left_right
    assert parse_json(left * DEEPEST + "0" * (left != "[") + right * DEEPEST)
    for depth in (DEEPEST + 1, 1000, 5_000_000):
        with pytest.raises(ValueError, match="more than 64 deep"):
            parse_json(left * depth + "0" + right * depth)
    with pytest.raises(ValueError, match="more than 64 deep"):
        parse_json("[" * 100_000)


def test_brackets_within_strings_are_words():
    value = ["[" * 1000, '{"' * 500, "\\" * 3, '\\"[' * 100]
    assert parse_json(json.dumps(value)) == value


def test_what_is_no_json_is_a_value_error():
    for text in ("", "{", "1" * 5000, '"\\', "[1,"):
        with pytest.raises(ValueError):  # noqa: PT011 - the standard library's own words
            parse_json(text)


def test_half_a_character_is_refused_and_a_whole_one_is_not():
    for text in (r'"\ud800"', r'{"a\udfff": 1}', r'["\ud83d x \ude00"]', '"\ud800"'):
        with pytest.raises(ValueError, match="half of a character"):
            parse_json(text)
    assert parse_json(r'"\ud83d\ude00 \\ud800"') == "\U0001f600 \\ud800"
