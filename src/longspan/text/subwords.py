"""Sub-words learned from training texts, by the `tokenizers` library: byte pairs or a unigram model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, final

from longspan.errors import ConfigError, DataError, DependencyError, ModelFileError
from longspan.text.normalise import UnicodeForm, normalise
from longspan.text.tokenizer import SPECIAL, TOKENIZERS, Tokenizer, check_vocabulary

__all__ = ["SubwordTokens", "load_library", "read_state"]

_ALGORITHMS = ("bpe", "unigram")
_BYTES = 256
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"


@TOKENIZERS.register()
@final
@dataclass(frozen=True, kw_only=True)
class SubwordTokens(Tokenizer):
    """Frequent words whole, rare ones in parts. Needs `pip install "longspan[text]"`.

    "bpe" works on bytes: it knows no unknown tokens, and a text comes back exactly. "unigram" works on characters; a
    character that no training text has is unknown.

    Source: Sennrich, Haddow, Birch 2016, "Neural machine translation of rare words with subword units" (bpe, on bytes
    as in Radford et al. 2019); Kudo 2018, "Subword regularization" (unigram, the likeliest segmentation only).
    """

    kind: ClassVar[str] = "subwords"

    algorithm: Literal["bpe", "unigram"] = "bpe"
    """How the vocabulary is learned."""
    max_size: int = 8000
    """Most tokens, the four special ones included; small texts give fewer."""
    min_count: int = 2
    """How often a pair must occur to be merged (bpe)."""
    form: UnicodeForm = "NFC"
    """Unicode form."""
    lowercase: bool = False
    """Whether capitals become small letters."""
    state: str = ""
    """The trained tokenizer as the library's JSON; learned."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.algorithm not in _ALGORITHMS:
            raise ConfigError(f"SubwordTokens.algorithm must be bpe or unigram, got {self.algorithm!r}.")
        least = _BYTES + len(SPECIAL) + 1 if self.algorithm == "bpe" else len(SPECIAL) + 2
        if not isinstance(self.max_size, int) or self.max_size < least:
            raise ConfigError(f"SubwordTokens.max_size must be at least {least}, got {self.max_size!r}.")
        if not isinstance(self.min_count, int) or self.min_count < 1:
            raise ConfigError(f"SubwordTokens.min_count must be at least 1, got {self.min_count!r}.")
        check_vocabulary("SubwordTokens", self)

    @property
    def vocab(self) -> tuple[str, ...]:  # type: ignore[override]
        """The tokens behind the special ones, as the library writes them."""
        if not self.state:
            return ()
        known = self._library().get_vocab()
        return tuple(sorted(known, key=lambda token: known[token]))[len(SPECIAL) :]

    @property
    def trained(self) -> bool:
        """Whether there is a vocabulary."""
        return bool(self.state)

    @property
    def size(self) -> int:
        """Number of different tokens."""
        return self._library().get_vocab_size() if self.state else len(SPECIAL)

    def train(self, texts: Iterable[str]) -> Self:
        """With a vocabulary of at most `max_size` tokens."""
        if self.trained:
            return self
        library = load_library()
        pre, models, trainers = library.pre_tokenizers, library.models, library.trainers
        options: dict[str, Any] = {
            "vocab_size": self.max_size, "special_tokens": list(SPECIAL), "show_progress": False,
        }  # fmt: skip
        if self.algorithm == "bpe":
            built = library.Tokenizer(models.BPE())
            built.pre_tokenizer = pre.ByteLevel(add_prefix_space=False)
            built.decoder = library.decoders.ByteLevel()
            trainer = trainers.BpeTrainer(
                **options, min_frequency=self.min_count, initial_alphabet=sorted(pre.ByteLevel.alphabet())
            )
        else:
            built = library.Tokenizer(models.Unigram())
            built.pre_tokenizer = pre.Metaspace(replacement=_SPACE, prepend_scheme="never")
            built.decoder = library.decoders.Metaspace(replacement=_SPACE, prepend_scheme="never")
            trainer = trainers.UnigramTrainer(**options, unk_token=SPECIAL[1])
        shaped = [self._shaped(text) for text in texts]
        if not any(text.strip() for text in shaped):
            raise DataError("The training texts hold no character at all.")
        built.train_from_iterator(shaped, trainer)
        return replace(self, state=json.dumps(json.loads(built.to_str()), ensure_ascii=False, sort_keys=True))

    def pieces(self, text: str) -> list[str]:
        """The tokens; a space before a word is part of its first token."""
        shaped = self._shaped(text)
        spans = dict.fromkeys(self._library().encode(shaped).offsets)  # a character of several bytes is shown once
        return [shaped[start:end] for start, end in spans if end > start]

    def encode(self, text: str) -> list[int]:
        """The library's numbers."""
        return self._library().encode(self._shaped(text)).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """The text; unknown characters are shown as such."""
        shown = self._library().decode([int(token) for token in tokens if int(token) not in self.marks],
                                       skip_special_tokens=False)  # fmt: skip
        text = shown.replace(SPECIAL[1], "\N{REPLACEMENT CHARACTER}")
        return text[1:] if text.startswith(" ") else text

    def _shaped(self, text: str) -> str:
        """In one form, with a space in front: a word has the same tokens at the beginning as within a text."""
        return " " + normalise(text, self.form, lowercase=self.lowercase)

    def _library(self) -> Any:
        cached = self.__dict__.get("_built")
        if cached is None:
            if not self.state:
                raise ConfigError("This SubwordTokens has no vocabulary: train it, or let a column do so.")
            cached = read_state(self.state)
            object.__setattr__(self, "_built", cached)
        return cached

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this tokenizer again; the library's JSON as values."""
        return {**super().to_json(), "state": json.loads(self.state) if self.state else None}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described."""
        state = fields.get("state")
        own = {k: v for k, v in fields.items() if k not in ("kind", "version", "state")}
        return cls(**own, state=json.dumps(state, ensure_ascii=False, sort_keys=True) if state else "")

    def __getstate__(self) -> dict[str, Any]:
        """Without the library's object, which is made again."""
        return {k: v for k, v in self.__dict__.items() if k != "_built"}


def load_library() -> Any:
    """The `tokenizers` library.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        import tokenizers
    except ImportError:
        raise DependencyError(
            'Sub-words need the library tokenizers: pip install "longspan[text]". WordTokens and CharacterTokens need '
            "none."
        ) from None
    return tokenizers


def read_state(state: str) -> Any:
    """The library's tokenizer from its JSON.

    Raises:
        ModelFileError: this version of the library cannot read it.
        DependencyError: the library is not installed.
    """
    library = load_library()
    try:
        return library.Tokenizer.from_str(state)
    except Exception as error:  # the library raises bare exceptions
        raise ModelFileError(
            f"The tokenizers library ({library.__version__}) cannot read this tokenizer: {error}. It may have been "
            "written by a later version: update tokenizers."
        ) from error
