"""Words of a sentence as translation needs them: elided words by themselves, compounds with hyphens whole."""

from __future__ import annotations

import re

from longspan.text.normalise import normalise

__all__ = ["join_translation", "translation_words"]

_WORD = re.compile(r"\d+(?:[.,]\d+)*|\w+(?:-\w+)*['\u2019]?|[^\w\s]")
_NO_SPACE_BEFORE = re.compile(r" ([.,;!?%)\]}\u2026])")
_NO_SPACE_BEHIND = re.compile(r"([(\[{]|\w['\u2019]) ")


def translation_words(text: str) -> list[str]:
    """Words, numbers and punctuation marks in small letters; an apostrophe ends a word and belongs to it.

    Example:
        >>> translation_words("L'homme a 2,5 m, aujourd'hui!")
        ["l'", 'homme', 'a', '2,5', 'm', ',', "aujourd'", 'hui', '!']
    """
    return _WORD.findall(normalise(text, lowercase=True))


def join_translation(tokens: list[str]) -> str:
    """A sentence from such words, with a capital at its beginning.

    Example:
        >>> join_translation(["l'", "homme", "(", "vieux", ")", "dort", "."])
        "L'homme (vieux) dort."
    """
    text = _NO_SPACE_BEHIND.sub(r"\1", _NO_SPACE_BEFORE.sub(r"\1", " ".join(tokens)))
    return text[:1].upper() + text[1:]
