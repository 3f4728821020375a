"""Sentences from words that must occur in them, under a language model."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from longspan.errors import ConfigError
from longspan.text.ngrams import BEGIN, END, UNKNOWN, NGramModel

__all__ = ["WordWriter"]

_LN10 = math.log(10)
_MARKS = (BEGIN, END, UNKNOWN)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class WordWriter:
    """Beam search for the sentence with the highest sum of its log-probability and the weights of the words it uses.

    Source: Fang et al. 2015, "From captions to visual concepts and back", section 4, where detected words are crossed
    off as a sentence uses them; Devlin et al. 2015, "Language models for image captioning", compare it with networks.
    Differs: an n-gram model in place of a maximum entropy one, and no re-ranking.

    Example:
        >>> from longspan.text import train_ngrams
        >>> model = train_ngrams(["a dog runs", "a cat sleeps", "a cat runs"])
        >>> WordWriter(language_model=model, strength=5.0).write({"cat": 0.9, "sleeps": 0.8})
        'a cat sleeps'
    """

    language_model: NGramModel
    strength: float = 4.0
    """What a word of weight 1 adds, once, in nats."""
    bonus: float = 0.5
    """For each word, in nats: language models prefer few."""
    beam: int = 12
    """Beginnings of a sentence that are kept at each word."""
    longest: int = 20
    """Most words of a sentence."""
    branches: int = 25
    """Words that are tried behind a beginning, the likeliest, beside those that are asked for."""
    _following: Mapping[tuple[str, ...], tuple[str, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the numbers; collect what follows each word."""
        if self.beam < 1 or self.longest < 1 or self.branches < 1:
            raise ConfigError("WordWriter.beam, longest and branches must be at least 1.")
        found: dict[tuple[str, ...], list[tuple[float, str]]] = defaultdict(list)
        for gram, log in self.language_model.probabilities.items():
            if gram[-1] not in (BEGIN, UNKNOWN):
                found[gram[:-1]].append((log, gram[-1]))
        likeliest = {
            context: tuple(word for _, word in heapq.nlargest(self.branches, each)) for context, each in found.items()
        }
        object.__setattr__(self, "_following", likeliest)

    def write(self, words: Mapping[str, float]) -> str:
        """The best sentence.

        Args:
            words: Weights of the words to use, 0 to 1, such as their probabilities.
        """
        wanted = tuple(word for word in words if (word,) in self.language_model.probabilities)
        beginnings: list[tuple[float, tuple[str, ...]]] = [(0.0, (BEGIN,))]
        best, text = -math.inf, ()
        for _ in range(self.longest):
            grown: dict[tuple[str, ...], float] = {}
            for score, said in beginnings:
                for word in {*self._next(said), *wanted}:
                    total = score + self._log(said, word)
                    if word == END:
                        if total > best and len(said) > 1:
                            best, text = total, said[1:]
                        continue
                    total += self.bonus + (self.strength * words[word] if word in words and word not in said else 0.0)
                    longer = (*said, word)
                    grown[longer] = max(total, grown.get(longer, -math.inf))
            beginnings = [(score, said) for said, score in heapq.nlargest(self.beam, grown.items(), key=_score)]
        for score, said in beginnings:
            total = score + self._log(said, END)
            if total > best:
                best, text = total, said[1:]
        return " ".join(text)

    def _next(self, said: tuple[str, ...]) -> tuple[str, ...]:
        """The likeliest words behind a beginning, from the longest context that is known."""
        for size in range(self.language_model.order - 1, -1, -1):
            context = said[len(said) - size :] if size <= len(said) else said
            found = self._following.get(context)
            if found:
                return found
        return ()

    def _log(self, said: tuple[str, ...], word: str) -> float:
        context = said[-(self.language_model.order - 1) :] if self.language_model.order > 1 else ()
        return _LN10 * self.language_model.log10_probability(context, word)


def _score(item: tuple[tuple[str, ...], float]) -> float:
    return item[1]
