"""The search over phonemes against every sequence of words, one by one."""

import itertools
import math

import numpy as np
import pytest
import torch

from longspan.errors import ConfigError
from longspan.heads import PronunciationSearch
from longspan.heads.ctc import pad_texts, text_losses
from longspan.text import Lexicon, train_ngrams

VOCAB = ("a", "b", "c")
LEXICON = Lexicon({"ab": ("ab",), "a": ("a",), "cab": ("cab", "cb"), "bb": ("bb",)})


def steps(seed, count=6, sharp=2.0):
    logits = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)) * sharp
    return logits.softmax(1)


def likelihood(probabilities, sounds):
    """Log-likelihood of a string of phonemes, by PyTorch's own loss."""
    text = pad_texts([[VOCAB.index(each) for each in sounds]])
    return -float(text_losses(probabilities.log()[None], text)[0])


def best_by_hand(probabilities, model, weight, bonus):
    scores = {}
    for count in range(4):
        for words in itertools.product(LEXICON.pronunciations, repeat=count):
            # The same words by several pronunciations add up.
            spellings = itertools.product(*(LEXICON.pronunciations[word] for word in words))
            found = [likelihood(probabilities, "".join(each)) for each in spellings]
            score = math.log(sum(map(math.exp, found))) + bonus * count
            if model is not None:
                score += weight * math.log(10) * model.log10_of(words)
            scores[" ".join(words)] = score
    return max(scores, key=scores.__getitem__)


@pytest.mark.parametrize("seed", range(12))
def test_it_finds_the_best_words_there_are(seed):
    probabilities = steps(seed)
    search = PronunciationSearch(lexicon=LEXICON, width=500, prune=0)
    assert search.best(probabilities, VOCAB) == best_by_hand(probabilities, None, 1, 0)


@pytest.mark.parametrize("seed", range(8))
def test_a_language_model_and_a_bonus_count(seed):
    model = train_ngrams(["a ab", "cab a", "a a", "bb ab"], order=2)
    search = PronunciationSearch(lexicon=LEXICON, language_model=model, weight=0.7, bonus=0.5, width=500, prune=0)
    assert search.best(steps(seed), VOCAB) == best_by_hand(steps(seed), model, 0.7, 0.5)


def test_a_narrow_search_finds_what_is_clear():
    clear = np.full((5, 4), 0.02)
    for step, number in enumerate((3, 1, 2, 0, 1)):  # c a b, blank, a
        clear[step, number] = 0.94
    assert PronunciationSearch(lexicon=LEXICON, width=4).best(clear, VOCAB) == "cab a"


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="width >= 1"):
        PronunciationSearch(lexicon=LEXICON, width=0)
