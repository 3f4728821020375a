import itertools
import math

import pytest

from longspan.errors import ConfigError
from longspan.text import train_ngrams
from longspan.text.word_writer import WordWriter

MODEL = train_ngrams(["a dog runs", "a cat sleeps", "the cat runs", "the dog sleeps on a cat"])


def scored(writer, sentence, weights):
    bonus = writer.bonus * len(sentence) + writer.strength * sum(weights.get(word, 0) for word in set(sentence))
    return math.log(10) * MODEL.log10_of(sentence) + bonus


@pytest.mark.parametrize("weights", [{}, {"cat": 0.9}, {"sleeps": 0.7, "dog": 0.2}, {"on": 1.0, "nothing": 1.0}])
def test_it_finds_the_best_of_all_sentences(weights):
    writer = WordWriter(language_model=MODEL, longest=4, beam=2000, strength=2.0)
    every = [words for size in range(1, 5) for words in itertools.product(MODEL.words, repeat=size)]
    best = max(every, key=lambda words: scored(writer, words, weights))
    found = tuple(writer.write(weights).split())
    assert scored(writer, found, weights) == pytest.approx(scored(writer, best, weights))


def test_words_that_are_asked_for_count_once():
    writer = WordWriter(language_model=MODEL, strength=6.0)
    assert sorted({"dog", "sleeps"} & set(writer.write({"dog": 0.9, "sleeps": 0.9}).split())) == ["dog", "sleeps"]
    assert writer.write({"dog": 0.9}).split().count("dog") == 1


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        WordWriter(language_model=MODEL, beam=0)
