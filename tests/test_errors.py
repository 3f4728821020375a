import time

import pytest

import longspan as ls
from longspan.errors import NearestNames, nearest, unknown_name


@pytest.mark.parametrize(
    ("word", "name"), [("Cta", "cat"), (" DOG", "dog"), ("zebra2", "zebra"), ("xyz", None), ("", None)]
)
def test_the_nearest_name_is_the_same_with_an_index(word, name):
    names = ["cat", "dog", "zebra", "horse"]
    assert NearestNames(names).find(word) == name
    if word.strip() == word:
        assert nearest(word, names) == name


def test_names_of_one_letter_and_capitals():
    names = NearestNames(["a", "B", "é"])
    assert [names.find(each) for each in ("A", "b", "É", "c")] == ["a", "B", "é", None]


def test_after_many_different_words_only_capitals_are_compared():
    names = NearestNames(["cat", "dog"], most=2)
    assert [names.find(each) for each in ("cta", "dgo", "caat", "CAT", "cta")] == ["cat", "dog", None, "cat", "cat"]


def test_ten_thousand_unknown_labels_cost_less_than_a_second():
    column = ls.Category(vocab=tuple(f"species {number:05}" for number in range(10_000)))
    labels = [f"specis {number:05}x" for number in range(10_000)]
    started = time.process_time()
    faults = [column.check(label) for label in labels]
    seconds = time.process_time() - started
    assert seconds < 1
    assert "(nearest: 'species 0" in faults[0]
    assert all("does not occur in the training rows" in fault for fault in faults)


def test_an_unknown_name_lists_the_valid_ones():
    assert str(unknown_name("model", "resnet", ["vgg", "resnet18"])) == (
        "There is no model 'resnet'. Did you mean 'resnet18'? Valid: resnet18, vgg."
    )
