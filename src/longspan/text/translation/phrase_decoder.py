"""The best translation that phrases of a table can make, by beam search with limited reordering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, final

from longspan.errors import ConfigError
from longspan.text.ngrams import BEGIN, END, NGramModel
from longspan.text.translation.phrases import PhrasePair, PhraseTable

__all__ = ["DecoderWeights", "PhraseDecoder"]

_LN10 = math.log(10)
_COPIED = -8.0  # natural logarithm of each probability of a word that is copied because no phrase has it


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderWeights:
    """How much each score counts; see `PhrasePair`."""

    forward: float = 0.3
    backward: float = 0.2
    lexical_forward: float = 0.2
    lexical_backward: float = 0.1
    language_model: float = 0.6
    word: float = 0.4
    """For each word of the translation: language models prefer few."""
    phrase: float = -0.1
    """For each phrase; below 0 few long phrases are preferred."""
    distortion: float = -0.2
    """For each word that is jumped over."""

    def to_json(self) -> dict[str, float]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(**{each.name: float(values[each.name]) for each in fields(cls)})


@final
@dataclass(slots=True, eq=False)
class _Beginning:
    """A translation of some of the source words."""

    score: float
    reach: float
    """The score with what the rest may cost."""
    covered: int
    """A bit for each source word."""
    end: int
    """Behind the source phrase that was translated last."""
    context: tuple[str, ...]
    """The last words, as the language model reads them."""
    words: tuple[str, ...]
    """Of the newest phrase."""
    before: _Beginning | None


@final
class PhraseDecoder:
    """Finds the translation with the highest weighted sum of scores.

    Source: Koehn 2004, "Pharaoh: a beam search decoder for phrase-based statistical machine translation models": stacks
    by the number of words covered, recombination, an estimate of what the rest costs.
    """

    def __init__(
        self,
        table: PhraseTable,
        language_model: NGramModel,
        weights: DecoderWeights | None = None,
        *,
        stack: int = 20,
        reordering: int = 4,
        margin: float = 5.0,
    ) -> None:
        """Put the parts together.

        Args:
            table: The phrases.
            language_model: Of the target language.
            weights: Of the scores.
            stack: Beginnings that are kept for each number of source words covered.
            reordering: Most words that are jumped over; 0 translates from left to right.
            margin: Beginnings whose score is by so much lower than that of the best one are dropped.

        Raises:
            ConfigError: numbers that cannot be.
        """
        if stack < 1 or reordering < 0 or not margin > 0:
            raise ConfigError(
                f"PhraseDecoder needs stack >= 1, reordering >= 0 and margin > 0, got {stack!r}, {reordering!r}, "
                f"{margin!r}."
            )
        self.table = table
        self.language_model = language_model
        self.weights = weights or DecoderWeights()
        self.stack = stack
        self.reordering = reordering
        self.margin = margin
        self._known: dict[tuple[tuple[str, ...], str], float] = {}

    def translate(self, words: Sequence[str]) -> list[str]:
        """The words of the best translation; empty for no words."""
        count = len(words)
        if not count:
            return []
        options = self._options(tuple(words))
        rest = self._rest(options, count)
        context = (BEGIN,)[: max(0, self.language_model.order - 1)]
        stacks: list[dict[Any, _Beginning]] = [{} for _ in range(count + 1)]
        stacks[0][0, 0, context] = _Beginning(0.0, rest[0][count], 0, 0, context, (), None)
        weights, full = self.weights, (1 << count) - 1
        highest = [-math.inf] * (count + 1)
        for covered in range(count):
            best = sorted(stacks[covered].values(), key=lambda each: -each.reach)[: self.stack]
            for each in best:
                gap = _first_gap(each.covered)
                for start in range(gap, min(count, max(each.end, gap) + self.reordering + 1)):
                    jump = abs(start - each.end)
                    if each.covered >> start & 1 or jump > self.reordering:
                        continue
                    for end, pairs in options[start]:
                        span = ((1 << end - start) - 1) << start
                        if each.covered & span:
                            break
                        # The first gap must stay within reach.
                        if start > gap and end - gap > self.reordering:
                            break
                        now = each.covered | span
                        future = _future(rest, now, count)
                        number = covered + end - start
                        stack, before = stacks[number], each.score + weights.distortion * jump
                        for pair, value in pairs:
                            # The language model only takes away: what is too low without it need not be scored.
                            if before + value + future < highest[number] - self.margin:
                                continue
                            score, following = self._with_words(each.context, pair.words)
                            score += before + value
                            if now == full:
                                score += self._end(following)
                            highest[number] = max(highest[number], score + future)
                            key = (now, end, following)
                            if key not in stack or stack[key].score < score:
                                stack[key] = _Beginning(score, score + future, now, end, following, pair.words, each)
        last = max(stacks[count].values(), key=lambda each: each.score, default=None)
        return self._monotone(words) if last is None else _spelt(last)

    def _options(self, words: tuple[str, ...]) -> list[list[tuple[int, list[tuple[PhrasePair, float]]]]]:
        """For each place the ends of known phrases with their translations and weighted scores."""
        weights, found = self.weights, []
        for start in range(len(words)):
            here = []
            for end in range(start + 1, min(len(words), start + self.table.longest) + 1):
                pairs = self.table.pairs.get(words[start:end], ())
                if not pairs and end == start + 1:
                    pairs = (PhrasePair(words[start:end], _COPIED, _COPIED, _COPIED, _COPIED),)
                scored = [
                    (
                        pair,
                        weights.forward * pair.forward
                        + weights.backward * pair.backward
                        + weights.lexical_forward * pair.lexical_forward
                        + weights.lexical_backward * pair.lexical_backward
                        + weights.word * len(pair.words)
                        + weights.phrase,
                    )
                    for pair in pairs
                ]
                if scored:
                    here.append((end, scored))
            found.append(here)
        return found

    def _rest(self, options: list[Any], count: int) -> list[list[float]]:
        """For each span the best score of translating it, without reordering, words before it unknown."""
        best = [[-math.inf] * (count + 1) for _ in range(count + 1)]
        for start in range(count):
            for end, pairs in options[start]:
                best[start][end] = max(value + self._with_words((), pair.words)[0] for pair, value in pairs)
        for length in range(2, count + 1):
            for start in range(count - length + 1):
                end = start + length
                parts = max(best[start][middle] + best[middle][end] for middle in range(start + 1, end))
                best[start][end] = max(best[start][end], parts)
        return best

    def _with_words(self, context: tuple[str, ...], words: tuple[str, ...]) -> tuple[float, tuple[str, ...]]:
        """What the language model adds for words behind a context, and the context behind them."""
        total, keep = 0.0, self.language_model.order - 1
        for word in words:
            total += self._log(context, word)
            context = (*context, word)[-keep:] if keep else ()
        return self.weights.language_model * total, context

    def _end(self, context: tuple[str, ...]) -> float:
        return self.weights.language_model * self._log(context, END)

    def _log(self, context: tuple[str, ...], word: str) -> float:
        known = self._known.get((context, word))
        if known is None:
            known = _LN10 * self.language_model.log10_probability(context, word)
            self._known[context, word] = known
        return known

    def _monotone(self, words: Sequence[str]) -> list[str]:
        """Word by word, where the limits of the search left no translation."""
        return [word for each in words for word in self._best_of(each)]

    def _best_of(self, word: str) -> tuple[str, ...]:
        pairs = self.table.pairs.get((word,), ())
        return pairs[0].words if pairs else (word,)


def _first_gap(covered: int) -> int:
    """The first place that is not covered: the lowest bit that is 0."""
    return (~covered & (covered + 1)).bit_length() - 1


def _future(rest: list[list[float]], covered: int, count: int) -> float:
    """The estimated scores of the spans that are not covered, added up."""
    total, start = 0.0, 0
    while start < count:
        if covered >> start & 1:
            start += 1
            continue
        end = start
        while end < count and not covered >> end & 1:
            end += 1
        total += rest[start][end]
        start = end
    return total


def _spelt(last: _Beginning) -> list[str]:
    phrases, each = [], last
    while each is not None:
        phrases.append(each.words)
        each = each.before
    return [word for words in reversed(phrases) for word in words]
