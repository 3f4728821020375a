"""Texts that are copies of each other: equal but for capitals, punctuation and spaces, or with nearly all words alike.

Two texts are near-identical if at least 80 % of their word 3-grams are in common (Jaccard index), and both have at
least eight words: short sentences resemble each other by chance.

Source: Broder 1997, "On the resemblance and containment of documents", section 2, with shingles of three words.
Differs: nothing is sampled; pairs are found by their rarest shingles.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from longspan.data.leakage.near_duplicates import Kind, NearDuplicates

__all__ = ["alike_texts"]

_SHINGLE = 3
_FEWEST_WORDS = 8
_ALIKE = 0.8
_TEXT_CHARS = 32
"""Equal texts longer than this are the same sample; shorter ones may be equal by chance."""
_COMMON = 200
"""Texts that share a shingle, above which it says nothing."""


def alike_texts(texts: Mapping[int, str], parts: Mapping[str, np.ndarray]) -> NearDuplicates:
    """Copies among texts of different parts.

    Args:
        texts: By row, in the form in which copies look alike; see `Column.comparable`.
        parts: Row numbers by part.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for rows in parts.values():
        for row in rows.tolist():
            if len(texts.get(row, "")) > _TEXT_CHARS:
                same[texts[row]].append(row)
    equal = [group for group in same.values() if len(group) > 1]
    first = {row: group[0] for group in equal for row in group}
    shingles = {
        row: found for rows in parts.values() for row in rows.tolist() if (found := _shingles(texts.get(row, "")))
    }
    frequent = Counter(each for found in shingles.values() for each in found)
    rare = {row: _rarest(found, frequent) for row, found in shingles.items()}
    pairs: dict[tuple[int, int], Kind] = {}
    for one, other in combinations(parts, 2):
        index: dict[int, list[int]] = defaultdict(list)
        for row in parts[one].tolist():
            for each in rare.get(row, ()):
                index[each].append(row)
        for row in parts[other].tolist():
            for candidate in {found for each in rare.get(row, ()) for found in index.get(each, ())}:
                if first.get(candidate, -1) == first.get(row, -2):
                    continue
                a, b = shingles[candidate], shingles[row]
                common = len(a & b)
                if common >= _ALIKE * (len(a) + len(b) - common):
                    pairs[candidate, row] = "near-identical"
    return NearDuplicates(equal, pairs)


def _shingles(text: str) -> frozenset[int]:
    """Hashes of the runs of three words; empty for short texts."""
    words = text.split()
    if len(words) < _FEWEST_WORDS:
        return frozenset()
    return frozenset(hash(tuple(words[at : at + _SHINGLE])) for at in range(len(words) - _SHINGLE + 1))


def _rarest(found: frozenset[int], frequent: Counter[int]) -> Sequence[int]:
    """Shingles of which two texts that are alike have at least one in common: the rarest fifth and one more.

    Of n shingles at least 80 % are in common, so at most n - ceil(0.8 n) are not (prefix filtering, Chaudhuri, Ganti,
    Kaushik 2006); all texts order shingles in the same way, by frequency.
    """
    ordered = sorted(found, key=lambda each: (frequent[each], each))
    kept = ordered[: len(ordered) - math.ceil(_ALIKE * len(ordered)) + 1]
    return [each for each in kept if frequent[each] <= _COMMON]
