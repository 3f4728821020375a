"""Several labels at once, or none."""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.base import Column
from longspan.columns.category import Label, checked_vocab, label_fault, learn_vocab
from longspan.columns.label_spelling import joined_labels
from longspan.columns.spec import VectorSpec
from longspan.errors import ConfigError, DataError
from longspan.metrics.row_errors import RowError, label_set_error

__all__ = ["MultiLabel"]

_QUOTED = re.compile(r"""'[^'\\]*'|"[^"\\]*"|-?\d+(?=[\s,\]])""")
_LIST = re.compile(rf"\s*\[\s*(?:(?:{_QUOTED.pattern})[\s,]*)*\]\s*")


@final
@dataclass(frozen=True, kw_only=True)
class MultiLabel(Column):
    """Any number of labels out of a vocabulary: encoded as `(K,)` float32 of zeros and ones.

    A raw value is a list of labels, or one string with `separator` between them. An empty list says "none of them";
    a missing value says "nobody looked".
    """

    kind: ClassVar[str] = "multi_label"
    usage: ClassVar[str] = "multi_label[:SEPARATOR]"
    blendable: ClassVar[bool] = True

    vocab: tuple[Label, ...] = ()
    """Labels in the order of the network's outputs; learned from training rows when empty."""
    separator: str | None = None
    """What stands between labels where a value is one string ("cat dog"); spaces around a label do not count."""

    def __post_init__(self) -> None:
        """Check a given vocabulary and the separator."""
        object.__setattr__(self, "vocab", checked_vocab("MultiLabel", self.vocab))
        if self.separator == "":
            raise ConfigError("MultiLabel.separator must be at least one character, or None for lists.")

    @classmethod
    def from_words(cls, detail: str) -> Self:
        """What stands between the labels of a cell stands after the colon."""
        return cls(separator=detail or None)

    def fit(self, values: Iterable[Any]) -> Self:
        """The vocabulary of the training rows, unless one was given.

        Raises:
            DataError: no label at all, or values that are not lists of labels.
        """
        if self.vocab:
            return self
        try:
            vocab = learn_vocab(label for value in values for label in self._labels(value))
        except ValueError as error:
            raise DataError(f"{error}.") from None
        if joined := joined_labels(vocab):
            warnings.warn(
                f"Labels that hold several other labels are classes of their own: {', '.join(map(repr, joined[:5]))}. "
                f"Use one separator between labels; here it is {self.separator!r}.",
                stacklevel=2,
            )
        if not vocab:
            raise DataError("A MultiLabel column needs at least one label in the training rows, found none.")
        return replace(self, vocab=vocab)

    @property
    def shape(self) -> tuple[int, ...]:
        """One number for each class."""
        return (len(self.vocab),)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Zeros and ones as the loss wants them."""
        return np.float32

    def check(self, value: Any) -> str | None:
        """Not a list of known labels."""
        try:
            labels = self._labels(value)
        except ValueError as error:
            return str(error)
        faults = [fault for label in labels if (fault := label_fault(label)) is not None]
        if faults:
            return "; ".join(faults)
        unknown = [label for label in labels if self.vocab and label not in self.vocab]
        return f"classes {unknown!r} do not occur in the training rows" if unknown else None

    def encode(self, value: Any) -> np.ndarray:
        """Ones where a label is present."""
        fault = self.check(value)
        if fault:
            raise ValueError(fault)
        present = set(self._labels(value))
        return np.asarray([label in present for label in self.vocab], np.float32)

    def decode(self, encoded: Any) -> list[Label]:
        """The labels whose entry is at least one half."""
        return [label for label, there in zip(self.vocab, encoded, strict=True) if float(there) >= 0.5]

    def spec(self) -> VectorSpec:
        """A number, 0 or 1, for each class."""
        return VectorSpec(numbers=len(self.vocab))

    @property
    def row_error(self) -> RowError:
        """Wrong unless exactly the labels of the target are predicted."""
        return label_set_error(self._labels)

    def show_html(self, value: Any) -> str:
        """Labels side by side."""
        labels = value if isinstance(value, list | tuple) else [value]
        return html.escape(", ".join(str(label) for label in labels))

    def _labels(self, value: Any) -> list[Label]:
        if isinstance(value, str):
            if (written := _written_list(value)) is not None:
                return written
            if self.separator is None:
                raise ValueError(f"{value!r} is one string, not a list; give MultiLabel(separator=...) to split it")
            return [label for part in value.split(self.separator) if (label := part.strip())]
        if not isinstance(value, list | tuple | set | frozenset | np.ndarray):
            raise ValueError(f"{value!r} is not a list of labels")
        return list(value)


def _written_list(text: str) -> list[Label] | None:
    """The labels of a list as JSON, Python or numpy write it: `["a", "b"]`, `['a', 'b']`, `['a' 'b']`; None if none."""
    if _LIST.fullmatch(text) is None:
        return None
    return [each[1:-1] if each[0] in "'\"" else int(each) for each in _QUOTED.findall(text)]
