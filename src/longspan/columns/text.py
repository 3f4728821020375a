"""A short text: a number plate, a word, a line."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.base import Column
from longspan.columns.spec import TokensSpec
from longspan.errors import ConfigError, DataError, NearestNames
from longspan.metrics.row_errors import LABEL, RowError

__all__ = ["Text"]

_PADDING = -1
"""Behind the last character of a target."""
_UNKNOWN_TOKEN, _FIRST_TOKEN = 1, 2
"""Tokens of an input: 0 is padding, 1 a character that no training row has, the vocabulary begins at 2."""
_UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"


@final
@dataclass(frozen=True, kw_only=True)
class Text(Column):
    """A string of characters.

    As a target it is encoded as the positions of its characters in the vocabulary, `(max_length,)` int64, then -1. As
    an input (`role="input"`, which a Task sets) it is ragged: one token for each character, `(steps,)` int64, in which
    0 is padding, 1 a character that no training row has, and 2 the first of the vocabulary.

    A character is one code point; where one letter can be written in two ways, bring texts to one form first
    (`unicodedata.normalize("NFC", text)`). Capitals and spaces count. The empty string is a text without characters; a
    missing value is an unknown text. Validation and test rows may be longer than every training text: the learned
    `max_length` leaves room for twice its length and eight more.

    Example:
        >>> Text().as_input().fit(["ab", "b"]).encode("bat").tolist()
        [3, 2, 1]
    """

    kind: ClassVar[str] = "text"

    vocab: tuple[str, ...] = ()
    """Characters in the order of the network's outputs; learned from training rows, sorted, when empty."""
    max_length: int | None = None
    """Most characters of a text that can be encoded."""
    min_steps: int | None = None
    """Steps that reading the longest training text takes: one for each character, and one more between two equal
    neighbours, which nothing else would part ("feed" takes 5). Learned from training rows."""

    missing: Literal["fault", "empty"] = "fault"
    """What a missing value of an input is: a fault, or the empty text. A missing target is never a text."""
    role: Literal["input", "target"] = "target"
    """Whether a network reads or predicts it."""

    def __post_init__(self) -> None:
        """Check a given vocabulary, lengths and options."""
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
        if self.missing not in ("fault", "empty"):
            raise ConfigError(f"Text.missing must be 'fault' or 'empty', got {self.missing!r}.")
        if self.role not in ("input", "target"):
            raise ConfigError(f"Text.role must be 'input' or 'target', got {self.role!r}.")

    def as_input(self) -> Self:
        """As tokens, ragged."""
        return replace(self, role="input")

    def fit(self, values: Iterable[Any]) -> Self:
        """Characters and lengths of the training rows, unless given.

        Raises:
            DataError: values that are no strings, or not one character among them all.
        """
        if self.vocab and self.max_length is not None and self.min_steps is not None:
            return self
        characters: set[str] = set()
        faults: dict[str, None] = {}
        longest, steps, first = 0, 0, None
        for value in values:
            fault = _kind_fault(value)
            if fault is not None:
                faults[fault] = None
                continue
            first = value if first is None else first
            characters.update(value)
            longest = max(longest, len(value))
            # A text that cannot be encoded is reported by name later, or left out.
            if self.check(value) is None:
                steps = max(steps, _steps(value))
        if faults:
            raise DataError("; ".join(list(faults)[:3]) + ".")
        vocab = self.vocab or tuple(sorted(characters))
        if not vocab:
            raise DataError(
                "A text column needs at least one character in the training rows, found "
                + ("no value at all." if first is None else f"only {first!r}.")
            )
        return replace(
            self,
            vocab=vocab,
            max_length=self.max_length or 2 * longest + 8,
            min_steps=steps if self.min_steps is None else self.min_steps,
        )

    @property
    def ragged(self) -> bool:
        """Inputs are as long as their text; targets are padded to `max_length`."""
        return self.role == "input"

    @property
    def shape(self) -> tuple[int, ...]:
        """One position for each character of the longest text; of an input, that of a single token."""
        if self.ragged:
            return ()
        assert self.max_length is not None
        return (self.max_length,)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Positions in the vocabulary, or tokens."""
        return np.int64

    def check(self, value: Any) -> str | None:
        """Not a string, too many characters, or, in a target, characters that no training row has."""
        fault = _kind_fault(value)
        if fault is not None:
            return fault
        known = self._positions() if self.vocab and not self.ragged else None
        unknown = [] if known is None else [each for each in dict.fromkeys(value) if each not in known]
        if unknown:
            near = [(each, self._nearest().find(each)) for each in unknown]
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
        """Position of each character, -1 behind the last; of an input, its tokens."""
        fault = self.check(value)
        if fault is not None:
            raise ValueError(fault)
        if self.ragged:
            unknown = _UNKNOWN_TOKEN - _FIRST_TOKEN
            return np.array([self._positions().get(each, unknown) + _FIRST_TOKEN for each in value], np.int64)
        encoded = np.full(self.shape, _PADDING, np.int64)
        encoded[: len(value)] = [self._positions()[each] for each in value]
        return encoded

    @property
    def missing_input(self) -> Literal["fault", "value"]:
        """Whether a missing input is the empty text."""
        return "value" if self.missing == "empty" else "fault"

    def encode_missing(self) -> np.ndarray:
        """The empty text."""
        return self.encode("") if self.missing == "empty" else super().encode_missing()

    def spec(self) -> TokensSpec:
        """Tokens of the characters, padding and unknown ones."""
        return TokensSpec(vocab_size=len(self.vocab) + _FIRST_TOKEN, max_length=self.max_length, padding=0)

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this column again; `missing` and `role` where they are not the usual."""
        usual = {"missing": "fault", "role": "target"}
        return {k: v for k, v in super().to_json().items() if usual.get(k) != v}

    def decode(self, encoded: Any) -> str:
        """The characters at positions of 0 and above, or of the tokens of an input, as one string."""
        if self.ragged:
            tokens = [int(token) for token in encoded if token]
            return "".join(
                self.vocab[token - _FIRST_TOKEN] if token >= _FIRST_TOKEN else _UNKNOWN_CHARACTER for token in tokens
            )
        return "".join(self.vocab[int(position)] for position in encoded if position >= 0)

    @property
    def row_error(self) -> RowError:
        """Wrong or right as a whole."""
        return LABEL

    def _nearest(self) -> NearestNames:
        cached = self.__dict__.get("_names")
        if cached is None:
            cached = NearestNames(self.vocab)
            object.__setattr__(self, "_names", cached)
        return cached

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
        f"{value!r} ({type(value).__name__}) is not a text; make it one: "
        "table.with_column(name, Text(), lambda row: str(row[name]))"
    )


def _steps(text: str) -> int:
    return len(text) + sum(one == other for one, other in itertools.pairwise(text))
