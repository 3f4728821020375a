import itertools
import math

import numpy as np
import pytest

from longspan.errors import DataError
from longspan.text.translation import align_hmm, align_ibm1, symmetrise
from longspan.text.translation.alignment import _JUMPS, _cells, _forward_backward

SOURCES = [each.split() for each in ("the house", "the book", "a book", "the small house", "a small book is old")]
TARGETS = [
    each.split() for each in ("la maison", "le livre", "un livre", "la petite maison", "un petit livre est vieux")
]


def test_ibm_1_equals_that_of_nltk():
    from nltk.translate import AlignedSent
    from nltk.translate.ibm1 import IBMModel1

    """Which counts a word that comes twice in a sentence once; none does here."""
    theirs = IBMModel1([AlignedSent(t, s) for s, t in zip(SOURCES, TARGETS, strict=True)], 7)
    table = align_ibm1(SOURCES, TARGETS, iterations=7).table(0)
    met = {pair for s, t in zip(SOURCES, TARGETS, strict=True) for pair in itertools.product(s, t)}
    for source, target in met:  # words that never met keep their first value there
        wanted = theirs.translation_table[target][source]
        assert table[source].get(target, 0.0) == pytest.approx(wanted if wanted > 2e-12 else 0.0, abs=1e-9)
    assert table[""]["livre"] == pytest.approx(theirs.translation_table["livre"][None], abs=1e-9)


def test_more_steps_are_never_less_likely():
    for align in (
        lambda n: align_ibm1(SOURCES, TARGETS, iterations=n), lambda n: align_hmm(SOURCES, TARGETS, iterations=n)
    ):  # fmt: skip
        totals = [align(n).log_likelihood for n in (1, 2, 3, 6)]
        assert totals == sorted(totals)


def test_the_markov_model_equals_a_sum_over_all_alignments():
    """States are pairs of a source word and whether it is silent; every path is one alignment."""
    random = np.random.default_rng(0)
    cells, _ = _cells(SOURCES, TARGETS)
    table, jumps = random.random(len(cells.source_of)), random.random(2 * _JUMPS + 1)
    posterior, counted = np.zeros(len(cells.pair)), np.zeros(2 * _JUMPS + 1)
    total = sum(
        _forward_backward(cells, np.flatnonzero(cells.sources == length), table, jumps, posterior, counted)
        for length in np.unique(cells.sources)
    )
    wanted_total, wanted_jumps = 0.0, np.zeros(len(jumps))
    for number, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        count, wide = len(source), len(source) + 1
        block = cells.pair[cells.first[number] : cells.first[number] + len(target) * wide].reshape(-1, wide)

        def move(at, to, count=count):
            return jumps[to - at + _JUMPS] / sum(jumps[each - at + _JUMPS] for each in range(count))

        weights, expected, moved = 0.0, np.zeros((len(target), wide)), np.zeros(len(jumps))
        states = [(place, silent) for place in range(count) for silent in (False, True)]
        for path in itertools.product(states, repeat=len(target)):
            weight, at, steps = 1.0, None, []
            for word, (place, silent) in enumerate(path):
                weight *= table[block[word, 0 if silent else place + 1]]
                if silent:
                    weight *= 0.2 * (1 / count if at is None else float(place == at))
                else:
                    weight *= 0.8 * move(-1 if at is None else at, place)
                    steps += [] if at is None else [place - at + _JUMPS]
                at = place
            weights += weight
            for word, (place, silent) in enumerate(path):
                expected[word, 0 if silent else place + 1] += weight
            for step in steps:
                moved[step] += weight
        wanted_total += math.log(weights)
        wanted_jumps += moved / weights
        first = cells.first[number]
        got = posterior[first : first + expected.size].reshape(expected.shape)
        np.testing.assert_allclose(got, expected / weights, atol=1e-9)
    assert total == pytest.approx(wanted_total)
    np.testing.assert_allclose(counted, wanted_jumps, atol=1e-9)


def test_words_that_belong_together_are_found():
    links = align_hmm(SOURCES * 3, TARGETS * 3).links
    assert links[0] == [0, 1]
    assert links[3] == [0, 1, 2]


def test_links_of_both_directions_grow_to_their_neighbours():
    # Both agree on (0, 0) and (2, 2); (1, 1) is of one direction and touches them; (4, 4) stands alone.
    forward, backward = [0, 1, 2, -1, 4], [0, -1, 2, -1, -1]
    assert symmetrise([forward], [backward]) == [{(0, 0), (1, 1), (2, 2), (4, 4)}]
    # A word that has a link gets another only where it touches one and brings in a new word.
    assert symmetrise([[0, 0]], [[0]]) == [{(0, 0), (0, 1)}]
    assert symmetrise([[0, -1, 0]], [[0]]) == [{(0, 0)}]


def test_what_cannot_be_aligned_is_refused():
    with pytest.raises(DataError, match="got 1 and 2"):
        align_ibm1([["a"]], [["b"], ["c"]])
    with pytest.raises(DataError, match="pair 1 lacks one"):
        align_hmm([["a"], []], [["b"], ["c"]])
