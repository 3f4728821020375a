import pytest

import longspan as ls
from longspan.columns.label_spelling import describe_twins, joined_labels, spelling_twins


@pytest.mark.parametrize(
    "twins",
    [
        ("cat", "Cat"), ("cat", "cat "), ("a  b", "a b"), ("cat", "cat\u00a0"), ("cat", "ca\u200bt"),
        ("caf\u00e9", "cafe\u0301"), ("\uff21\uff22", "AB"), ("1", "1.0"),
    ],
)  # fmt: skip
def test_labels_that_look_alike(twins):
    assert spelling_twins([*twins, "dog", 3, True]) == [twins]
    with pytest.warns(UserWarning, match="are classes of their own"):
        column = ls.Category().fit([*twins, "dog"])
    assert set(column.vocab) == {*twins, "dog"}, "they are told, not joined"


def test_labels_that_do_not():
    assert spelling_twins(["a", "A", "cat", "cats", "1", 1, "01", "naive", "na\u00efve"]) == []
    assert ls.Category().fit(["a", "A"]).vocab == ("A", "a")


def test_what_cannot_be_seen_is_shown():
    assert describe_twins([("a b", "a\u00a0b")]) == "'a b' and 'a\\xa0b'"


def test_a_label_of_several_labels():
    assert joined_labels(["cat", "dog", "cat|dog", "cat, dog", "cat/eel", "a;b", "cat dog"]) == ["cat|dog", "cat, dog"]
    with pytest.warns(UserWarning, match=r"'cat\|dog'.*it is ';'"):
        ls.MultiLabel(separator=";").fit(["cat;dog", "cat|dog", "cat"])
