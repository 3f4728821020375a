import pytest

from longspan.errors import DataError
from longspan.text import Lexicon, cmudict, grapheme_lexicon, read_lexicon

FILE = """;;; a comment
HELLO  HH AH0 L OW1
HELLO(2)  HH EH0 L OW1
WORLD  W ER1 L D  # a note
"""


def test_a_file_is_read(tmp_path):
    path = tmp_path / "words.dict"
    path.write_text(FILE)
    lexicon = read_lexicon(path)
    assert lexicon.pronunciations == {"HELLO": ("hAlo", "hElo"), "WORLD": ("wRld",)}
    assert lexicon.spell("WORLD HELLO") == "wRldhAlo"
    assert lexicon.alphabet == tuple(sorted(set("hAloElwRd")))


def test_all_faults_of_a_file_are_named(tmp_path):
    path = tmp_path / "words.dict"
    path.write_text("HELLO HH QQ\nWORLD\nGOOD G UH1 D\n")
    with pytest.raises(DataError) as raised:
        read_lexicon(path)
    assert f"{path}, line 1: 'QQ' is not a phoneme" in str(raised.value)
    assert f"{path}, line 2: 'WORLD' has no phonemes" in str(raised.value)
    path.write_text("# nothing\n")
    with pytest.raises(DataError, match="holds no word"):
        read_lexicon(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_lexicon(tmp_path / "gone.dict")


def test_words_that_are_missing_are_named_or_guessed(tmp_path):
    lexicon = Lexicon({"two": ("tu",), "to": ("tu",)})
    with pytest.raises(DataError, match="no word 'three', 'four'"):
        lexicon.spell("two three four three")
    more, missing = lexicon.completed(["two", "sheep"])
    assert missing == ["sheep"]
    assert more.spell("sheep") == "Sip"
    assert len(lexicon.restricted(["two", "none"])) == 1


def test_letters_in_place_of_phonemes():
    lexicon = grapheme_lexicon(["ja", "nein", "ja"])
    assert lexicon.spell("nein ja") == "neinja"
    with pytest.raises(DataError, match="at least one word"):
        grapheme_lexicon([])
    with pytest.raises(DataError, match="no pronunciation for 'x'"):
        Lexicon({"x": ()})


def test_the_cmu_dictionary():
    pytest.importorskip("pocketsphinx")
    lexicon = cmudict(capitals=True)
    assert len(lexicon) > 100_000
    assert lexicon.spell("SEVEN NINE") == "sEvAnnYn"
    assert "hello" not in lexicon
