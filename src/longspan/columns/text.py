"""Text: a number plate, a line, a review; read as tokens, predicted as characters or tokens."""

from __future__ import annotations

import html
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt
import polars as pl

from longspan.columns.augmentation import Augmentation
from longspan.columns.base import Column
from longspan.columns.ragged import Ragged
from longspan.columns.spec import TokensSpec
from longspan.errors import ConfigError, DataError, NearestNames
from longspan.lazy_torch import torch
from longspan.metrics.row_errors import LABEL, RowError
from longspan.metrics.translation import CHRF_ERROR
from longspan.text.augment import TextAugment, TextParams, augment_tokens
from longspan.text.normalise import comparable
from longspan.text.pretrained import PACKAGED, PretrainedTokens
from longspan.text.tokenizer import PADDING, TOKENIZERS, Tokenizer, tokenizer_from_json
from longspan.text.word_tokens import CharacterTokens, WordTokens

__all__ = ["Text"]

_PADDING = -1
"""Behind the last character of a target."""
_UNKNOWN_TOKEN, _FIRST_TOKEN = 1, 2
"""Tokens of an input: 0 is padding, 1 a character that no training row has, the vocabulary begins at 2."""
_SHADES = ("#eef3fb", "#fbf3e6")
_UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"


@final
@dataclass(frozen=True, kw_only=True)
class Text(Column):
    """A text: tokens of a vocabulary, learned from the training rows.

    As an input (`role="input"`, which a Task sets) it is ragged, one number for each token: `(steps,)` int64, 0 is
    padding, 1 a token that no training row has. A tokenizer cuts it: words, unless another is given. Longer texts than
    `max_tokens` are cut there, and a warning counts them.

    As a target without a tokenizer it is encoded as the positions of its characters in `vocab`, `(max_length,)` int64,
    then -1; with one, as token numbers, then -1. A character is one code point; where one letter can be written in two
    ways, bring texts to one form first (`longspan.text.normalise`). Capitals and spaces count. The empty string is a
    text without characters; a missing value is an unknown text. Validation and test rows may be longer than every
    training text: the learned `max_length` leaves room for twice its length and eight more.

    Example:
        >>> column = Text(tokenizer=WordTokens(min_count=1)).as_input().fit(["A good film.", "A bad film."])
        >>> column.encode("a good day").tolist()
        [5, 8, 1]
        >>> Text().fit(["ab", "b"]).encode("ba").tolist()[:3]
        [1, 0, -1]
    """

    kind: ClassVar[str] = "text"
    usage: ClassVar[str] = "text[:TOKENIZER]"
    augmentation: ClassVar[type | None] = TextAugment

    tokenizer: Tokenizer | None = None
    """What cuts a text into tokens. None: words, as an input; characters, as a target."""
    max_tokens: int | None = 256
    """Most tokens of an input that a network reads; None: all."""
    vocab: tuple[str, ...] = ()
    """Characters in the order of the network's outputs; learned from training rows, sorted, when empty."""
    max_length: int | None = None
    """Most characters of a text that can be encoded."""
    min_steps: int | None = None
    """Steps that reading the longest training text takes: one for each character, and one more between two equal
    neighbours, which nothing else would part ("feed" takes 5). Learned from training rows."""

    missing: Literal["fault", "empty"] = "fault"
    """What a missing value of an input is: a fault, or the empty text. A missing target is never a text."""
    empty: Literal["text", "fault"] = "text"
    """What a text without a character that is not a blank is: a text like others, or, as in transcripts, a fault."""
    role: Literal["input", "target"] = "target"
    """Whether a network reads or predicts it."""

    def __post_init__(self) -> None:
        """Check a given vocabulary, lengths and options."""
        object.__setattr__(self, "vocab", tuple(self.vocab))
        if isinstance(self.tokenizer, dict):
            object.__setattr__(self, "tokenizer", tokenizer_from_json(self.tokenizer))
        if self.tokenizer is not None and not isinstance(self.tokenizer, Tokenizer):
            raise ConfigError(
                f"Text.tokenizer must be a tokenizer such as WordTokens(), got {type(self.tokenizer).__name__}."
            )
        if self.tokenizer is not None and self.vocab:
            raise ConfigError("Text.vocab is for texts read by character; a tokenizer has a vocabulary of its own.")
        if self.max_tokens is not None and (not isinstance(self.max_tokens, int) or self.max_tokens < 1):
            raise ConfigError(f"Text.max_tokens must be a whole number of at least 1, got {self.max_tokens!r}.")
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
        if self.empty not in ("text", "fault"):
            raise ConfigError(f"Text.empty must be 'text' or 'fault', got {self.empty!r}.")
        if self.role not in ("input", "target"):
            raise ConfigError(f"Text.role must be 'input' or 'target', got {self.role!r}.")

    @classmethod
    def from_words(cls, detail: str) -> Self:
        """`text`, `text:characters`, `text:words`, `text:subwords`, or `text:minilm` for a pretrained network.

        Raises:
            UnknownNameError: there is no such tokenizer.
            WeightsError: the files of the pretrained network are not installed.
        """
        if not detail:
            return cls()
        if detail in PACKAGED:
            return cls.for_encoder(detail)
        return cls(tokenizer=TOKENIZERS.find(detail)())

    @classmethod
    def for_encoder(cls, source: Any, **options: Any) -> Self:
        """The input of a pretrained network, cut into the tokens that it was trained on.

        Args:
            source: "minilm", or a folder in the layout of Hugging Face.
            options: Further options of `Text`.

        Raises:
            WeightsError: the files are not there.
            DependencyError: the library tokenizers is not installed.
        """
        return cls(tokenizer=PretrainedTokens.of(source), **options)

    def for_network(self, model: Any, weights: Any) -> Self:
        """With the tokenizer of the pretrained network, where weights of one are asked for."""
        del model
        return (
            self
            if self.tokenizer is not None or weights not in PACKAGED
            else replace(self, tokenizer=PretrainedTokens.of(weights))
        )

    def as_input(self) -> Self:
        """As tokens, ragged."""
        tokenizer = WordTokens() if self.tokenizer is None and not self.vocab else self.tokenizer
        return replace(self, role="input", tokenizer=tokenizer)

    def fit(self, values: Iterable[Any]) -> Self:
        """Vocabulary and lengths of the training rows, unless given.

        Raises:
            DataError: values that are not strings, or not one token among them all.
        """
        if self.tokenizer is not None:
            return self._fit_tokens(values)
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
    def not_learned(self) -> list[str]:
        """The vocabulary of a tokenizer, or of characters, and the length of a target."""
        if self.tokenizer is None:
            return super().not_learned
        lacking = [] if self.tokenizer.trained else ["tokenizer.vocab"]
        return lacking if self.ragged or self.max_length is not None else [*lacking, "max_length"]

    @property
    def ragged(self) -> bool:
        """Inputs are as long as their text; targets are padded to `max_length`."""
        return self.role == "input"

    @property
    def shape(self) -> tuple[int, ...]:
        """One position for each character or token of the longest text; of an input, that of a single token."""
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
        if self.empty == "fault" and not value.strip():
            return f"{value!r} is an empty text; write what is said, or allow empty texts: Text(empty='text')"
        if self.tokenizer is not None:
            return self._too_long(value)
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
                f"{shown} has {len(value)} characters, more than the {self.max_length} allowed; "
                f"Text(max_length={len(value)}) allows them"
            )
        return None

    def encode(self, value: Any) -> np.ndarray:
        """Position of each character, -1 after the last; of an input, its tokens."""
        fault = self.check(value)
        if fault is not None:
            raise ValueError(fault)
        if self.tokenizer is not None:
            tokens = self.tokenizer.encode(value)
            if self.ragged:
                return np.array(
                    tokens if self.max_tokens is None else self.tokenizer.cut(tokens, self.max_tokens), np.int64
                )
            encoded = np.full(self.shape, _PADDING, np.int64)
            encoded[: len(tokens)] = tokens
            return encoded
        if self.ragged:
            unknown = _UNKNOWN_TOKEN - _FIRST_TOKEN
            return np.array([self._positions().get(each, unknown) + _FIRST_TOKEN for each in value], np.int64)
        encoded = np.full(self.shape, _PADDING, np.int64)
        encoded[: len(value)] = [self._positions()[each] for each in value]
        return encoded

    def made_up(self, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Random tokens, or characters, of the vocabulary."""
        return random.integers(1, self.spec().vocab_size, shape, dtype=np.int64)

    @property
    def missing_input(self) -> Literal["fault", "value"]:
        """Whether a missing input is the empty text."""
        return "value" if self.missing == "empty" else "fault"

    def encode_missing(self) -> np.ndarray:
        """The empty text."""
        return self.encode("") if self.missing == "empty" else super().encode_missing()

    @property
    def padding(self) -> float:
        """The padding token of an input."""
        return PADDING

    def cut_short(self, cells: pl.Series, lengths: Iterable[int]) -> tuple[int, int]:
        """How many of these texts are longer than `max_tokens`, and how many tokens of them are not read.

        Args:
            cells: Texts, none of them missing.
            lengths: Of each, the tokens that are read.
        """
        if self.tokenizer is None or self.max_tokens is None or not self.ragged:
            return 0, 0
        full = [text for text, length in zip(cells, lengths, strict=True) if length >= self.max_tokens]
        lost = [len(self.tokenizer.encode(text)) - self.max_tokens for text in full]
        return sum(each > 0 for each in lost), sum(lost)

    def comparable(self, cells: pl.Series) -> list[str] | None:
        """The texts without what copies of them may differ in."""
        return [comparable(text) if isinstance(text, str) else "" for text in cells]

    def prepare(self, batch: Any, augment_params: Any = None) -> Any:
        """Tokens as they are, or changed as drawn."""
        if not isinstance(augment_params, TextParams) or not isinstance(batch, Ragged):
            return batch
        marks = self.tokenizer.marks if self.tokenizer is not None else ()
        return Ragged(*augment_tokens(*batch, augment_params, padding=PADDING, fixed=marks))

    def draw_params(self, config: Augmentation, rows: torch.Tensor, epoch: int, seed: int) -> TextParams:
        """Which tokens of `rows` are left out or exchanged in `epoch`."""
        assert isinstance(config, TextAugment)
        most = self.max_tokens or self.max_length
        return config.draw(rows, epoch, seed) if most is None else config.draw(rows, epoch, seed, most)

    def spec(self) -> TokensSpec:
        """The vocabulary, padding and unknown tokens included."""
        if self.tokenizer is not None:
            return TokensSpec(vocab_size=self.tokenizer.size, max_length=self.max_tokens, padding=PADDING)
        return TokensSpec(vocab_size=len(self.vocab) + _FIRST_TOKEN, max_length=self.max_length, padding=0)

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this column again; some options only where they are not the usual."""
        usual = {"missing": "fault", "empty": "text", "role": "target", "max_tokens": 256, "tokenizer": None}
        own = {k: v for k, v in super().to_json().items() if k not in usual or usual[k] != v}
        return own if self.tokenizer is None else {**own, "tokenizer": self.tokenizer.to_json()}

    def decode(self, encoded: Any) -> str:
        """The text of token numbers, or the characters at positions of 0 and above, as one string."""
        if self.tokenizer is not None:
            return self.tokenizer.decode([int(token) for token in encoded if token >= 0])
        if self.ragged:
            tokens = [int(token) for token in encoded if token]
            return "".join(
                self.vocab[token - _FIRST_TOKEN] if token >= _FIRST_TOKEN else _UNKNOWN_CHARACTER for token in tokens
            )
        return "".join(self.vocab[int(position)] for position in encoded if position >= 0)

    @property
    def row_error(self) -> RowError:
        """Wrong or right as a whole; of words and sub-words, how unlike the target a text is (1 - chrF)."""
        spelt = self.tokenizer is None or isinstance(self.tokenizer, CharacterTokens)
        return LABEL if spelt else CHRF_ERROR

    def _nearest(self) -> NearestNames:
        cached = self.__dict__.get("_names")
        if cached is None:
            cached = NearestNames(self.vocab)
            object.__setattr__(self, "_names", cached)
        return cached

    def show_html(self, value: Any) -> str:
        """The text; of an input with a tokenizer its tokens, unknown ones struck out, and what is cut off in grey."""
        if not isinstance(value, str) or self.tokenizer is None or not self.ragged or not self.tokenizer.trained:
            return super().show_html(value)
        shown = []
        for number, piece in enumerate(self.tokenizer.pieces(value)):
            known = self.tokenizer.unknown not in self.tokenizer.encode(piece)
            cut = self.max_tokens is not None and number >= self.max_tokens
            style = "color:#999" if cut else f"background:{_SHADES[number % 2]}"
            text = html.escape(piece.strip())
            shown.append(f'<span style="{style}">{text if known else f"<s>{text}</s>"}</span>')
        return " ".join(shown)

    def _fit_tokens(self, values: Iterable[Any]) -> Self:
        assert self.tokenizer is not None
        if self.tokenizer.trained and (self.ragged or self.max_length is not None):
            return self
        texts, faults = [], {}
        for value in values:
            fault = _kind_fault(value)
            if fault is None:
                texts.append(value)
            else:
                faults[fault] = None
        if faults:
            raise DataError("; ".join(list(faults)[:3]) + ".")
        tokenizer = self.tokenizer.train(texts)
        if self.ragged:
            return replace(self, tokenizer=tokenizer)
        longest = max((len(tokenizer.encode(text)) for text in texts), default=0)
        return replace(self, tokenizer=tokenizer, max_length=self.max_length or 2 * longest + 8)

    def _too_long(self, value: str) -> str | None:
        """Of a target: more tokens than there is room for."""
        assert self.tokenizer is not None
        if self.ragged or self.max_length is None or not self.tokenizer.trained:
            return None
        length = len(self.tokenizer.encode(value))
        if length <= self.max_length:
            return None
        return (
            f"{value[:60]!r} has {length} tokens, more than the {self.max_length} allowed; "
            f"Text(max_length={length}) allows them"
        )

    def _positions(self) -> dict[str, int]:
        cached = self.__dict__.get("_index")
        if cached is None:  # a frozen dataclass: the index is derived, so it is not a field
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
