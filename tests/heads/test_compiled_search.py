"""The compiled beam search against the one in NumPy, which is itself compared with all word sequences."""

import math

import numpy as np
import pytest

pytest.importorskip("numba")

from longspan.heads.compiled_search import CompiledSearch, fast_search
from longspan.heads.search_graph import ctc_graph, hmm_graph
from longspan.heads.state_search import StateSearch
from longspan.text import Lexicon, train_ngrams
from longspan.text.language_models import InterpolatedModel

LEXICON = Lexicon({"one": ("ab",), "two": ("ba", "b"), "to": ("ba",), "aa": ("aa",), "other": ("bab",)})
TEXTS = ["one two", "two one", "to one two", "aa two", "one two aa one two"]
WORDS = tuple(LEXICON.pronunciations)
MODELS = {
    "bigrams": train_ngrams(TEXTS, 2),
    "trigrams": train_ngrams(TEXTS, 3),
    "two": InterpolatedModel((train_ngrams(TEXTS, 3), train_ngrams(["to aa", "other two one to"], 3)), (0.7, 0.3)),
}


def wide(graph, model, **options):
    return StateSearch(graph=graph, language_model=model, width=5000, beam=1000, ends=1000, **options)


def word_score(model):
    return lambda word: math.log(10) * model.log10_probability((), word)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(6))
def test_the_same_words_as_in_numpy_through_ctc(name, seed):
    model = MODELS[name]
    scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), size=12))
    search = wide(ctc_graph(LEXICON, ("a", "b"), word_score(model)), model, weight=0.7, bonus=0.4)
    assert CompiledSearch.of(search).best(scores) == search.best(scores) != ""


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("contexts", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_same_words_as_in_numpy_through_hidden_markov_models(name, contexts, seed):
    model = MODELS[name]
    scores = np.random.default_rng(10 + seed).normal(0, 2, (14, 3))
    graph = hmm_graph(
        LEXICON, lambda left, phoneme, right: ({"": 0, "a": 1, "b": 2}[phoneme],), np.log([0.5, 0.6, 0.3]).tolist(),
        word_score(model), scale=0.5, contexts=contexts,
    )  # fmt: skip
    search = wide(graph, model, weight=0.8)
    assert CompiledSearch.of(search).best(scores) == search.best(scores) != ""


def test_a_narrow_beam_finds_what_is_sure_and_leaves_out_an_unfinished_word():
    model = MODELS["trigrams"]
    sure = np.log(np.array([[0.01, 0.98, 0.01], [0.01, 0.01, 0.98], [0.98, 0.01, 0.01], [0.01, 0.98, 0.01]]))
    search = StateSearch(
        graph=ctc_graph(LEXICON, ("a", "b"), word_score(model)),
        language_model=model,
        weight=0.1,
        bonus=-1.0,
        width=4,
        beam=5,
    )
    assert fast_search(search).best(sure) == "one"


def test_more_words_than_traces_are_held_at_first():
    model = train_ngrams(["one one", "one"], 2)
    graph = ctc_graph(Lexicon({"one": ("ab",)}), ("a", "b"), word_score(model))
    one = np.log(np.array([[0.01, 0.98, 0.01], [0.01, 0.01, 0.98], [0.98, 0.01, 0.01]]))
    search = StateSearch(graph=graph, language_model=model, weight=0.1, width=50, beam=5)
    assert fast_search(search).best(np.tile(one, (700, 1))) == " ".join(["one"] * 700)


def test_language_models_that_are_no_tables_are_searched_in_numpy():
    graph = ctc_graph(LEXICON, ("a", "b"), word_score(MODELS["bigrams"]))
    assert isinstance(fast_search(StateSearch(graph=graph, language_model=MODELS["bigrams"])), CompiledSearch)
    for model in (None, train_ngrams(TEXTS, 4)):
        assert isinstance(fast_search(StateSearch(graph=graph, language_model=model)), StateSearch)


def test_no_frames_hold_no_words():
    search = StateSearch(
        graph=ctc_graph(LEXICON, ("a", "b"), word_score(MODELS["bigrams"])), language_model=MODELS["bigrams"]
    )
    assert fast_search(search).best(np.zeros((0, 3))) == ""
