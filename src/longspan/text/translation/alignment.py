"""Word alignment of sentences that are translations of each other: IBM model 1, and a hidden Markov model."""

# N sentence pairs, I source words, J target words; source word 0 is none (NULL)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from longspan.errors import DataError

__all__ = ["Alignment", "align_hmm", "align_ibm1", "symmetrise"]

_JUMPS = 7  # longer jumps count as this long
_TINY = 1e-300

Sentences = Sequence[Sequence[str]]


@final
class _Cells(NamedTuple):
    """Every pair of a target word and a source word (or none) of a sentence pair, target word by target word."""

    pair: np.ndarray
    """`(cells,)`: which of the distinct word pairs."""
    starts: np.ndarray
    """`(sum J + 1,)`: where the cells of each target word begin."""
    first: np.ndarray
    """`(N,)`: the first cell of each sentence pair."""
    sources: np.ndarray
    """`(N,)`: I."""
    targets: np.ndarray
    """`(N,)`: J."""
    source_of: np.ndarray
    """`(pairs,)`: source word of each distinct pair; 0 is none."""
    target_of: np.ndarray
    """`(pairs,)`."""


@final
@dataclass(frozen=True, slots=True)
class Alignment:
    """How likely target words are as translations of source words, and where each target word comes from."""

    links: list[list[int]]
    """For each sentence pair and target word the place of its source word, from 0; -1: of none."""
    source_vocab: list[str]
    """Source words; the first is "" and stands for none."""
    target_vocab: list[str]
    source_of: np.ndarray
    """`(pairs,)` int: of each pair of words that met in a sentence pair."""
    target_of: np.ndarray
    """`(pairs,)` int."""
    probabilities: np.ndarray
    """`(pairs,)`: of the target word, given the source word."""
    log_likelihood: float
    """Of the target sentences, nats, before the last step."""

    def table(self, least: float = 1e-4) -> dict[str, dict[str, float]]:
        """By source word its translations with a probability of at least `least`."""
        found: dict[str, dict[str, float]] = {word: {} for word in self.source_vocab}
        for place in np.flatnonzero(self.probabilities >= least).tolist():
            source, target = self.source_vocab[self.source_of[place]], self.target_vocab[self.target_of[place]]
            found[source][target] = float(self.probabilities[place])
        return found


def align_ibm1(sources: Sentences, targets: Sentences, *, iterations: int = 5) -> Alignment:
    """IBM model 1 by expectation maximisation: any target word may come from any source word, or from none.

    Source: Brown et al. 1993, "The mathematics of statistical machine translation", section 4.2.

    Args:
        sources: Words of N sentences.
        targets: Words of their translations.
        iterations: Steps of expectation maximisation.

    Raises:
        DataError: other numbers of sentences, or a sentence without a word.
    """
    cells, vocabs = _cells(sources, targets)
    table, posterior, total = _ibm1(cells, len(vocabs[1]), iterations)
    return _alignment(cells, vocabs, table, posterior, total)


def align_hmm(sources: Sentences, targets: Sentences, *, ibm1_iterations: int = 4, iterations: int = 4) -> Alignment:
    """A hidden Markov model whose states are source words: neighbours come from neighbours.

    Source: Vogel, Ney, Tillmann 1996, "HMM-based word alignment in statistical translation"; none as in Och and Ney
    2003, section 3.2: a state for each source word that remembers it, with a probability of 0.2. Differs: one
    distribution of jumps for all sentence lengths, in which jumps of seven words and more share one value.

    Args:
        sources: Words of N sentences.
        targets: Words of their translations.
        ibm1_iterations: Steps of IBM model 1, where it begins.
        iterations: Steps of its own.

    Raises:
        DataError: other numbers of sentences, or a sentence without a word.
    """
    cells, vocabs = _cells(sources, targets)
    table, posterior, total = _ibm1(cells, len(vocabs[1]), ibm1_iterations)
    jumps = np.ones(2 * _JUMPS + 1)
    groups = [np.flatnonzero(cells.sources == length) for length in np.unique(cells.sources)]
    for _ in range(iterations):
        posterior, counted, total = np.zeros(len(cells.pair)), np.full(2 * _JUMPS + 1, 1e-3), 0.0
        for group in groups:
            total += _forward_backward(cells, group, table, jumps, posterior, counted)
        table = _normalised(cells, posterior)
        jumps = counted / counted.sum()
    return _alignment(cells, vocabs, table, posterior, total)


def symmetrise(forward: Sequence[Sequence[int]], backward: Sequence[Sequence[int]]) -> list[set[tuple[int, int]]]:
    """Links `(source place, target place)` from the alignments of both directions: grow-diag-final-and.

    Source: Och and Ney 2003, section 5; Koehn, Och, Marcu 2003. Links of both directions, then links of either that
    touch one and whose source or target word has none yet, then links of either between two words without any.

    Args:
        forward: For each sentence pair and target word the place of its source word; -1: none.
        backward: For each sentence pair and source word the place of its target word; -1: none.
    """
    found = []
    for one, other in zip(forward, backward, strict=True):
        links = {(source, target) for target, source in enumerate(one) if source >= 0}
        reverse = {(source, target) for source, target in enumerate(other) if target >= 0}
        kept, either = links & reverse, sorted(links | reverse)
        sources, targets = {s for s, _ in kept}, {t for _, t in kept}
        grown = True
        while grown:
            grown = False
            for link in either:
                if link in kept or (link[0] in sources and link[1] in targets):
                    continue
                if any((link[0] + a, link[1] + b) in kept for a in (-1, 0, 1) for b in (-1, 0, 1)):
                    kept.add(link)
                    sources.add(link[0])
                    targets.add(link[1])
                    grown = True
        for link in either:
            if link[0] not in sources and link[1] not in targets:
                kept.add(link)
                sources.add(link[0])
                targets.add(link[1])
        found.append(kept)
    return found


def _cells(sources: Sentences, targets: Sentences) -> tuple[_Cells, tuple[list[str], list[str]]]:
    if len(sources) != len(targets) or not sources:
        raise DataError(f"Alignment needs as many sentences as translations, got {len(sources)} and {len(targets)}.")
    empty = [number for number, pair in enumerate(zip(sources, targets, strict=True)) if not all(map(len, pair))]
    if empty:
        raise DataError(f"Alignment needs at least one word in each sentence; pair {empty[0]} lacks one.")
    ids: tuple[dict[str, int], dict[str, int]] = ({"": 0}, {})
    flat = [
        np.array([known.setdefault(word, len(known)) for words in each for word in (*empty_word, *words)], np.int64)
        for known, each, empty_word in ((ids[0], sources, ("",)), (ids[1], targets, ()))
    ]
    rows, columns = (np.array([len(words) for words in each], np.int64) for each in (targets, sources))
    wide = columns + 1
    sizes = rows * wide
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sentence = np.repeat(np.arange(len(rows)), sizes)
    within = np.arange(sizes.sum()) - first[sentence]
    begins = [np.concatenate([[0], np.cumsum(each)[:-1]]) for each in (wide, rows)]
    source = flat[0][begins[0][sentence] + within % wide[sentence]]
    target = flat[1][begins[1][sentence] + within // wide[sentence]]
    codes, pair = np.unique(source * len(ids[1]) + target, return_inverse=True)
    starts = np.concatenate([[0], np.cumsum(np.repeat(wide, rows))])
    cells = _Cells(pair.ravel(), starts, first, columns, rows, codes // len(ids[1]), codes % len(ids[1]))
    return cells, (list(ids[0]), list(ids[1]))


def _ibm1(cells: _Cells, words: int, iterations: int) -> tuple[np.ndarray, np.ndarray, float]:
    posterior, total = np.zeros(0), 0.0
    sizes = np.diff(cells.starts)
    table = np.full(len(cells.source_of), 1 / words)
    for _ in range(iterations):
        each = table[cells.pair]
        sums = np.add.reduceat(each, cells.starts[:-1])
        posterior = each / np.repeat(np.maximum(sums, _TINY), sizes)
        total = float(np.log(np.maximum(sums / sizes, _TINY)).sum())
        table = _normalised(cells, posterior)
    return table, posterior, total


def _normalised(cells: _Cells, posterior: np.ndarray) -> np.ndarray:
    """Probabilities of target words by source word, from how often each pair is expected."""
    counts = np.bincount(cells.pair, posterior, minlength=len(cells.source_of))
    totals = np.bincount(cells.source_of, counts)
    return counts / np.maximum(totals, _TINY)[cells.source_of]


def _forward_backward(
    cells: _Cells, group: np.ndarray, table: np.ndarray, jumps: np.ndarray, posterior: np.ndarray, counted: np.ndarray
) -> float:
    """Posteriors of the sentence pairs of `group`, whose sources have one length; expected jumps are added up."""
    none = 0.2
    group = group[np.argsort(-cells.targets[group], kind="stable")]  # the longest first: those still going are a slice
    length, rows = int(cells.sources[group[0]]), cells.targets[group]
    steps = int(rows[0])
    going = [int((rows > step).sum()) for step in range(steps)]
    apart = np.clip(np.arange(length)[None] - np.arange(length)[:, None], -_JUMPS, _JUMPS) + _JUMPS
    move = jumps[apart] / jumps[apart].sum(axis=1, keepdims=True)
    begin = jumps[np.clip(np.arange(length) + 1, -_JUMPS, _JUMPS) + _JUMPS]
    begin = begin / begin.sum()

    def emitted(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places = (cells.first[group[: going[step]]] + step * (length + 1))[:, None] + np.arange(length + 1)
        each = table[cells.pair[places]]
        return places, each[:, 1:], each[:, :1]

    at, silent, scales = [], [], []
    for step in range(steps):
        _, word, nothing = emitted(step)
        if step:
            before = (at[-1] + silent[-1])[: going[step]]
            here, quiet = (1 - none) * (before @ move) * word, none * before * nothing
        else:
            here, quiet = (1 - none) * begin * word, none / length * np.repeat(nothing, length, axis=1)
        scale = np.maximum(here.sum(axis=1) + quiet.sum(axis=1), _TINY)[:, None]
        at.append(here / scale)
        silent.append(quiet / scale)
        scales.append(scale)
    behind = np.ones((going[-1], length))
    moved = np.zeros((length, length))
    for step in range(steps - 1, -1, -1):
        places, word, nothing = emitted(step)
        if len(behind) < going[step]:
            behind = np.concatenate([behind, np.ones((going[step] - len(behind), length))])
        posterior[places[:, 1:]] = at[step] * behind
        posterior[places[:, 0]] = (silent[step] * behind).sum(axis=1)
        word, nothing = word * behind / scales[step], nothing * behind / scales[step]
        if step:
            before = (at[step - 1] + silent[step - 1])[: going[step]]
            moved += (1 - none) * move * (before.T @ word)
            behind = (1 - none) * (word @ move.T) + none * nothing
    counted += np.bincount(apart.ravel(), moved.ravel(), minlength=len(counted))
    return float(sum(np.log(scale).sum() for scale in scales))


def _alignment(
    cells: _Cells, vocabs: tuple[list[str], list[str]], table: np.ndarray, posterior: np.ndarray, total: float
) -> Alignment:
    """With the likeliest source word of each target word."""
    links = []
    for first, wide, rows in zip(cells.first.tolist(), (cells.sources + 1).tolist(), cells.targets.tolist()):  # noqa: B905
        links.append((posterior[first : first + rows * wide].reshape(rows, wide).argmax(axis=1) - 1).tolist())
    return Alignment(links, *vocabs, cells.source_of, cells.target_of, table, total)
