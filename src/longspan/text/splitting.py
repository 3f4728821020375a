"""Where words and sentences of a text begin and end."""

from __future__ import annotations

import functools
import re
import unicodedata

__all__ = ["join_words", "sentences", "words"]

_ASCII_WORD = r"[^\W_]+(?:'[^\W_]+)*"
_MARK_BLOCKS = ((0x300, 0x20000), (0xE0100, 0xE01F0))
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026\u3002\uff01\uff1f])[\"'\u201d\u2019)\]]*\s+")
_NOT_AN_END = frozenset(
    {"mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "etc.", "e.g.", "i.e.", "cf.", "no.", "jr.", "sr.", "fig."}
)
_INITIAL = re.compile(r"^[A-Z]\.$")
_NO_SPACE_BEFORE = re.compile(r" ([.,!?;:%)\]}\u2026\u3002])")
_NO_SPACE_BEHIND = re.compile(r"([(\[{]) ")


def words(text: str) -> list[str]:
    """Words and punctuation marks in order: a word is letters, digits and their combining marks, with apostrophes.

    Every other character except white space is a token of its own. Scripts without spaces between words give one word
    for each run of letters; use sub-words for them.

    Example:
        >>> words("It's 3.5% too long, isn't it?")
        ["It's", '3', '.', '5', '%', 'too', 'long', ',', "isn't", 'it', '?']
    """
    return _pattern(text.isascii()).findall(text)


def join_words(tokens: list[str]) -> str:
    """A text from words and punctuation marks: spaces between words, none before a full stop or inside brackets.

    Example:
        >>> join_words(["a", "man", "(", "old", ")", "sleeps", "."])
        'a man (old) sleeps.'
    """
    return _NO_SPACE_BEHIND.sub(r"\1", _NO_SPACE_BEFORE.sub(r"\1", " ".join(tokens)))


def sentences(text: str) -> list[str]:
    """Sentences of a text: parted behind . ! ? and blank lines, but not behind initials and common abbreviations.

    Example:
        >>> sentences("Dr. No wins. Really?  Yes!")
        ['Dr. No wins.', 'Really?', 'Yes!']
    """
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        start = 0
        for end in _SENTENCE_END.finditer(paragraph):
            last = paragraph[start : end.start()].split()[-1:]
            if last and (last[0].lower() in _NOT_AN_END or _INITIAL.match(last[0])):
                continue
            found.append(paragraph[start : end.end()].strip())
            start = end.end()
        found.append(paragraph[start:].strip())
    return [sentence for sentence in found if sentence]


@functools.cache
def _pattern(ascii_only: bool) -> re.Pattern[str]:
    """The pattern of a token; combining marks count as letters, which they are not for `re`."""
    if ascii_only:
        return re.compile(rf"{_ASCII_WORD}|[^\s]")
    marks = "".join(
        chr(code)
        for low, high in _MARK_BLOCKS
        for code in range(low, high)
        if unicodedata.category(chr(code))[0] == "M"
    )
    letter = rf"(?:[^\W_]|[{re.escape(marks)}\u200c\u200d])"
    return re.compile(rf"{letter}+(?:['\u2019]{letter}+)*|[^\s]")
