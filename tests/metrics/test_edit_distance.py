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


def test_counts_are_those_of_jiwer():
    import jiwer
    import numpy as np

    from longspan.metrics.edit_distance import EditCounts, edit_counts

    generator = np.random.default_rng(0)
    words = ["on", "off", "up", "down"]
    targets = [" ".join(generator.choice(words, generator.integers(1, 9))) for _ in range(60)]
    found = [" ".join(generator.choice(words, generator.integers(0, 9))) for _ in range(60)]
    ours = edit_counts([each.split() for each in targets], [each.split() for each in found])
    theirs = jiwer.process_words(targets, found)
    assert ours.rate == theirs.wer
    edits = ours.substitutions + ours.deletions + ours.insertions
    assert edits == theirs.substitutions + theirs.deletions + theirs.insertions
    # Of several shortest ways each library takes one; insertions less deletions is the same on all.
    assert ours.insertions - ours.deletions == theirs.insertions - theirs.deletions
    characters = edit_counts(targets, found)
    assert characters.rate == jiwer.cer(targets, found)
    assert edit_counts(["ab"], [""]) == EditCounts(0, 2, 0, 2)
    assert edit_counts([""], ["ab"]).rate == 0
