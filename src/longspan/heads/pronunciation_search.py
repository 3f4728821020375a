"""Words from the steps of a CTC network over phonemes, with a lexicon and a language model."""

# T steps, C = 1 + K classes

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from longspan.errors import ConfigError
from longspan.heads.ctc import BLANK
from longspan.text.language_models import LanguageModel
from longspan.text.lexicon import Lexicon
from longspan.text.ngrams import BEGIN, END

__all__ = ["PronunciationSearch"]

_NEVER = -math.inf
_LN10 = math.log(10)


@final
@dataclass(slots=True)
class _Node:
    """A beginning of pronunciations in the tree of the lexicon."""

    children: dict[str, _Node] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    """Words whose pronunciation ends here."""


@final
@dataclass(slots=True)
class _Path:
    """Words that are complete, and the beginning of the next one."""

    words: tuple[str, ...]
    node: _Node
    score: float
    """Of the words, by language model and bonus."""
    blank: float = _NEVER
    """Log-likelihood of what ends in a blank."""
    other: float = _NEVER
    """Of what ends in the last phoneme."""

    @property
    def total(self) -> float:
        """Of both, and the words."""
        return _sum(self.blank, self.other) + self.score


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PronunciationSearch:
    """Prefix beam search for the best words under a CTC network over phonemes, a lexicon and a language model.

    Words score their log-likelihood under the network, plus `weight` times that under the language model, plus `bonus`
    for each. Only words of the lexicon are found, by any of their pronunciations.

    Source: Hannun, Maas, Jurafsky, Ng 2014, "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs", algorithm 1, over a tree of pronunciations in place of characters.
    Differs: the language model scores a word when its pronunciation ends; two pronunciations of a word with the same
    last phoneme are one; no look-ahead of the language model.

    Raises:
        ConfigError: a value that cannot be.
    """

    lexicon: Lexicon
    """The words there are."""
    language_model: LanguageModel | None = None
    """Scores words; None: all words are equally likely before they are heard."""
    weight: float = 1.0
    """Of the language model."""
    bonus: float = 0.0
    """For each word, in nats: language models prefer few words."""
    width: int = 64
    """Paths that are kept at each step."""
    prune: float = 1e-3
    """Classes below this probability are not tried at a step."""
    _root: _Node = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the values; make the tree of pronunciations."""
        if self.width < 1 or not 0 <= self.prune < 1:
            raise ConfigError(
                f"PronunciationSearch needs width >= 1 and 0 <= prune < 1, got {self.width!r}, {self.prune!r}."
            )
        root = _Node()
        for word, sounds in self.lexicon.pronunciations.items():
            for sound in sounds:
                node = root
                for letter in sound:
                    node = node.children.setdefault(letter, _Node())
                node.words.append(word)
        object.__setattr__(self, "_root", root)

    def best(self, probabilities: Any, vocab: tuple[str, ...]) -> str:
        """The best words, parted by blanks.

        Args:
            probabilities: `(T, C)` of the blank and of each phoneme, at each step.
            vocab: The K phonemes of classes 1 to K, in the characters of the lexicon.
        """
        steps = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-30))
        least = math.log(max(self.prune, 1e-29))
        start = _Path((), self._root, 0.0, blank=0.0)
        beam: dict[tuple[Any, ...], tuple[_Path, str]] = {((), id(self._root), ""): (start, "")}
        for now in steps:
            tried = [(int(k), vocab[k - 1]) for k in np.flatnonzero(now > least) if k != BLANK]
            grown: dict[tuple[Any, ...], tuple[_Path, str]] = {}
            for path, last in beam.values():
                both = _sum(path.blank, path.other)
                self._add(grown, path.words, path.node, last, path.score, blank=both + now[BLANK])
                for number, letter in tried:
                    grows = both
                    if letter == last:
                        self._add(grown, path.words, path.node, last, path.score, other=path.other + now[number])
                        grows = path.blank
                    node = path.node.children.get(letter)
                    if node is None or grows == _NEVER:
                        continue
                    if node.children:
                        self._add(grown, path.words, node, letter, path.score, other=grows + now[number])
                    for word in node.words:
                        score = path.score + self._word_score(path.words, word)
                        self._add(grown, (*path.words, word), self._root, letter, score, other=grows + now[number])
            kept = sorted(grown, key=lambda key: grown[key][0].total, reverse=True)[: self.width]
            beam = {key: grown[key] for key in kept}
        whole = [path for path, _ in beam.values() if path.node is self._root]
        # Where no path ends with a word, the words that were complete are what is known.
        found = max(whole or [path for path, _ in beam.values()], key=lambda path: path.total + self._end(path.words))
        return " ".join(found.words)

    @staticmethod
    def _add(
        grown: dict[tuple[Any, ...], tuple[_Path, str]], words: tuple[str, ...], node: _Node, last: str, score: float,
        *, blank: float = _NEVER, other: float = _NEVER,
    ) -> None:  # fmt: skip
        key = (words, id(node), last)
        path, _ = grown.setdefault(key, (_Path(words, node, score), last))
        path.blank, path.other = _sum(path.blank, blank), _sum(path.other, other)

    def _word_score(self, words: tuple[str, ...], word: str) -> float:
        if self.language_model is None:
            return self.bonus
        context = (BEGIN, *words)[-self.language_model.order :]
        return self.weight * _LN10 * self.language_model.log10_probability(context, word) + self.bonus

    def _end(self, words: tuple[str, ...]) -> float:
        if self.language_model is None:
            return 0.0
        context = (BEGIN, *words)[-self.language_model.order :]
        return self.weight * _LN10 * self.language_model.log10_probability(context, END)


def _sum(one: float, other: float) -> float:
    """The logarithm of a sum, from logarithms."""
    high, low = (one, other) if one > other else (other, one)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))
