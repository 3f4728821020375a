import itertools
import math

import numpy as np
import pytest

from longspan.errors import ConfigError
from longspan.heads.search_graph import ctc_graph, hmm_graph
from longspan.heads.state_search import StateSearch
from longspan.text import Lexicon, train_ngrams

LEXICON = Lexicon({"one": ("ab",), "two": ("ba", "b"), "to": ("ba",), "aa": ("aa",)})
MODEL = train_ngrams(["one two", "two one", "to one two", "aa two"], order=2)
LN10 = math.log(10)


def word_score(word):
    return LN10 * MODEL.log10_probability((), word)


def sentences(longest):
    for count in range(1, longest + 1):
        yield from itertools.product(LEXICON.pronunciations, repeat=count)


def spellings(words):
    return itertools.product(*(LEXICON.pronunciations[word] for word in words))


def best_alignment(scores, allowed):
    """The best sum over frames of a path through places; `allowed(before, after)` is the cost of a move or None."""
    places = len(allowed)
    best = np.full(places, -np.inf)
    for place in range(places):
        if allowed[place][1]:
            best[place] = scores[0][allowed[place][0]]
    for now in scores[1:]:
        best = np.array([
            max(best[before] + cost for before, cost in allowed[place][3].items()) + now[allowed[place][0]]
            for place in range(places)
        ])  # fmt: skip
    return max(best[place] for place in range(places) if allowed[place][2])


def ctc_places(letters):
    """Column, whether a path may start and end there, and places before it with their cost."""
    found = []
    columns = [0]
    for letter in letters:
        columns += ["ab".index(letter) + 1, 0]
    for place, column in enumerate(columns):
        before = {place: 0.0}
        if place:
            before[place - 1] = 0.0
        if place > 1 and column and columns[place - 2] != column:
            before[place - 2] = 0.0
        found.append((column, place < 2, place >= len(columns) - 2, before))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_words_of_a_ctc_network_are_the_best_of_all(seed):
    generator = np.random.default_rng(seed)
    scores = np.log(generator.dirichlet(np.ones(3), size=7))
    weight, bonus = 0.7, 0.4
    search = StateSearch(
        graph=ctc_graph(LEXICON, ("a", "b"), word_score), language_model=MODEL, weight=weight, bonus=bonus, width=5000,
        beam=1000, ends=1000,
    )  # fmt: skip
    best = max(
        (best_alignment(scores, ctc_places("".join(spelled))) + weight * LN10 * MODEL.log10_of(words)
         + bonus * len(words), " ".join(words))
        for words in sentences(4)
        for spelled in spellings(words)
    )  # fmt: skip
    assert search.best(scores) == best[1]


def hmm_places(words, stay, leave):
    """Silence 0, a 1, b 2: one state each; silence at the ends and between words may be left out."""
    columns, optional = [0], [0]
    for word in words:
        columns += ["ab".index(letter) + 1 for letter in word]
        optional.append(len(columns))
        columns.append(0)
    found = []
    for place, column in enumerate(columns):
        before = {place: stay[column]}
        if place:
            before[place - 1] = leave[columns[place - 1]]
        if place - 1 in optional[1:-1]:
            before[place - 2] = leave[columns[place - 2]]
        found.append((column, place < 2, place >= len(columns) - 2, before))
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("contexts", [False, True])
def test_the_words_of_states_are_the_best_of_all(seed, contexts):
    generator = np.random.default_rng(10 + seed)
    scores = generator.normal(0, 2, (6, 3))
    stay = np.log([0.5, 0.6, 0.3])
    leave = np.log1p(-np.exp(stay))
    graph = hmm_graph(
        LEXICON, lambda left, phoneme, right: ({"": 0, "a": 1, "b": 2}[phoneme],), stay.tolist(), word_score, scale=0.5,
        contexts=contexts,
    )  # fmt: skip
    search = StateSearch(graph=graph, language_model=MODEL, weight=0.8, width=5000, beam=1000, ends=1000)
    best = max(
        (best_alignment(scores, hmm_places(spelled, 0.5 * stay, 0.5 * leave)) + 0.8 * LN10 * MODEL.log10_of(words),
         " ".join(words))
        for words in sentences(4)
        for spelled in spellings(words)
        if sum(map(len, spelled)) <= 6
    )  # fmt: skip
    assert search.best(scores) == best[1]


def test_a_narrow_beam_still_finds_words_and_an_unfinished_word_is_left_out():
    graph = ctc_graph(LEXICON, ("a", "b"), word_score)
    sure = np.log(np.array([[0.01, 0.98, 0.01], [0.01, 0.01, 0.98], [0.98, 0.01, 0.01], [0.01, 0.98, 0.01]]))
    found = StateSearch(graph=graph, width=4, beam=5).best(sure)
    assert found == "one"


def test_words_with_phonemes_that_a_network_does_not_know_are_left_out():
    graph = ctc_graph(LEXICON, ("b",), word_score)
    assert [word for words in graph.words.values() for word in words] == ["two", "two"]


def test_values_that_cannot_be():
    graph = ctc_graph(LEXICON, ("a", "b"), word_score)
    with pytest.raises(ConfigError, match="width and ends >= 1 and beam > 0"):
        StateSearch(graph=graph, width=0)
