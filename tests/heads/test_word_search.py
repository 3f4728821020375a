"""Prefix beam search with words, against a search through all texts."""

import itertools
import math

import numpy as np
import pytest
import torch

from longspan.errors import ConfigError
from longspan.heads import WordSearch
from longspan.heads.ctc import text_losses
from longspan.text import train_ngrams

VOCAB = (" ", "a", "b")


def likelihood(probabilities, text):
    """Log-likelihood of a text over all paths."""
    numbers = torch.tensor([[VOCAB.index(each) for each in text]]) if text else torch.full((1, 1), -1)
    return -text_losses(torch.from_numpy(probabilities).float().log()[None], numbers)[0].item()


def by_trying_all(probabilities, score, longest=5):
    texts = ["".join(each) for size in range(longest + 1) for each in itertools.product(VOCAB, repeat=size)]
    texts = [text for text in texts if not text.startswith(" ") and "  " not in text]
    return max(texts, key=lambda text: likelihood(probabilities, text) + score(text))


@pytest.mark.parametrize("seed", range(6))
def test_it_finds_the_best_text(seed):
    probabilities = np.random.default_rng(seed).dirichlet([0.5] * 4, size=5)
    model = train_ngrams(["a b", "b a", "ab", "a a"], 2)
    plain = WordSearch(width=500, prune=0, bonus=0.0)
    assert plain.best(probabilities, VOCAB) == by_trying_all(probabilities, lambda _: 0.0)
    search = WordSearch(language_model=model, weight=0.8, bonus=0.7, width=500, prune=0)

    def score(text):
        return 0.8 * math.log(10) * model.log10_of(text.split()) + 0.7 * len(text.split())

    assert search.best(probabilities, VOCAB) == by_trying_all(probabilities, score)


def test_only_words_of_the_lexicon_are_found():
    # Heard: "ab bb", each character sure.
    classes = [2, 3, 1, 3, 0, 3]
    probabilities = np.full((len(classes), 4), 0.01)
    probabilities[range(len(classes)), classes] = 0.97
    assert WordSearch().best(probabilities, VOCAB) == "ab bb"
    found = WordSearch(lexicon=frozenset(["ab", "b"])).best(probabilities, VOCAB)
    assert found == "ab b"
    assert WordSearch(lexicon=frozenset(["aab"])).best(probabilities, VOCAB) in ("", "aab")


def test_a_language_model_decides_between_words_that_sound_alike():
    # The second word is a little more likely to be b than a.
    probabilities = np.array([[0.01, 0.01, 0.97, 0.01], [0.01, 0.97, 0.01, 0.01], [0.04, 0.01, 0.45, 0.5]])
    model = train_ngrams(["a a"] * 9 + ["b b"] * 9, 2)
    assert WordSearch().best(probabilities, VOCAB) == "a b"
    assert WordSearch(language_model=model, weight=1.0).best(probabilities, VOCAB) == "a a"


def test_values_that_cannot_be():
    with pytest.raises(ConfigError, match="width >= 1"):
        WordSearch(width=0)
    with pytest.raises(ConfigError, match="without blanks"):
        WordSearch(lexicon=frozenset(["a b"]))
