"""Rows whose texts models wrote again: from translators that can be checked by hand, and by one that was trained."""

import pytest

import longspan as ls
from longspan.data import back_translate
from longspan.errors import ConfigError, DataError
from longspan.portable.prediction import Prediction, TargetPrediction

TO_FRENCH = {"one": "un", "two": "deux", "couple": "deux"}
TO_ENGLISH = {"un": "one", "deux": "two"}


class Words:
    """Translates word by word."""

    def __init__(self, words, *names):
        self.words, self.names = words, names or ("text",)

    def predict(self, texts):
        written = [" ".join(self.words[word] for word in text.split()) for text in texts]
        return [Prediction(dict.fromkeys(self.names, TargetPrediction(text))) for text in written]


@pytest.fixture
def table():
    cells = {"text": ["one couple", "two one", "couple"], "label": ["a", "b", "a"]}
    return ls.Table.from_arrays(cells, {"text": ls.Text(), "label": ls.Category()})


def test_texts_come_back_in_other_words_and_equal_ones_are_left_out(table):
    more = back_translate(table, "text", [Words(TO_FRENCH), Words(TO_ENGLISH)])
    assert more.column_values("text") == ["one two", "two"]
    assert more.column_values("label") == ["a", "a"]
    assert more.column_values("row") == [0, 2]
    assert set(more.column_values("made_up")) == {"back-translation"}
    every = back_translate(table, "text", [Words(TO_FRENCH), Words(TO_ENGLISH)], keep_equal=True)
    assert every.column_values("text") == ["one two", "two one", "two"]
    assert table.column_values("text")[0] == "one couple"


def test_a_text_of_one_side_gets_its_other_side(table):
    french = table.select("label").with_column("fr", ls.Text(), ["un deux", "deux", "un"])
    french = french.with_column("text", ls.Text(), ["", "", ""])
    more = back_translate(french, "text", [Words(TO_ENGLISH)], source="fr")
    assert more.column_values("text") == ["one two", "two", "one"]
    assert more.column_values("fr") == ["un deux", "deux", "un"]


def test_rows_train_beside_the_others(table):
    more = back_translate(table, "text", [Words(TO_FRENCH), Words(TO_ENGLISH)])
    both = table.concat(more.select("text", "label"))
    assert len(both) == 5
    task = ls.Task(both.split(valid=0), "text", "label", allow_leaks=True)
    assert ls.WordCounts().train(task).predict("couple")["label"] == "a"


def test_a_trained_translator_is_read(table):
    pairs = [(a, TO_FRENCH[a]) for a in ("one", "two")] * 10
    cells = {"text": [a for a, _ in pairs], "fr": [b for _, b in pairs]}
    words = ls.Text(tokenizer=ls.WordTokens(min_count=1))
    source = ls.Table.from_arrays(cells, {"text": words, "fr": words})
    model = ls.PhraseTranslation().train(ls.Task(source.split(valid=0), "text", "fr", allow_leaks=True))
    more = back_translate(table.take([1]), "text", [model])
    assert more.column_values("text") == ["Deux un"]


def test_what_cannot_be_is_named(table):
    with pytest.raises(ConfigError, match="at least one model"):
        back_translate(table, "text", [])
    with pytest.raises(ConfigError, match="Model 1 of back_translate predicts a, b"):
        back_translate(table, "text", [Words(TO_FRENCH, "a", "b")])
    with pytest.raises(DataError, match="keep_equal=True"):
        back_translate(table.take([1]), "text", [Words(TO_FRENCH), Words(TO_ENGLISH)])
    empty = table.with_column("text", ls.Text(), ["one", "", "two"])
    with pytest.raises(DataError, match="1 rows have no text"):
        back_translate(empty, "text", [Words(TO_FRENCH)])
