"""Pairs of phrases that translate each other, from aligned sentences."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

__all__ = ["PhrasePair", "PhraseTable", "extract_phrases"]

Words = tuple[str, ...]
_LEAST = 1e-7


@final
@dataclass(frozen=True, slots=True)
class PhrasePair:
    """A phrase of the target language as a translation; probabilities as natural logarithms."""

    words: Words
    forward: float
    """Of the target phrase, given the source phrase."""
    backward: float
    """Of the source phrase, given the target phrase."""
    lexical_forward: float
    """The same by single words: each word comes from the source word that is likeliest."""
    lexical_backward: float


@final
@dataclass(frozen=True, slots=True)
class PhraseTable:
    """Translations by source phrase, the most probable first."""

    pairs: Mapping[Words, tuple[PhrasePair, ...]]
    longest: int
    """Words of the longest source phrase."""


def phrase_spans(
    links: set[tuple[int, int]], sources: int, targets: int, longest: int
) -> Iterator[tuple[int, int, int, int]]:
    """Spans `(source from, source to, target from, target to)`, the ends excluded, that no link leaves.

    Target words without a link at the borders of a span may belong to it or not: each choice is a span.

    Source: Koehn, Och, Marcu 2003, "Statistical phrase-based translation", section 3.1.
    """
    of_source: list[list[int]] = [[] for _ in range(sources)]
    low, high = [sources] * targets, [-1] * targets
    for source, target in links:
        of_source[source].append(target)
        low[target], high[target] = min(low[target], source), max(high[target], source)
    for start in range(sources):
        first, last = targets, -1
        for end in range(start + 1, min(sources, start + longest) + 1):
            for target in of_source[end - 1]:
                first, last = min(first, target), max(last, target)
            if last < 0 or last - first >= longest:
                continue
            if min(low[first : last + 1]) < start or max(high[first : last + 1]) >= end:
                continue
            begin = first
            while begin >= 0 and last - begin < longest and (begin == first or high[begin] < 0):
                finish = last
                while finish < targets and finish - begin < longest and (finish == last or high[finish] < 0):
                    yield start, end, begin, finish + 1
                    finish += 1
                begin -= 1


def extract_phrases(
    sources: Sequence[Sequence[str]],
    targets: Sequence[Sequence[str]],
    links: Sequence[set[tuple[int, int]]],
    forward: Mapping[str, Mapping[str, float]],
    backward: Mapping[str, Mapping[str, float]],
    *,
    longest: int = 5,
    most: int = 12,
) -> PhraseTable:
    """Phrase pairs of aligned sentences with their probabilities.

    Source: Koehn, Och, Marcu 2003; relative frequencies less a discount of 0.5 for each pair (Foster, Kuhn, Johnson
    2006, "Phrasetable smoothing for statistical machine translation").

    Args:
        sources: Words of N sentences.
        targets: Words of their translations.
        links: For each sentence pair; see `symmetrise`.
        forward: By source word how probable target words are; "" is none.
        backward: The same by target word.
        longest: Words of the longest phrase.
        most: Translations of a source phrase that are kept.
    """
    counts: Counter[tuple[Words, Words]] = Counter()
    for source, target, own in zip(sources, targets, links, strict=True):
        for a, b, c, d in phrase_spans(own, len(source), len(target), longest):
            counts[tuple(source[a:b]), tuple(target[c:d])] += 1
    by_source: dict[Words, int] = defaultdict(int)
    by_target: dict[Words, int] = defaultdict(int)
    options: dict[Words, list[tuple[int, Words]]] = defaultdict(list)
    for (source, target), count in counts.items():
        by_source[source] += count
        by_target[target] += count
        options[source].append((count, target))
    pairs = {}
    for source, found in options.items():
        pairs[source] = tuple(
            PhrasePair(
                target,
                math.log((count - 0.5) / by_source[source]),
                math.log((count - 0.5) / by_target[target]),
                _by_words(source, target, forward),
                _by_words(target, source, backward),
            )
            for count, target in heapq.nlargest(most, found)
        )
    return PhraseTable(pairs, longest)


def _by_words(given: Words, phrase: Words, table: Mapping[str, Mapping[str, float]]) -> float:
    """Each word of `phrase` from the likeliest of `given`, or of none."""
    tables = [table.get(word, {}) for word in (*given, "")]
    return sum(math.log(max(_LEAST, *(each.get(word, 0.0) for each in tables))) for word in phrase)
