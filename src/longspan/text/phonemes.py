"""Phonemes of English: ARPAbet, as in the CMU dictionary, and its alphabet of one letter a phoneme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from longspan.errors import DataError, nearest

__all__ = ["ONE_LETTER", "phonemes_of_letters", "to_letters"]

ONE_LETTER: dict[str, str] = {
    "AA": "a", "AE": "@", "AH": "A", "AO": "c", "AW": "W", "AX": "x", "AY": "Y", "B": "b", "CH": "C", "D": "d",
    "DH": "D", "EH": "E", "ER": "R", "EY": "e", "F": "f", "G": "g", "HH": "h", "IH": "I", "IY": "i", "JH": "J",
    "K": "k", "L": "l", "M": "m", "N": "n", "NG": "G", "OW": "o", "OY": "O", "P": "p", "R": "r", "S": "s", "SH": "S",
    "T": "t", "TH": "T", "UH": "U", "UW": "u", "V": "v", "W": "w", "Y": "y", "Z": "z", "ZH": "Z",
}  # fmt: skip
"""The letter of each phoneme, so that phonemes can be the characters of a `Text` column.

Source: Shoup 1980, "Phonological aspects of speech recognition" (ARPAbet, one-letter form).
"""

_PHONEMES = {letter: phoneme for phoneme, letter in ONE_LETTER.items()}


def to_letters(phonemes: Iterable[str]) -> str:
    """Phonemes as one string, a letter for each; the digit of stress (`AH0`) is left out.

    Raises:
        DataError: a phoneme that ARPAbet does not have, with the nearest.

    Example:
        >>> to_letters(["S", "EH1", "V", "AH0", "N"])
        'sEvAn'
    """
    letters = []
    for phoneme in phonemes:
        plain = phoneme.rstrip("012").upper()
        if plain not in ONE_LETTER:
            near = nearest(plain, ONE_LETTER)
            hint = f"; did you mean {near}?" if near else ""
            raise DataError(f"{phoneme!r} is not a phoneme of ARPAbet{hint}")
        letters.append(ONE_LETTER[plain])
    return "".join(letters)


def phonemes_of_letters(letters: str) -> Sequence[str]:
    """The phonemes that `to_letters` wrote; DataError for a letter that stands for none."""
    unknown = [letter for letter in letters if letter not in _PHONEMES]
    if unknown:
        raise DataError(f"{unknown[0]!r} is not a letter of ARPAbet's one-letter form.")
    return [_PHONEMES[letter] for letter in letters]
