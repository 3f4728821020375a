"""Runs of words in a text, as classical classifiers count them."""

from __future__ import annotations

from longspan.text.normalise import normalise
from longspan.text.splitting import words

__all__ = ["word_ngrams"]


def word_ngrams(text: str, shortest: int = 1, longest: int = 2) -> list[str]:
    """Every run of `shortest` to `longest` words, small letters, with a space between words.

    Example:
        >>> word_ngrams("A good film")
        ['a', 'good', 'film', 'a good', 'good film']
    """
    found = words(normalise(text, lowercase=True))
    return [
        " ".join(found[at : at + length])
        for length in range(shortest, longest + 1)
        for at in range(len(found) - length + 1)
    ]
