import pytest

from longspan.errors import ConfigError
from longspan.metrics.cider import caption_words, cider_d

CAPTIONS = [
    "a dog runs on the grass", "a man rides a bike", "two children play with a red ball", "a dog a dog a dog",
    "green ideas sleep",
]  # fmt: skip
REFERENCES = [
    ["a dog is running on the grass", "a brown dog runs through the grass", "the dog plays outside"],
    ["a man riding a bike on the street", "a cyclist rides his bike"],
    ["two kids play with a ball", "children playing with a red ball in the park", "two children play ball"],
    ["a dog jumps over a log", "a black dog leaps"],
    ["a woman sits on a bench", "a woman reads a book in the park"],
]


def test_scores_are_those_of_the_published_code():
    # CiderScorer of salaniz/pycocoevalcap on the same captions
    wanted = [1.97727667, 1.78788918, 3.62020221, 0.35138586, 0.0]
    assert cider_d(CAPTIONS, REFERENCES) == pytest.approx(wanted, abs=1e-7)


def test_a_reference_itself_has_ten_and_repeating_words_does_not_pay():
    same = cider_d(["a man rides a red bike", "two dogs run"], [["a man rides a red bike"], ["two dogs run"]])
    assert same == pytest.approx([10, 10 * 3 / 4])  # three words have no 4-gram
    plain, repeated = (cider_d([each, "x y"], [["a dog runs"], ["x y"]])[0] for each in ("a dog", "dog dog dog dog"))
    assert plain > repeated


def test_capitals_and_punctuation_do_not_count():
    assert caption_words("A dog, running.") == ["a", "dog", "running"]
    loud = cider_d([each.upper() + " !" for each in CAPTIONS], REFERENCES)
    assert loud == pytest.approx(cider_d(CAPTIONS, REFERENCES))


def test_an_image_without_a_reference_is_refused():
    with pytest.raises(ConfigError, match="2 captions need one reference or more for each"):
        cider_d(["a", "b"], [["a"], []])
