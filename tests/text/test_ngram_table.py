"""Tables of n-grams against the models that they are made of."""

import itertools

import numpy as np
import pytest

from longspan.errors import DataError
from longspan.text import train_ngrams
from longspan.text.language_models import SphinxModel
from longspan.text.ngram_table import table_of, table_of_file

TEXTS = ["the cat sat", "the dog sat", "a cat ran", "the cat ran off", "a dog"]


def looked_up(table, context, word):
    """A probability by the definition of backing off, without a search."""
    pairs, triples = {}, {}
    for first in range(len(table.unigrams)):
        for pair in range(table.bigram_starts[first], table.bigram_starts[first + 1]):
            second = int(table.bigram_words[pair])
            pairs[first, second] = table.bigrams[pair], table.bigram_backoffs[pair]
            for place in range(table.trigram_starts[pair], table.trigram_starts[pair + 1]):
                triples[first, second, int(table.trigram_words[place])] = table.trigrams[place]
    if (*context, word) in triples:
        return triples[*context, word]
    penalty = pairs[context][1] if len(context) == 2 and context in pairs else 0.0
    last = context[-1:]
    if last and (*last, word) in pairs:
        return penalty + pairs[*last, word][0]
    return penalty + (table.unigram_backoffs[last[0]] if last else 0.0) + table.unigrams[word]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_trained_model_is_the_same_as_a_table(order):
    model = train_ngrams(TEXTS, order)
    words = [*model.words, "zebra", "<s>", "</s>"]
    numbers = {word: number for number, word in enumerate(words)}
    table = table_of(model, numbers)
    for size in range(3):
        for context in itertools.product(["<s>", "the", "cat", "zebra"], repeat=size):
            for word in ("cat", "sat", "zebra", "</s>"):
                found = looked_up(table, tuple(numbers[each] for each in context), numbers[word])
                assert found == pytest.approx(np.log(10) * model.log10_probability(context, word), abs=1e-4)


def test_the_packed_file_of_pocketsphinx_holds_what_the_program_says():
    pytest.importorskip("pocketsphinx")
    model = SphinxModel()
    words = ["THE", "OF", "IN", "WORLD", "WHITE", "HOUSE", "ZULU", "SHAKA", "QQQQ", "<s>", "</s>"]
    numbers = {word: number for number, word in enumerate(words)}
    table = model.table(numbers)
    assert len(table.trigrams) > 20
    for size in range(3):
        for context in itertools.product(words[:9], repeat=size):
            if "QQQQ" in context:
                continue
            for word in (*words[:8], "</s>"):
                found = looked_up(table, tuple(numbers[each] for each in context), numbers[word])
                assert found == pytest.approx(np.log(10) * model.log10_probability(context, word), abs=2e-3)
    assert table.unigrams[numbers["QQQQ"]] < -200


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "model.lm.bin"
    path.write_bytes(b"Trie Language Model\x02" + bytes(100))
    with pytest.raises(DataError, match="not a packed trigram model"):
        table_of_file(path, {"<s>": 0, "</s>": 1})
