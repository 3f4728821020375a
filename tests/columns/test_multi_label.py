import numpy as np
import pytest
import torch

from longspan.columns import MultiLabel
from longspan.errors import ConfigError, DataError


def test_lists_become_zeros_and_ones_and_come_back():
    column = MultiLabel().fit([["b", "a"], [], ["c"]])
    assert column.vocab == ("a", "b", "c")
    assert column.shape == (3,)
    encoded = column.encode(["c", "a"])
    assert (encoded.dtype, encoded.tolist()) == (np.float32, [1.0, 0.0, 1.0])
    assert column.decode(encoded) == ["a", "c"]
    assert column.decode(torch.tensor([0.49, 0.5, 0.9])) == ["b", "c"]
    assert column.encode([]).tolist() == [0, 0, 0]
    assert column.decode(column.encode([])) == []


@pytest.mark.parametrize("value", [["a", "b"], ("b", "a"), {"a", "b"}, np.array(["a", "b"]), ["a", "b", "a"]])
def test_order_form_and_repeats_do_not_matter(value):
    assert MultiLabel(vocab=("a", "b", "c")).encode(value).tolist() == [1, 1, 0]


def test_a_separator_splits_one_string():
    column = MultiLabel(separator=",").fit(["cat, dog", "", "eel"])
    assert column.vocab == ("cat", "dog", "eel")
    assert column.encode("dog ,cat").tolist() == [1, 1, 0]
    assert column.encode("").tolist() == [0, 0, 0]
    assert MultiLabel(separator=" ").fit(["cat  dog"]).vocab == ("cat", "dog")


def test_a_string_without_separator_is_a_fault_that_names_the_cure():
    column = MultiLabel(vocab=("cat", "dog"))
    assert "give MultiLabel(separator=...)" in column.check("cat dog")
    with pytest.raises(DataError, match="separator"):
        MultiLabel().fit(["cat dog"])


def test_unknown_labels_and_what_is_no_label_are_faults():
    column = MultiLabel(vocab=("a", "b"))
    assert column.check(["a", "x", "y"]) == "classes ['x', 'y'] do not occur in the training rows"
    assert "not a list of labels" in column.check(3)
    assert "is not a label" in column.check([None])
    assert "is not a label" in column.check([["a"]])
    with pytest.raises(ValueError, match="do not occur"):
        column.encode(["x"])
    with pytest.raises(DataError, match="is not a label"):
        MultiLabel().fit([["a", None]])


def test_no_label_at_all_teaches_nothing():
    with pytest.raises(DataError, match="at least one label in the training rows, found none"):
        MultiLabel().fit([[], []])


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="twice"):
        MultiLabel(vocab=("a", "a"))
    with pytest.raises(ConfigError, match="separator"):
        MultiLabel(separator="")


def test_a_cell_shows_labels_side_by_side_and_never_fails():
    assert MultiLabel().show_html(["a<", "b"]) == "a&lt;, b"
    assert MultiLabel().show_html("a b") == "a b"
    assert MultiLabel().show_html([]) == ""


@pytest.mark.parametrize("text", ["['a', 'b c']", '["a", "b c"]', "['a' 'b c']", " [ 'a','b c' , ] "])
def test_lists_written_as_text_are_lists(text):
    for column in (MultiLabel(), MultiLabel(separator=",")):
        fitted = column.fit([text, "[]"])
        assert fitted.vocab == ("a", "b c")
        assert fitted.encode("[]").tolist() == [0, 0]
    assert MultiLabel(separator=" ").fit(["[3, 12]", "[3]"]).vocab == (3, 12)
    assert MultiLabel(separator=",").fit(["[x], y"]).vocab == ("[x]", "y")
