import unicodedata

import pytest

from longspan.errors import ConfigError
from longspan.text import WordTokens, comparable, join_words, normalise, sentences, words


def test_forms_are_those_of_unicode():
    text = "e\u0301 \ufb01 \u00b2 \uff21"
    assert normalise(text) == unicodedata.normalize("NFC", text) == "\u00e9 \ufb01 \u00b2 \uff21"
    assert normalise(text, "NFKC") == "\u00e9 fi 2 A"
    assert normalise(text, "none") == text
    assert normalise("ÉA", lowercase=True) == "éa"
    with pytest.raises(ConfigError, match=r"WordTokens.form must be one of NFC, NFKC, none, got 'NFD'"):
        WordTokens(form="NFD")


def test_copies_look_alike():
    assert comparable("It's  GREAT!\n") == comparable("it s great") == "it s great"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It's 3.5% (good)", ["It's", "3", ".", "5", "%", "(", "good", ")"]),
        ("l\u2019\u00e9t\u00e9 d'hier", ["l\u2019\u00e9t\u00e9", "d'hier"]),
        ("e\u0301te\u0301!", ["e\u0301te\u0301", "!"]),  # combining marks stay with their letters
        ("\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", ["\u05e9\u05dc\u05d5\u05dd", "\u05e2\u05d5\u05dc\u05dd"]),
        ("\u0928\u092e\u0938\u094d\u0924\u0947", ["\u0928\u092e\u0938\u094d\u0924\u0947"]),  # vowel signs too
        ("a_b", ["a", "_", "b"]),
        ("  \n", []),
    ],
)
def test_words_and_punctuation_marks(text, found):
    assert words(text) == found


def test_words_come_back_as_a_text():
    text = "a man (old), in red: sleeps."
    assert join_words(words(text)) == text


def test_sentences_end_at_marks_but_not_at_abbreviations():
    text = 'Mr. Smith left. He said "no." Why? J. R. did.\n\nA title\n\nThe end'
    assert sentences(text) == ["Mr. Smith left.", 'He said "no."', "Why?", "J. R. did.", "A title", "The end"]
    assert sentences("") == []
