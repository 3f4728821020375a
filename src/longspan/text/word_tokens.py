"""Tokenizers that need no library: words with a minimum count, and characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

from longspan.errors import ConfigError, DataError
from longspan.text.normalise import UnicodeForm, normalise
from longspan.text.splitting import join_words, words
from longspan.text.tokenizer import SPECIAL, TOKENIZERS, UNKNOWN, Tokenizer, check_vocabulary

__all__ = ["CharacterTokens", "WordTokens"]

_FIRST = len(SPECIAL)
_UNKNOWN_SHOWN = "\N{REPLACEMENT CHARACTER}"


@TOKENIZERS.register()
@final
@dataclass(frozen=True, kw_only=True)
class WordTokens(Tokenizer):
    """Words and punctuation marks (`longspan.text.words`), the most frequent first.

    Example:
        >>> tokens = WordTokens(min_count=1).train(["A dog barks.", "A cat!"])
        >>> tokens.encode("a dog sleeps")
        [4, 9, 1]
        >>> tokens.decode([4, 9, 7])
        'a dog barks'
    """

    kind: ClassVar[str] = "words"

    min_count: int = 2
    """How often a word must occur in the training texts to be in the vocabulary."""
    max_size: int | None = None
    """Most words in the vocabulary."""
    form: UnicodeForm = "NFC"
    """Unicode form."""
    lowercase: bool = True
    """Whether capitals become small letters."""
    vocab: tuple[str, ...] = ()
    """The words by frequency, then alphabet; learned."""

    def __post_init__(self) -> None:
        """Check the options."""
        for name, value in (("min_count", self.min_count), ("max_size", self.max_size)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ConfigError(f"WordTokens.{name} must be a whole number of at least 1, got {value!r}.")
        check_vocabulary("WordTokens", self)

    def train(self, texts: Iterable[str]) -> Self:
        """With the words of the texts that occur often enough."""
        if self.trained:
            return self
        counts = Counter(word for text in texts for word in self.pieces(text))
        kept = sorted(
            (word for word, count in counts.items() if count >= self.min_count), key=lambda w: (-counts[w], w)
        )
        if not kept:
            raise DataError(
                f"No word occurs {self.min_count} times in the training texts: with few texts take "
                "WordTokens(min_count=1)."
                if counts
                else "The training texts hold no word at all."
            )
        return replace(self, vocab=tuple(kept[: self.max_size]))

    def pieces(self, text: str) -> list[str]:
        """The words."""
        return words(normalise(text, self.form, lowercase=self.lowercase))

    def encode(self, text: str) -> list[int]:
        """Word by word."""
        numbers = _numbers(self)
        return [numbers.get(word, UNKNOWN) for word in self.pieces(text)]

    def decode(self, tokens: Sequence[int]) -> str:
        """Words with spaces between, none before punctuation marks."""
        return join_words(_shown(self, tokens))


@TOKENIZERS.register()
@final
@dataclass(frozen=True, kw_only=True)
class CharacterTokens(Tokenizer):
    """Characters: each code point is a token."""

    kind: ClassVar[str] = "characters"

    form: UnicodeForm = "NFC"
    """Unicode form."""
    lowercase: bool = False
    """Whether capitals become small letters."""
    vocab: tuple[str, ...] = ()
    """The characters, sorted; learned."""

    def __post_init__(self) -> None:
        """Check the options."""
        check_vocabulary("CharacterTokens", self)

    def train(self, texts: Iterable[str]) -> Self:
        """With the characters of the texts."""
        if self.trained:
            return self
        found = sorted({each for text in texts for each in self.pieces(text)})
        if not found:
            raise DataError("The training texts hold no character at all.")
        return replace(self, vocab=tuple(found))

    def pieces(self, text: str) -> list[str]:
        """The characters."""
        return list(normalise(text, self.form, lowercase=self.lowercase))

    def encode(self, text: str) -> list[int]:
        """Character by character."""
        numbers = _numbers(self)
        return [numbers.get(each, UNKNOWN) for each in self.pieces(text)]

    def decode(self, tokens: Sequence[int]) -> str:
        """The characters, joined."""
        return "".join(_shown(self, tokens))


def _numbers(tokenizer: Tokenizer) -> dict[str, int]:
    """Token numbers by token. A frozen dataclass holds no index, so it is kept beside the fields."""
    cached = tokenizer.__dict__.get("_index")
    if cached is None:
        cached = {each: number for number, each in enumerate(tokenizer.vocab, _FIRST)}
        object.__setattr__(tokenizer, "_index", cached)
    return cached


def _shown(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[str]:
    return [
        _UNKNOWN_SHOWN if token == UNKNOWN else tokenizer.vocab[token - _FIRST]
        for token in map(int, tokens)
        if token == UNKNOWN or token >= _FIRST
    ]
