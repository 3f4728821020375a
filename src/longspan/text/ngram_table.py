"""N-gram models of up to three words as arrays, and pocketsphinx' packed file of one."""

# V words, B bigrams, T trigrams

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from longspan.errors import DataError
from longspan.text.ngrams import BEGIN, END, UNKNOWN, NGramModel

__all__ = ["MOST_WORDS", "NGramTable", "table_of", "table_of_file"]

MOST_WORDS = 3
_LN10 = math.log(10)
_NEVER = -99 * _LN10
_MAGIC = b"Trie Language Model"
_QUANTISED = 1 << 16  # probabilities, and as many backoff weights


@final
@dataclass(frozen=True, slots=True)
class NGramTable:
    """Natural logarithms, sorted so that binary search finds an n-gram."""

    unigrams: np.ndarray
    """`(V,)` float32."""
    unigram_backoffs: np.ndarray
    """`(V,)` float32."""
    bigram_starts: np.ndarray
    """`(V + 1,)` where the bigrams that begin with a word begin."""
    bigram_words: np.ndarray
    """`(B,)` int32 their second words, sorted."""
    bigrams: np.ndarray
    """`(B,)` float32."""
    bigram_backoffs: np.ndarray
    """`(B,)` float32."""
    trigram_starts: np.ndarray
    """`(B + 1,)` where the trigrams that begin with a bigram begin."""
    trigram_words: np.ndarray
    """`(T,)` int32 their third words, sorted."""
    trigrams: np.ndarray
    """`(T,)` float32."""

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All of them, as a compiled search takes them."""
        return (
            self.unigrams, self.unigram_backoffs, self.bigram_starts, self.bigram_words, self.bigrams,
            self.bigram_backoffs, self.trigram_starts, self.trigram_words, self.trigrams,
        )  # fmt: skip


def table_of(model: NGramModel, numbers: Mapping[str, int]) -> NGramTable:
    """The n-grams of these words alone; a word that the model lacks is its `<unk>`.

    Args:
        model: Of up to three words.
        numbers: Of each word, 0, 1 ...; the marks of beginning and end among them.
    """
    assert model.order <= MOST_WORDS
    count = len(numbers)
    unknown = model.probabilities.get((UNKNOWN,), -99.0) * _LN10
    unigrams, backoffs = np.full(count, unknown), np.full(count, model.backoffs.get((UNKNOWN,), 0.0) * _LN10)
    unigrams[numbers[BEGIN]] = _NEVER
    pairs: list[tuple[int, int]] = []
    triples: list[tuple[int, int, int]] = []
    values: dict[int, list[tuple[float, float]]] = {2: [], 3: []}
    for gram, value in model.probabilities.items():
        places = tuple(numbers.get(word, -1) for word in gram)
        if min(places) < 0:
            continue
        found = value * _LN10, model.backoffs.get(gram, 0.0) * _LN10
        if len(places) == 1:
            unigrams[places[0]], backoffs[places[0]] = found
            continue
        values[len(places)].append(found)
        if len(places) == 2:
            pairs.append((places[0], places[1]))
        elif len(places) == 3:
            triples.append((places[0], places[1], places[2]))
    return _sorted(
        unigrams, backoffs, np.array(pairs, np.int64).reshape(-1, 2), np.array(values[2]).reshape(-1, 2),
        np.array(triples, np.int64).reshape(-1, 3), np.array(values[3]).reshape(-1, 2)[:, 0],
    )  # fmt: skip


def table_of_file(path: Path, numbers: Mapping[str, int]) -> NGramTable:
    """The n-grams of these words in a packed trigram model of CMU Sphinx (`.lm.bin`); capitals count as small letters.

    Source: sphinxbase, `lm_trie.c` and `lm_trie_quant.c`: a trie of word numbers in packed bits, the last word of an
    n-gram first, whose values are numbers of entries in tables.

    Raises:
        DataError: another file.
    """
    raw = path.read_bytes()
    if not raw.startswith(_MAGIC) or raw[len(_MAGIC)] != 3:
        raise DataError(f"{path} is not a packed trigram model of CMU Sphinx.")
    place = len(_MAGIC) + 1
    *counts, kind = struct.unpack_from("<4I", raw, place)
    place += 16
    if kind != 1:
        raise DataError(f"{path}: values of kind {kind}; only those in 16 bits are read.")
    tables = np.frombuffer(raw, "<f4", 3 * _QUANTISED, place) * math.log(1.0001)
    place += 12 * _QUANTISED
    heads = np.frombuffer(raw, np.dtype([("p", "<f4"), ("b", "<f4"), ("next", "<u4")]), counts[0] + 1, place)
    place += 12 * (counts[0] + 1)
    word_bits, next_bits = counts[0].bit_length(), counts[2].bit_length()
    width = word_bits + 32 + next_bits
    packed = _padded(raw, place, (1 + counts[1]) * width)
    place += len(packed) - 8
    pairs_there = int(heads["next"][-1])
    first = _field(packed, width, 0, word_bits, pairs_there)
    backoff = _field(packed, width, word_bits, 16, pairs_there)
    chance = _field(packed, width, word_bits + 16, 16, pairs_there)
    following = _field(packed, width, word_bits + 32, next_bits, pairs_there + 1)
    width = word_bits + 16
    packed = _padded(raw, place, (1 + counts[2]) * width)
    place += len(packed) - 8
    triples_there = int(following[-1])
    before = _field(packed, width, 0, word_bits, triples_there)
    third_chance = _field(packed, width, word_bits, 16, triples_there)
    words = [word.decode() for word in raw[place + 4 :].split(b"\0")[: counts[0]]]
    known = {word if word in (BEGIN, END) else word.lower(): number for word, number in numbers.items()}
    own = np.array([known.get(word, -1) for word in words], np.int64)
    unigrams, backoffs = np.full(len(numbers), _NEVER), np.zeros(len(numbers))
    kept = own >= 0
    unigrams[own[kept]] = heads["p"][:-1][kept] * math.log(1.0001)
    backoffs[own[kept]] = heads["b"][:-1][kept] * math.log(1.0001)
    last = np.repeat(np.arange(counts[0]), np.diff(heads["next"].astype(np.int64)))
    pairs = np.stack([own[first], own[last]], axis=1)
    pair_values = np.stack([tables[chance], tables[_QUANTISED + backoff]], axis=1)
    pair = np.repeat(np.arange(pairs_there), np.diff(following))
    triples = np.stack([own[before], own[first[pair]], own[last[pair]]], axis=1)
    values = tables[2 * _QUANTISED + third_chance]
    pairs_kept, kept = (pairs >= 0).all(axis=1), (triples >= 0).all(axis=1)
    return _sorted(unigrams, backoffs, pairs[pairs_kept], pair_values[pairs_kept], triples[kept], values[kept])


def _sorted(
    unigrams: np.ndarray, backoffs: np.ndarray, pairs: np.ndarray, pair_values: np.ndarray, triples: np.ndarray,
    values: np.ndarray,
) -> NGramTable:  # fmt: skip
    count = len(unigrams)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, pair_values = pairs[order], pair_values[order]
    keys = pairs[:, 0] * count + pairs[:, 1]
    wanted = triples[:, 0] * count + triples[:, 1]
    context = np.searchsorted(keys, wanted)
    there = keys[np.minimum(context, len(keys) - 1)] == wanted if len(keys) else np.zeros(len(wanted), bool)
    context, third, values = context[there], triples[there, 2], values[there]
    order = np.lexsort((third, context))
    return NGramTable(
        unigrams.astype(np.float32),
        backoffs.astype(np.float32),
        np.searchsorted(pairs[:, 0], np.arange(count + 1)).astype(np.int64),
        pairs[:, 1].astype(np.int32),
        pair_values[:, 0].astype(np.float32),
        pair_values[:, 1].astype(np.float32),
        np.searchsorted(context[order], np.arange(len(keys) + 1)).astype(np.int64),
        third[order].astype(np.int32),
        values[order].astype(np.float32),
    )


def _padded(raw: bytes, place: int, bits: int) -> np.ndarray:
    """So many packed bits with the eight bytes that follow in the file, and eight more."""
    size = (bits + 7) // 8 + 8
    return np.concatenate([np.frombuffer(raw, np.uint8, size, place), np.zeros(8, np.uint8)])


def _field(packed: np.ndarray, total: int, offset: int, width: int, count: int) -> np.ndarray:
    """`(count,)` numbers of `width` bits, one in each `total` bits."""
    start = np.arange(count, dtype=np.int64) * total + offset
    found = np.zeros(count, np.uint64)
    for byte in range(8):
        found |= packed[(start >> 3) + byte].astype(np.uint64) << np.uint64(8 * byte)
    return ((found >> (start & 7).astype(np.uint64)) & np.uint64((1 << width) - 1)).astype(np.int64)
