"""What every tokenizer offers: learned from training texts, texts to token numbers and back, kept as JSON."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from longspan.errors import ConfigError, ModelFileError
from longspan.registry import Registry
from longspan.text.normalise import UnicodeForm, check_form

__all__ = ["BEGIN", "END", "PADDING", "TOKENIZERS", "UNKNOWN", "Tokenizer", "tokenizer_from_json"]

PADDING, UNKNOWN, BEGIN, END = 0, 1, 2, 3
"""Token numbers of padding, of what no training text has, and of the marks around a text that is generated."""
SPECIAL = ("<pad>", "<unk>", "<begin>", "<end>")
"""How these four are shown."""
_VERSION = 1


class Tokenizer(ABC):
    """Abstract: cuts texts into tokens of a vocabulary. Subclasses are final, frozen dataclasses.

    `train` gives a new tokenizer with a vocabulary. The first four tokens are padding, unknown, begin and end, except
    in vocabularies of pretrained networks, which say where theirs are.
    """

    kind: ClassVar[str]
    """Name in files and on the command line."""
    form: UnicodeForm
    """Unicode form of the texts that are cut: see `longspan.text.normalise`."""
    lowercase: bool
    """Whether capitals become small letters first."""
    vocab: tuple[str, ...]
    """The tokens behind the four special ones, by number; empty before training."""

    @property
    def trained(self) -> bool:
        """Whether there is a vocabulary."""
        return bool(self.vocab)

    @property
    def size(self) -> int:
        """Number of different tokens, special ones included."""
        return len(SPECIAL) + len(self.vocab)

    @property
    def unknown(self) -> int:
        """The token of what is not in the vocabulary."""
        return UNKNOWN

    @property
    def begin(self) -> int:
        """The token before the first of a generated text."""
        return BEGIN

    @property
    def end(self) -> int:
        """The token after the last of a generated text."""
        return END

    @property
    def marks(self) -> tuple[int, ...]:
        """Tokens that stand for no part of a text."""
        return (PADDING, BEGIN, END)

    @abstractmethod
    def train(self, texts: Iterable[str]) -> Self:
        """This tokenizer with a vocabulary learned from texts; one that has a vocabulary is returned as it is.

        Raises:
            DataError: the texts hold no token.
            DependencyError: a library is missing.
        """

    @abstractmethod
    def pieces(self, text: str) -> list[str]:
        """The text cut into tokens as people read them, known and unknown ones."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Token numbers of a text, without begin and end."""

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """The text that token numbers stand for; marks are left out."""

    def cut(self, tokens: list[int], most: int) -> list[int]:
        """At most so many tokens; a tokenizer that puts marks around a text keeps them."""
        return tokens[:most]

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this tokenizer again."""
        assert dataclasses.is_dataclass(self)
        own = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {"kind": self.kind, "version": _VERSION, **own}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described."""
        own = {k: v for k, v in fields.items() if k not in ("kind", "version")}
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in own.items()})


TOKENIZERS = Registry[type[Tokenizer]]("tokenizer", name_of=lambda tokenizer: tokenizer.kind)
"""Every tokenizer by its name in files and on the command line."""


def tokenizer_from_json(fields: dict[str, Any]) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_json` described.

    Raises:
        ModelFileError: it was written by a later version, or does not describe a tokenizer.
        UnknownNameError: its kind does not exist.
    """
    version = fields.get("version", 0)
    if not isinstance(version, int) or not 1 <= version <= _VERSION:
        raise ModelFileError(
            f"This tokenizer has format version {version!r}; this longspan reads versions 1 to {_VERSION}. Update "
            "longspan, or train the model again."
        )
    kind = TOKENIZERS.find(str(fields.get("kind")), in_file=True)
    try:
        return kind.from_json(fields)
    except (TypeError, AttributeError) as error:
        raise ModelFileError(f"This description of a tokenizer is not complete or not ours: {error}.") from error


def check_vocabulary(owner: str, tokenizer: Tokenizer) -> None:
    """ConfigError unless form and vocabulary can be."""
    check_form(owner, tokenizer.form)
    if any(not isinstance(each, str) or not each for each in tokenizer.vocab):
        raise ConfigError(f"{owner}.vocab holds tokens that are not empty.")
    if len(set(tokenizer.vocab)) != len(tokenizer.vocab):
        raise ConfigError(f"{owner}.vocab names a token twice.")
