"""A short text: a number plate, a word, a line."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.base import Column
from longspan.errors import ConfigError, DataError, nearest
from longspan.metrics.row_errors import LABEL, RowError

__all__ = ["Text"]

_PADDING = -1


@final
@dataclass(frozen=True, kw_only=True)
class Text(Column):
    """A string: encoded as the positions of its characters in the vocabulary, `(max_length,)` int64, then -1.

    A character is one code point; where one letter can be written in two ways, bring texts to one form first
    (`unicodedata.normalize("NFC", text)`). Capitals and spaces count. The empty string is a text: nothing is written
    there; a missing value says that nobody looked. Validation and test rows may be longer than every training text:
    the learned `max_length` leaves room for twice its length and eight more.
    """

    kind: ClassVar[str] = "text"

    vocab: tuple[str, ...] = ()
    """Characters in the order of the network's outputs; learned from training rows, sorted, when empty."""
    max_length: int | None = None
    """Most characters of a text that can be encoded."""
    min_steps: int | None = None
    """Steps that reading the longest training text takes: one for each character, and one more between two equal
    neighbours, which nothing else would part ("feed" takes 5). Learned from training rows."""

    def __post_init__(self) -> None:
        """Check a given vocabulary and lengths."""
        object.__setattr__(self, "vocab", tuple(self.vocab))
        long = [each for each in self.vocab if not isinstance(each, str) or len(each) != 1]
        if long:
            raise ConfigError(f"Text.vocab holds single characters, got {', '.join(map(repr, long[:3]))}.")
        twice = [each for each, count in Counter(self.vocab).items() if count > 1]
        if twice:
            raise ConfigError(f"Text.vocab names {', '.join(map(repr, twice[:5]))} twice.")
        if self.max_length is not None and self.max_length < 1:
            raise ConfigError(f"Text.max_length must be at least 1, got {self.max_length!r}.")
        if self.min_steps is not None and self.min_steps < 0:
            raise ConfigError(f"Text.min_steps must be at least 0, got {self.min_steps!r}.")

    def fit(self, values: Iterable[Any]) -> Self:
        """Characters and lengths of the training rows, unless given.

        Raises:
            DataError: values that are no strings, or not one character among them all.
        """
        if self.vocab and self.max_length is not None and self.min_steps is not None:
            return self
        texts = list(values)
        faults = dict.fromkeys(fault for value in texts if (fault := _kind_fault(value)) is not None)
        if faults:
            raise DataError("; ".join(list(faults)[:3]) + ".")
        vocab = self.vocab or tuple(sorted(set().union(*texts)))
        if not vocab:
            raise DataError(
                "A text column needs at least one character in the training rows, found "
                + (f"only {texts[0]!r}." if texts else "no value at all.")
            )
        max_length = self.max_length or 2 * max(map(len, texts), default=0) + 8
        fitted = replace(self, vocab=vocab, max_length=max_length, min_steps=self.min_steps or 0)
        if self.min_steps is not None:
            return fitted
        # A text that cannot be encoded is reported by name later, or left out.
        steps = (_steps(text) for text in texts if fitted.check(text) is None)
        return replace(fitted, min_steps=max(steps, default=0))

    @property
    def shape(self) -> tuple[int, ...]:
        """One position for each character of the longest text."""
        assert self.max_length is not None
        return (self.max_length,)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Positions in the vocabulary."""
        return np.int64

    def check(self, value: Any) -> str | None:
        """No string, characters that no training row has, or too many of them."""
        fault = _kind_fault(value)
        if fault is not None:
            return fault
        unknown = [each for each in dict.fromkeys(value) if each not in self._positions()] if self.vocab else []
        if unknown:
            near = [(each, nearest(each, self.vocab)) for each in unknown]
            hints = [f"{each!r} (nearest: {like!r})" if like else repr(each) for each, like in near]
            occur = "occurs" if len(unknown) == 1 else "occur"
            return f"{', '.join(hints)} in {value!r} {occur} in no training row; Text(vocab=...) names more characters"
        if self.max_length is not None and len(value) > self.max_length:
            shown = repr(value) if len(value) <= 60 else repr(value[:60]) + "..."
            return (
                f"{shown} has {len(value)} characters, more than the {self.max_length} that there is room for; "
                f"Text(max_length={len(value)}) makes room"
            )
        return None

    def encode(self, value: Any) -> np.ndarray:
        """Position of each character, -1 behind the last."""
        fault = self.check(value)
        if fault is not None:
            raise ValueError(fault)
        encoded = np.full(self.shape, _PADDING, np.int64)
        encoded[: len(value)] = [self._positions()[each] for each in value]
        return encoded

    def decode(self, encoded: Any) -> str:
        """The characters at positions of 0 and above, as one string."""
        return "".join(self.vocab[int(position)] for position in encoded if position >= 0)

    @property
    def row_error(self) -> RowError:
        """Wrong or right as a whole."""
        return LABEL

    def _positions(self) -> dict[str, int]:
        cached = self.__dict__.get("_index")
        if cached is None:  # a frozen dataclass: the index is derived, so it is no field
            cached = {each: i for i, each in enumerate(self.vocab)}
            object.__setattr__(self, "_index", cached)
        return cached


def _kind_fault(value: Any) -> str | None:
    if isinstance(value, str):
        return None
    return (
        f"{value!r} ({type(value).__name__}) is no text; make it one: "
        "table.with_column(name, Text(), lambda row: str(row[name]))"
    )


def _steps(text: str) -> int:
    return len(text) + sum(one == other for one, other in itertools.pairwise(text))
