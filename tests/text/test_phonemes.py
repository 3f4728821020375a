import pytest

from longspan.errors import DataError
from longspan.text.phonemes import ONE_LETTER, phonemes_of_letters, to_letters


def test_phonemes_and_letters_are_one_to_one():
    assert len(set(ONE_LETTER.values())) == len(ONE_LETTER) == 40
    assert list(phonemes_of_letters(to_letters(ONE_LETTER))) == list(ONE_LETTER)


def test_stress_is_left_out():
    assert to_letters(["HH", "AH0", "L", "OW1"]) == "hAlo"


def test_unknown_phonemes_are_named():
    with pytest.raises(DataError, match="'AZ' is not a phoneme of ARPAbet"):
        to_letters(["AZ"])
    with pytest.raises(DataError, match="'!' is not a letter"):
        phonemes_of_letters("a!")
