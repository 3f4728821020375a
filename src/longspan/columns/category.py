"""One class out of several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.base import Column
from longspan.errors import DataError, nearest

__all__ = ["Category", "Label", "sorted_vocab"]

Label = str | int | bool


def sorted_vocab(values: Iterable[Any]) -> tuple[Label, ...]:
    """Distinct labels in a stable order: by type, then by value (False, True; 2 before 10; "a" before "b")."""
    return tuple(sorted(set(values), key=lambda v: (type(v).__name__, v)))


@final
@dataclass(frozen=True, kw_only=True)
class Category(Column):
    """One label out of a vocabulary: encoded as its position, `()` int64."""

    kind: ClassVar[str] = "category"

    vocab: tuple[Label, ...] = ()
    """Labels in the order of the network's outputs; learnt from training rows when empty."""

    def fit(self, values: Iterable[Any]) -> Self:
        """The vocabulary of the training rows, unless one was given."""
        if self.vocab:
            return self
        vocab = sorted_vocab(values)
        if len(vocab) < 2:
            found = f"only {vocab[0]!r}" if vocab else "no value at all"
            raise DataError(
                f"A category needs at least two classes in the training rows, found {found}. "
                "Check the pattern or column that the labels come from."
            )
        return replace(self, vocab=vocab)

    @property
    def shape(self) -> tuple[int, ...]:
        """A single number."""
        return ()

    @property
    def dtype(self) -> npt.DTypeLike:
        """Class numbers."""
        return np.int64

    def check(self, value: Any) -> str | None:
        """A label that is not in the vocabulary is a fault."""
        if self.vocab and value not in self._positions():
            near = nearest(str(value), [str(v) for v in self.vocab])
            return f"class {value!r} does not occur in the training rows" + (f" (nearest: {near!r})" if near else "")
        return None

    def encode(self, value: Any) -> np.ndarray:
        """Position of the label in the vocabulary."""
        position = self._positions().get(value)
        if position is None:
            raise ValueError(self.check(value))
        return np.asarray(position, np.int64)

    def decode(self, encoded: Any) -> Label:
        """The label at a position."""
        return self.vocab[int(encoded)]

    def _positions(self) -> dict[Label, int]:
        cached = self.__dict__.get("_index")
        if cached is None:  # a frozen dataclass: the index is derived, so it is no field
            cached = {label: i for i, label in enumerate(self.vocab)}
            self.__dict__["_index"] = cached
        return cached
