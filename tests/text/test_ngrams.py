"""Kneser-Ney models: a case worked by hand, sums, files."""

import gzip
import itertools

import pytest

from longspan.errors import ConfigError, DataError
from longspan.text import NGramModel, read_arpa, train_ngrams, write_arpa

TEXTS = ["the cat sat", "the dog sat", "a cat ran", "the cat ran off", "a dog"]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_behind_every_context_sum_to_one(order):
    model = train_ngrams(TEXTS, order)
    words = [*model.words, "</s>", "<unk>"]
    for size in range(3):
        for context in itertools.product(["<s>", "the", "cat", "never", "sat"], repeat=size):
            total = sum(10 ** model.log10_probability(context, word) for word in words)
            assert total == pytest.approx(1), context


def test_words_beside_those_of_the_texts_share_what_is_left():
    model = train_ngrams(TEXTS, 3, vocabulary=["zebra", "quagga", "cat"])
    words = [*model.words, "</s>", "<unk>"]
    assert {"zebra", "quagga"} <= {*words}
    for context in ((), ("the",), ("zebra", "the"), ("<s>", "a")):
        assert sum(10 ** model.log10_probability(context, word) for word in words) == pytest.approx(1), context
    assert model.log10_probability(("the",), "zebra") == model.log10_probability(("the",), "quagga")


def test_two_texts_worked_by_hand():
    model = train_ngrams(["a b", "a c"], order=2)
    # Bigrams: <s> a twice; a b, a c, b </s>, c </s> once. D2 = n1 / (n1 + 2 n2) = 4 / (4 + 2) = 2/3.
    # Unigrams by contexts: a 1, b 1, c 1, </s> 2. D1 = 3 / (3 + 2) = 0.6; 4 kinds, total 5; 5 words with <unk>.
    uniform = 0.6 * 4 / 5 / 5
    b, end = (1 - 0.6) / 5 + uniform, (2 - 0.6) / 5 + uniform
    assert 10 ** model.log10_probability((), "b") == pytest.approx(b)
    assert 10 ** model.log10_probability((), "zebra") == pytest.approx(uniform)
    # Behind a: two kinds of total 2.
    weight = 2 / 3 * 2 / 2
    assert 10 ** model.log10_probability(("a",), "b") == pytest.approx((1 - 2 / 3) / 2 + weight * b)
    assert 10 ** model.log10_probability(("a",), "</s>") == pytest.approx(weight * end)
    assert 10 ** model.log10_probability(("zebra",), "b") == pytest.approx(b)


def test_texts_like_those_of_training_are_likelier():
    model = train_ngrams(TEXTS)
    assert model.log10_of(["the", "cat", "sat"]) > model.log10_of(["sat", "cat", "the"])
    assert model.perplexity(TEXTS) < model.perplexity(["ran the a", "dog dog cat"])


def test_arpa_files_come_back(tmp_path):
    model = train_ngrams(TEXTS)
    path = write_arpa(tmp_path / "model.arpa", model)
    again = read_arpa(path)
    assert again.order == 3
    assert set(again.probabilities) == set(model.probabilities)
    for text in [*TEXTS, "a zebra sat"]:
        assert again.log10_of(text.split()) == pytest.approx(model.log10_of(text.split()), abs=1e-5)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_arpa(tmp_path / "packed.gz").words == model.words


def test_a_file_of_another_program(tmp_path):
    # A line before the header, tabs and blanks between fields, no <unk>.
    path = tmp_path / "m.arpa"
    path.write_text(
        "made by hand\n\n\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-1.0 <s> -0.5\n-0.5\ta\t-0.3\n-0.7 </s>\n\n"
        "\\2-grams:\n-0.1 <s> a\n\n\\end\\\n"
    )
    model = read_arpa(path)
    assert isinstance(model, NGramModel)
    assert model.log10_probability(("<s>",), "a") == -0.1
    assert model.log10_probability(("a",), "</s>") == pytest.approx(-1.0)


def test_files_that_are_wrong_say_where(tmp_path):
    path = write_arpa(tmp_path / "model.arpa", train_ngrams(TEXTS, 2))
    good = path.read_text()
    for change, what in [
        (good.replace("ngram 2=", "ngram 2=9"), r"2-grams instead of"),
        (good[: good.index("\\2-grams:")], r"cut short or damaged"),
        (good.replace("\\end\\", ""), "no line"),
        ("just words\n", r"is not an ARPA file"),
        (good.replace("\\2-grams:", "\\7-grams:"), r"does not speak of 7-grams"),
        (good.replace("\tthe cat", "\tthe"), r"line \d+: .* is not a 2-gram"),
    ]:
        path.write_text(change)
        with pytest.raises(DataError, match=what):
            read_arpa(path)
    with pytest.raises(DataError, match="There is no language model"):
        read_arpa(tmp_path / "gone")
    with pytest.raises(DataError, match="at least one word"):
        train_ngrams(["", " "])
    with pytest.raises(ConfigError, match="order"):
        train_ngrams(TEXTS, 0)
