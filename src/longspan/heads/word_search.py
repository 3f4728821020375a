"""Texts from the steps of a CTC network, with a lexicon and a language model of words."""

# T steps, C = 1 + K classes

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from longspan.errors import ConfigError
from longspan.heads.ctc import BLANK
from longspan.text.language_models import LanguageModel
from longspan.text.ngrams import BEGIN, END

__all__ = ["WordSearch"]

_NEVER = -math.inf
_LN10 = math.log(10)
_SPACE = " "


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class WordSearch:
    """Prefix beam search for the best text under a CTC network, a lexicon and a language model.

    A text scores its log-likelihood under the network, plus `weight` times that under the language model, plus `bonus`
    for each word. With a lexicon only its words are found.

    Source: Hannun, Maas, Jurafsky, Ng 2014, "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs", algorithm 1. Differs: the language model scores a word when it ends; classes below
    `prune` at a step are left out; beginnings that no word of the lexicon has are dropped at once.

    Raises:
        ConfigError: a value that cannot be.
    """

    language_model: LanguageModel | None = None
    """Scores words; None: all texts are equally likely before they are heard."""
    lexicon: frozenset[str] | None = None
    """The words there are; None: any."""
    weight: float = 0.5
    """Of the language model."""
    bonus: float = 1.0
    """For each word, in nats: language models prefer few words."""
    width: int = 32
    """Beginnings of a text that are kept at each step."""
    prune: float = 1e-4
    """Classes below this probability are not tried at a step."""
    _beginnings: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the values; collect the beginnings of words."""
        if self.width < 1 or not 0 <= self.prune < 1:
            raise ConfigError(f"WordSearch needs width >= 1 and 0 <= prune < 1, got {self.width!r}, {self.prune!r}.")
        if self.lexicon is not None:
            object.__setattr__(self, "lexicon", frozenset(self.lexicon))
            if not self.lexicon or any(not word or _SPACE in word for word in self.lexicon):
                raise ConfigError("WordSearch.lexicon holds at least one word, and words without blanks.")
        words: Iterable[str] = self.lexicon or ()
        object.__setattr__(self, "_beginnings", frozenset(word[:end] for word in words for end in range(len(word) + 1)))

    def best(self, probabilities: Any, vocab: tuple[str, ...]) -> str:
        """The best text.

        Args:
            probabilities: `(T, C)` of the blank and of each character, at each step.
            vocab: The K characters of classes 1 to K; words are parted by " ".
        """
        steps = np.asarray(probabilities, np.float64)
        # Of each beginning: log-probabilities of the paths that end in a blank, and in its last character.
        beam: dict[str, tuple[float, float]] = {"": (0.0, _NEVER)}
        scores: dict[str, float] = {"": 0.0}
        for now in np.log(np.maximum(steps, 1e-30)):
            tried = [
                (int(k), vocab[k - 1]) for k in np.flatnonzero(now > math.log(max(self.prune, 1e-29))) if k != BLANK
            ]
            grown: dict[str, tuple[float, float]] = {}
            for text, (blank, other) in beam.items():
                both = _sum(blank, other)
                _add(grown, text, blank=both + now[BLANK])
                last = text[-1:]
                for number, character in tried:
                    if character == last:
                        _add(grown, text, other=other + now[number])
                        grows = blank
                    else:
                        grows = both
                    longer = text + character
                    if grows == _NEVER or not self._allowed(longer):
                        continue
                    _add(grown, longer, other=grows + now[number])
                    if longer not in scores:
                        scores[longer] = scores[text] + (self._word_score(text) if character == _SPACE else 0.0)
            ranked = sorted(grown, key=lambda text: _sum(*grown[text]) + scores[text], reverse=True)[: self.width]
            beam = {text: grown[text] for text in ranked}
        ends = {text: _sum(*both) + scores[text] + self._end_score(text) for text, both in beam.items()}
        return max(ends, key=lambda text: ends[text])

    def _allowed(self, text: str) -> bool:
        """Whether the text can go on, or end, in words of the lexicon."""
        if text.startswith(_SPACE) or text.endswith(2 * _SPACE):
            return False
        if self.lexicon is None:
            return True
        if text.endswith(_SPACE):
            return text[:-1].rpartition(_SPACE)[2] in self.lexicon
        return text.rpartition(_SPACE)[2] in self._beginnings

    def _word_score(self, text: str) -> float:
        """What the last word of a text adds when it ends."""
        words = text.split(_SPACE)
        if self.language_model is None:
            return self.bonus
        context = (BEGIN, *words[:-1])[-self.language_model.order :]
        return self.weight * _LN10 * self.language_model.log10_probability(context, words[-1]) + self.bonus

    def _end_score(self, text: str) -> float:
        """What the last word and the end add; a last word that is none rules the text out."""
        words = text.split(_SPACE)
        score = 0.0
        if text and not text.endswith(_SPACE):
            if self.lexicon is not None and words[-1] not in self.lexicon:
                return _NEVER
            score = self._word_score(text)
        if self.language_model is not None:
            context = (BEGIN, *text.split())[-self.language_model.order :]
            score += self.weight * _LN10 * self.language_model.log10_probability(context, END)
        return score


def _sum(one: float, other: float) -> float:
    """The logarithm of a sum, from logarithms."""
    high, low = (one, other) if one > other else (other, one)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))


def _add(grown: dict[str, tuple[float, float]], text: str, *, blank: float = _NEVER, other: float = _NEVER) -> None:
    before = grown.get(text, (_NEVER, _NEVER))
    grown[text] = (_sum(before[0], blank), _sum(before[1], other))
