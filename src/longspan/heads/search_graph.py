"""A lexicon as a graph of states: a tree of pronunciations, for hidden Markov models or CTC."""

# G states of the graph

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

import numpy as np

from longspan.heads.ctc import BLANK
from longspan.text.lexicon import Lexicon

__all__ = ["SearchGraph", "ctc_graph", "hmm_graph"]

_NEVER = -np.inf
_EDGE = ""


@final
@dataclass(frozen=True, slots=True)
class SearchGraph:
    """States that a recording passes, word after word."""

    emits: np.ndarray
    """`(G,)` the column of the scores that each state is measured by."""
    stay: np.ndarray
    """`(G,)` log-probability that the next frame is in the same state."""
    leave: np.ndarray
    """`(G,)` that it is not."""
    targets: np.ndarray
    """States that can follow, those of all states in a row."""
    first_target: np.ndarray
    """`(G + 1,)` where those of each state begin."""
    best_word: np.ndarray
    """`(G,)` the largest score, in nats, of a word that can still follow by itself: a look ahead at the words."""
    words: dict[int, tuple[str, ...]]
    """Words that end with a state."""
    entries: np.ndarray
    """States in which a word begins."""
    pauses: np.ndarray
    """States in which a pause between words begins."""
    rests: frozenset[int]
    """States of pauses, in which a recording may end."""
    repeats: bool
    """Whether a word may begin with what the one before ended with, without a pause; CTC would hear it once."""


@final
@dataclass(slots=True)
class _Node:
    children: dict[tuple[str, str, str], _Node] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    best: float = _NEVER


@final
@dataclass(slots=True)
class _Builder:
    emits: list[int] = field(default_factory=list)
    stay: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    follow: list[list[int]] = field(default_factory=list)
    words: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def add(self, emits: int, log_stay: float, best: float) -> int:
        """A new state."""
        self.emits.append(emits)
        self.stay.append(log_stay)
        self.best.append(best)
        self.follow.append([])
        return len(self.emits) - 1

    def graph(self, entries: Sequence[int], pauses: Sequence[int], rests: Sequence[int], scale: float) -> SearchGraph:
        """All of it; transitions count `scale` times, 0 for CTC."""
        stay = np.asarray(self.stay)
        sizes = [len(each) for each in self.follow]
        return SearchGraph(
            emits=np.asarray(self.emits),
            stay=scale * stay,
            leave=scale * np.log1p(-np.exp(stay)) if scale else np.zeros(len(stay)),
            targets=np.asarray([each for states in self.follow for each in states], np.int64),
            first_target=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            best_word=np.asarray(self.best),
            words=self.words,
            entries=np.asarray(entries, np.int64),
            pauses=np.asarray(pauses, np.int64),
            rests=frozenset(rests),
            repeats=scale > 0,
        )


def hmm_graph(
    lexicon: Lexicon,
    states_of: Callable[[str, str, str], Sequence[int]],
    log_stay: Sequence[float],
    word_score: Callable[[str], float],
    *,
    scale: float = 1.0,
    contexts: bool = True,
) -> SearchGraph:
    """Each phoneme as the states of a hidden Markov model, by its neighbours in the word; silence between words.

    Args:
        lexicon: The words there are.
        states_of: Of the phoneme before, the phoneme and the one behind, "" at an edge: its states in order.
        log_stay: Of each state.
        word_score: Of a word by itself, in nats.
        scale: By which the scores of states are multiplied, and so transitions too.
        contexts: Whether states depend on the neighbours; without, more words share a beginning.
    """
    root = _tree(lexicon, word_score, contexts=contexts)
    build = _Builder()
    silence = [build.add(state, log_stay[state], root.best) for state in states_of(_EDGE, _EDGE, _EDGE)]
    entries: list[int] = []

    def place(node: _Node, key: tuple[str, str, str]) -> int:
        states = [build.add(each, log_stay[each], node.best) for each in states_of(*key)]
        for one, other in pairwise(states):
            build.follow[one].append(other)
        if node.words:
            build.words[states[-1]] = tuple(node.words)
        build.follow[states[-1]] += [place(child, below) for below, child in node.children.items()]
        return states[0]

    entries += [place(child, key) for key, child in root.children.items()]
    for one, other in pairwise(silence):
        build.follow[one].append(other)
    build.follow[silence[-1]] += entries
    return build.graph(entries, silence[:1], silence, scale)


def ctc_graph(lexicon: Lexicon, vocab: Sequence[str], word_score: Callable[[str], float]) -> SearchGraph:
    """Each phoneme as one class of a CTC network; between two there may be blanks, between two equal ones there must.

    Args:
        lexicon: The words there are; those with a phoneme that the network does not know are left out.
        vocab: The phonemes of classes 1, 2 ...
        word_score: Of a word by itself, in nats.
    """
    number = {letter: place + 1 for place, letter in enumerate(vocab)}
    root = _tree(lexicon, word_score, contexts=False, known=frozenset(number))
    build = _Builder()
    pause = build.add(BLANK, 0.0, root.best)
    entries: list[int] = []

    def place(node: _Node, letter: str) -> int:
        own, blank = build.add(number[letter], 0.0, node.best), build.add(BLANK, 0.0, node.best)
        build.follow[own].append(blank)
        if node.words:
            build.words[own] = build.words[blank] = tuple(node.words)
        for (_, below, _), child in node.children.items():
            state = place(child, below)
            build.follow[blank].append(state)
            if below != letter:
                build.follow[own].append(state)
        return own

    entries += [place(child, letter) for (_, letter, _), child in root.children.items()]
    build.follow[pause] += entries
    return build.graph(entries, [pause], [pause], 0.0)


def _tree(
    lexicon: Lexicon, word_score: Callable[[str], float], *, contexts: bool, known: frozenset[str] | None = None
) -> _Node:
    root = _Node()
    for word, sounds in lexicon.pronunciations.items():
        score = word_score(word)
        for sound in sounds:
            if known is not None and not known.issuperset(sound):
                continue
            node = root
            node.best = max(node.best, score)
            for place, letter in enumerate(sound):
                before = sound[place - 1] if contexts and place else _EDGE
                behind = sound[place + 1] if contexts and place + 1 < len(sound) else _EDGE
                node = node.children.setdefault((before, letter, behind), _Node())
                node.best = max(node.best, score)
            node.words.append(word)
    return root
