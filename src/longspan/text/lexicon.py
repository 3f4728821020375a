"""Pronunciations of words: the CMU dictionary, a lexicon of the user's, or letters in place of phonemes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from longspan.errors import DataError, DependencyError, Fault, data_error
from longspan.text.phonemes import to_letters

__all__ = ["Lexicon", "cmudict", "grapheme_lexicon", "read_lexicon"]

_VARIANT = re.compile(r"(?P<word>.+)\(\d+\)")
_COMMENTS = (";;;", "#")


@final
@dataclass(frozen=True, slots=True)
class Lexicon:
    """How words are pronounced.

    Example:
        >>> lexicon = Lexicon({"two": ("tu",), "to": ("tu", "tA")})
        >>> lexicon.spell("to two")
        'tutu'
    """

    pronunciations: Mapping[str, tuple[str, ...]]
    """Of each word, the usual one first: a string with one character for each phoneme (ARPAbet's one-letter form, or
    letters)."""

    def __post_init__(self) -> None:
        """Refuse a lexicon without words, and words without a sound, with DataError."""
        if not self.pronunciations:
            raise DataError("A lexicon needs at least one word.")
        mute = [word for word, sounds in self.pronunciations.items() if not sounds or not all(sounds)]
        if mute:
            raise DataError(f"The lexicon has no pronunciation for {', '.join(map(repr, mute[:5]))}.")

    def __len__(self) -> int:
        return len(self.pronunciations)

    def __contains__(self, word: str) -> bool:
        return word in self.pronunciations

    @property
    def alphabet(self) -> tuple[str, ...]:
        """Every phoneme's character, sorted."""
        return tuple(sorted({letter for sounds in self.pronunciations.values() for each in sounds for letter in each}))

    def spell(self, text: str) -> str:
        """The phonemes of a text, words by their usual pronunciation, without marks between words.

        Raises:
            DataError: words that the lexicon does not have, all of them.
        """
        words = text.split()
        unknown = [word for word in dict.fromkeys(words) if word not in self.pronunciations]
        if unknown:
            raise DataError(
                f"The lexicon has no word {', '.join(map(repr, unknown[:10]))}"
                f"{' and others' if len(unknown) > 10 else ''}. Add pronunciations, or spell letters with "
                "grapheme_lexicon."
            )
        return "".join(self.pronunciations[word][0] for word in words)

    def restricted(self, words: Iterable[str]) -> Lexicon:
        """Only these words, as far as they are there."""
        return Lexicon({word: self.pronunciations[word] for word in words if word in self.pronunciations})

    def completed(self, words: Iterable[str]) -> tuple[Lexicon, list[str]]:
        """This lexicon, and by rules of spelling the words that it lacks; and which these are.

        A word in ARPAbet's letters is guessed letter by letter, which is rough: see the list.
        """
        missing = [word for word in dict.fromkeys(words) if word not in self.pronunciations]
        guessed = {word: (sounds,) for word in missing if (sounds := _guess(word))}
        return Lexicon({**self.pronunciations, **guessed}), missing


def read_lexicon(path: str | Path) -> Lexicon:
    """A lexicon in the format of the CMU dictionary: a word, blanks, its phonemes in ARPAbet; a line each.

    `WORD(2)` is a second pronunciation of WORD. Words are kept as they are written. Lines that begin with `;;;` or `#`
    are comments.

    Raises:
        DataError: there is no such file, or lines that do not fit; all of them are named.
    """
    path = Path(path)
    try:
        lines = re.split(r"\r\n|\r|\n", path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The lexicon {path} cannot be read: {error}.") from error
    found: dict[str, list[str]] = {}
    faults: list[Fault] = []
    for number, line in enumerate(lines, start=1):
        word, *phonemes = line.split()[:1] + line.split("#")[0].split()[1:] if line.strip() else [""]
        if not word or line.startswith(_COMMENTS):
            continue
        where = f"{path}, line {number}"
        if not phonemes:
            faults.append(Fault(where, f"{word!r} has no phonemes"))
            continue
        variant = _VARIANT.fullmatch(word)
        try:
            found.setdefault(variant["word"] if variant else word, []).append(to_letters(phonemes))
        except DataError as error:
            faults.append(Fault(where, str(error)))
    if faults:
        raise data_error("The lexicon cannot be used:", faults, "Write a word and its phonemes: HELLO HH AH0 L OW1.")
    if not found:
        raise DataError(f"The lexicon {path} holds no word.")
    return Lexicon({word: tuple(dict.fromkeys(sounds)) for word, sounds in found.items()})


def cmudict(*, capitals: bool = False) -> Lexicon:
    """The CMU dictionary of 135,000 English words, as the extra `pocketsphinx` brings it.

    Args:
        capitals: Words in capitals, as in LibriSpeech's transcripts.

    Raises:
        DependencyError: pocketsphinx is not installed.
    """
    try:
        import pocketsphinx
    except ImportError:
        raise DependencyError(
            "The CMU dictionary comes with pocketsphinx: python -m pip install 'longspan[pocketsphinx]'. A lexicon of "
            "your own is read by read_lexicon."
        ) from None
    lexicon = read_lexicon(Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict")
    if not capitals:
        return lexicon
    return Lexicon({word.upper(): sounds for word, sounds in lexicon.pronunciations.items()})


def grapheme_lexicon(words: Iterable[str]) -> Lexicon:
    """Words that are spelled as they are written: letters in place of phonemes, for languages without a lexicon.

    Raises:
        DataError: not one word.
    """
    return Lexicon({word: (word,) for word in dict.fromkeys(words)})


_RULES = {
    "tion": "SAn", "sion": "ZAn", "ough": "c", "igh": "Y", "tch": "C", "sch": "sk", "ch": "C", "sh": "S", "th": "T",
    "ph": "f", "wh": "w", "ck": "k", "ng": "G", "qu": "kw", "ee": "i", "ea": "i", "oo": "u", "ou": "W", "ow": "o",
    "ai": "e", "ay": "e", "oi": "O", "oy": "O", "au": "c", "aw": "c", "ew": "u", "er": "R", "ar": "ar", "or": "cr",
    "a": "@", "b": "b", "c": "k", "d": "d", "e": "E", "f": "f", "g": "g", "h": "h", "i": "I", "j": "J", "k": "k",
    "l": "l", "m": "m", "n": "n", "o": "a", "p": "p", "q": "k", "r": "r", "s": "s", "t": "t", "u": "A", "v": "v",
    "w": "w", "x": "ks", "y": "i", "z": "z",
}  # fmt: skip


def _guess(word: str) -> str:
    """Phonemes of an English word by its letters; a silent e at the end is left out."""
    rest, sounds = word.lower(), ""
    if len(rest) > 3 and rest.endswith("e"):
        rest = rest[:-1]
    while rest:
        size = next((size for size in (4, 3, 2, 1) if rest[:size] in _RULES), None)
        if size is not None and sounds[-1:] != _RULES[rest[:size]]:  # doubled letters are one sound
            sounds += _RULES[rest[:size]]
        rest = rest[size or 1 :]
    return sounds
