import itertools
import math
import random

import pytest

from longspan.errors import ConfigError
from longspan.text import train_ngrams
from longspan.text.translation import DecoderWeights, PhraseDecoder, PhrasePair, PhraseTable, extract_phrases
from longspan.text.translation.phrases import phrase_spans


@pytest.mark.parametrize("seed", range(20))
def test_spans_are_all_that_no_link_leaves(seed):
    dice = random.Random(seed)
    rows, columns, longest = dice.randint(1, 5), dice.randint(1, 5), 3
    links = {(dice.randrange(rows), dice.randrange(columns)) for _ in range(dice.randint(0, 6))}
    wanted = set()
    for a, b, c, d in itertools.product(range(rows), range(1, rows + 1), range(columns), range(1, columns + 1)):
        inside = {(s, t) for s, t in links if a <= s < b and c <= t < d}
        touched = {(s, t) for s, t in links if a <= s < b or c <= t < d}
        if 0 < b - a <= longest and 0 < d - c <= longest and inside and inside == touched:
            wanted.add((a, b, c, d))
    found = list(phrase_spans(links, rows, columns, longest))
    assert set(found) == wanted
    assert len(found) == len(wanted)


def test_probabilities_are_discounted_frequencies():
    sources = [["a", "b"], ["a", "b"], ["a", "c"]]
    targets = [["x", "y"], ["z", "y"], ["x", "w"]]
    links = [{(0, 0), (1, 1)}] * 3
    table = extract_phrases(sources, targets, links, {"a": {"x": 0.5}, "": {"x": 0.25}}, {}, longest=2)
    assert {source: len(pairs) for source, pairs in table.pairs.items()} == {
        ("a",): 2, ("b",): 1, ("c",): 1, ("a", "b"): 2, ("a", "c"): 1,
    }  # fmt: skip
    best = table.pairs["a",][0]
    assert best.words == ("x",)
    assert best.forward == pytest.approx(math.log(1.5 / 3))
    assert best.backward == pytest.approx(math.log(1.5 / 2))
    assert best.lexical_forward == pytest.approx(math.log(0.5))
    assert best.lexical_backward == pytest.approx(math.log(1e-7))


def every_translation(decoder, words):
    """The best score over all ways to cut and to order the phrases, and its words."""
    table, weights, model = decoder.table, decoder.weights, decoder.language_model
    best = (-math.inf, [])
    count = len(words)
    for cuts in itertools.product((False, True), repeat=count - 1):
        ends = [place + 1 for place, cut in enumerate(cuts) if cut] + [count]
        spans = list(zip([0, *ends[:-1]], ends, strict=True))
        for order in itertools.permutations(spans):
            for pairs in itertools.product(*(table.pairs.get(tuple(words[a:b]), ()) for a, b in order)):
                chosen = [word for pair in pairs for word in pair.words]
                score = weights.language_model * math.log(10) * model.log10_of(chosen)
                at = 0
                for (start, end), pair in zip(order, pairs, strict=True):
                    score += weights.forward * pair.forward + weights.backward * pair.backward + weights.phrase
                    score += weights.lexical_forward * pair.lexical_forward + weights.word * len(pair.words)
                    score += weights.lexical_backward * pair.lexical_backward + weights.distortion * abs(start - at)
                    at = end
                best = max(best, (score, chosen))
    return best


@pytest.mark.parametrize("seed", range(5))
def test_the_search_finds_the_best_of_all_translations(seed):
    dice = random.Random(seed)
    words = ["s0", "s1", "s2", "s3"]

    def pair(length):
        return PhrasePair(tuple(dice.choice("abc") for _ in range(length)), *(-3 * dice.random() for _ in range(4)))

    pairs = {(word,): (pair(1), pair(2)) for word in words}
    pairs |= {("s1", "s2"): (pair(2),), ("s2", "s3"): (pair(1),)}
    model = train_ngrams(["a b c", "c a b", "b b a", "a c"])
    decoder = PhraseDecoder(PhraseTable(pairs, 2), model, DecoderWeights(word=0.7), stack=500, reordering=9, margin=1e9)
    assert decoder.translate(words) == every_translation(decoder, words)[1]


def test_without_reordering_phrases_stay_in_order_and_unknown_words_are_copied():
    pairs = {("s0",): (PhrasePair(("a",), 0, 0, 0, 0),), ("s1",): (PhrasePair(("b",), 0, 0, 0, 0),)}
    model = train_ngrams(["b a"] * 5)
    table = PhraseTable(pairs, 1)
    assert PhraseDecoder(table, model, reordering=0).translate(["s0", "s1", "name"]) == ["a", "b", "name"]
    assert PhraseDecoder(table, model).translate(["s0", "s1"]) == ["b", "a"]
    assert PhraseDecoder(table, model).translate([]) == []
    with pytest.raises(ConfigError, match="stack >= 1"):
        PhraseDecoder(table, model, stack=0)
