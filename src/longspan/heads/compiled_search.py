"""The beam search through a lexicon, compiled by Numba: many times faster than `StateSearch` in NumPy."""

# T frames, N columns of scores, G states of the graph, K tokens of the beam, V words

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from typing import Any, Self, cast, final

import numpy as np

from longspan.heads.state_search import StateSearch
from longspan.text.language_models import InterpolatedModel, LanguageModel, SphinxModel
from longspan.text.ngram_table import MOST_WORDS, NGramTable, table_of
from longspan.text.ngrams import BEGIN, END, NGramModel

__all__ = ["CompiledSearch", "fast_search"]

_LN10 = math.log(10)
_TOKENS = 1 << 14  # at least, that a frame may have before it is pruned; few enough for the cache of a core


def fast_search(search: StateSearch) -> StateSearch | CompiledSearch:
    """The compiled form of a search where Numba is installed and its language model is a table, else itself."""
    if importlib.util.find_spec("numba") is None or _models(search.language_model) is None:
        return search
    return CompiledSearch.of(search)


@final
@dataclass(frozen=True, slots=True)
class CompiledSearch:
    """A `StateSearch` whose graph and language model are arrays; it finds the same words where the beam is wide enough.

    The language model is one of up to three words, or the mean of two. The first search of a process compiles for
    some seconds; later processes read what was compiled from Numba's cache.
    """

    search: StateSearch
    """Whose values it has."""
    words: tuple[str, ...]
    """V words and the marks of beginning and end."""
    graph: tuple[Any, ...]
    """Arrays of the graph."""
    tables: tuple[NGramTable, NGramTable]
    """Of the language model; twice the same where it is one."""
    share: float
    """Of the second."""

    @classmethod
    def of(cls, search: StateSearch) -> Self:
        """The arrays of a search.

        Args:
            search: Its language model must be one that `fast_search` takes.
        """
        graph = search.graph
        words = tuple(dict.fromkeys(word for found in graph.words.values() for word in found if word != BEGIN))
        words = (*words, BEGIN, END)
        numbers = {word: number for number, word in enumerate(words)}
        models = _models(search.language_model)
        assert models is not None
        tables = [each.table(numbers) if isinstance(each, SphinxModel) else table_of(each, numbers) for each in models]
        share = search.language_model.weights[1] if isinstance(search.language_model, InterpolatedModel) else 0.0
        states = len(graph.emits)
        ended = [graph.words.get(state, ()) for state in range(states)]
        first_word = np.concatenate([[0], np.cumsum([len(each) for each in ended])]).astype(np.int64)
        rests = np.zeros(states, np.bool_)
        rests[list(graph.rests)] = True
        best = np.where(np.isfinite(graph.best_word), graph.best_word, 0.0)
        # The likeliest first: the others are passed over as soon as one is too far behind.
        targets = graph.targets.copy()
        for begin, end in zip(graph.first_target[:-1], graph.first_target[1:], strict=True):
            if end - begin > 1:
                own = targets[begin:end]
                targets[begin:end] = own[np.argsort(-best[own], kind="stable")]
        entries = graph.entries[np.argsort(-best[graph.entries], kind="stable")]
        arrays = (
            graph.emits.astype(np.int64), graph.stay.astype(np.float64), graph.leave.astype(np.float64),
            graph.first_target, targets, search.weight * best, first_word,
            np.array([numbers[word] for each in ended for word in each], np.int64), rests,
            graph.pauses.astype(np.int64), entries.astype(np.int64), bool(graph.repeats),
        )  # fmt: skip
        return cls(search, words, arrays, (tables[0], tables[-1]), share)

    def best(self, scores: np.ndarray) -> str:
        """The best words, parted by blanks; see `StateSearch.best`."""
        from longspan.heads import search_kernels

        search, kernel = self.search, cast(Any, search_kernels.search_frames)
        if not len(scores):
            return ""
        found = kernel(
            np.ascontiguousarray(scores, dtype=np.float64), *self.graph,
            self.tables[0].arrays(), self.tables[1].arrays(), self.share, search.weight, search.bonus, search.beam,
            search.width, search.ends, len(self.words) - 2, len(self.words) - 1, max(_TOKENS, 8 * search.width),
        )  # fmt: skip
        return " ".join(self.words[number] for number in reversed(found))


def _models(model: LanguageModel | None) -> tuple[NGramModel | SphinxModel, ...] | None:
    """One model or two, if they can be tables."""
    models = tuple(model.models) if isinstance(model, InterpolatedModel) else (model,)
    found = tuple(each for each in models if isinstance(each, NGramModel | SphinxModel) and each.order <= MOST_WORDS)
    return found if len(found) == len(models) <= 2 else None
