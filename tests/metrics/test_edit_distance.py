import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longspan.metrics import edit_distance


@functools.cache
def by_definition(one, other):
    """The recursive definition, tried in every way."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        by_definition(one[1:], other) + 1,
        by_definition(one, other[1:]) + 1,
        by_definition(one[1:], other[1:]) + (one[0] != other[0]),
    )


@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_it_is_the_fewest_edits_by_definition(one, other):
    assert edit_distance(one, other) == by_definition(one, other)


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("saturday", "sunday", 3), ("12345", "2345", 1)],
)
def test_known_pairs(one, other, edits):
    assert edit_distance(one, other) == edit_distance(other, one) == edits


def test_any_sequences_will_do():
    assert edit_distance([1, 2, 3], [1, 3]) == 1
    assert edit_distance((), (4,)) == 1
