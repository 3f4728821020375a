"""One class out of several."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt
import polars as pl

from longspan.columns.base import Column
from longspan.columns.label_spelling import describe_twins, spelling_twins
from longspan.columns.spec import VectorSpec
from longspan.errors import ConfigError, DataError, NearestNames
from longspan.metrics.row_errors import LABEL, RowError

__all__ = ["Category", "Label", "checked_vocab", "label_fault", "learn_vocab"]

Label = str | int | bool


def learn_vocab(values: Iterable[Any]) -> tuple[Label, ...]:
    """Distinct labels in a stable order: by type, then by value (False, True; 2 before 10; "a" before "b").

    Raises:
        DataError: values that are not labels.
    """
    labels: set[Label] = set()
    faults: dict[str, None] = {}
    for value in values:
        fault = label_fault(value)
        if fault is not None:
            faults[fault] = None
            continue
        plain = value.item() if isinstance(value, np.generic) else value
        labels.add(int(plain) if isinstance(plain, float) else plain)
    if faults:
        raise DataError("; ".join(list(faults)[:3]) + ". Make them words or whole numbers: table.with_column.")
    if twins := spelling_twins(labels):
        warnings.warn(
            f"Labels that differ only in case, spaces, invisible characters or digits are classes of their own: "
            f"{describe_twins(twins)}. If they are meant to be one, spell them alike.",
            stacklevel=3,
        )
    return tuple(sorted(labels, key=lambda label: (type(label).__name__, label)))


def label_fault(value: Any) -> str | None:
    """What stops a value from being a label: labels are words, whole numbers, True and False."""
    if isinstance(value, str | int | np.integer | np.bool_) or (isinstance(value, float) and value.is_integer()):
        return None
    return f"{value!r} ({type(value).__name__}) is not a label: labels are words, whole numbers, True or False"


def checked_vocab(owner: str, vocab: Iterable[Any]) -> tuple[Label, ...]:
    """A vocabulary that a person gave, or a file; ConfigError for labels that cannot be, or stand there twice."""
    labels = tuple(vocab)
    faults = [fault for label in labels if (fault := label_fault(label)) is not None]
    if faults:
        raise ConfigError(f"{owner}.vocab: {'; '.join(faults)}.")
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise ConfigError(f"{owner}.vocab names {', '.join(map(repr, twice[:5]))} twice.")
    return labels


@final
@dataclass(frozen=True, kw_only=True)
class Category(Column):
    """One label out of a vocabulary: encoded as its position, `()` int64.

    As an input, a missing value is a fault; with `missing="class"` it is a class of its own, after the last label.
    """

    kind: ClassVar[str] = "category"

    vocab: tuple[Label, ...] = ()
    """Labels in the order of the network's outputs; learned from training rows if empty. 1, 1.0 and True are equal."""
    missing: Literal["fault", "class"] = "fault"
    """What a missing value of an input is: a fault, or one more class. A missing target is never a class."""

    def __post_init__(self) -> None:
        """Check a given vocabulary, and what missing values are."""
        object.__setattr__(self, "vocab", checked_vocab("Category", self.vocab))
        if self.missing not in ("fault", "class"):
            raise ConfigError(f"Category.missing must be 'fault' or 'class', got {self.missing!r}.")

    def fit(self, values: Iterable[Any]) -> Self:
        """The vocabulary of the training rows, unless one was given.

        Raises:
            DataError: fewer than two classes, or values that are not labels.
        """
        if self.vocab:
            return self
        vocab = learn_vocab(values)
        if len(vocab) < 2:
            found = f"only {vocab[0]!r}" if vocab else "no value at all"
            raise DataError(
                f"A category needs at least two classes in the training rows, found {found}. "
                "Check the pattern or column that the labels come from."
            )
        return replace(self, vocab=vocab)

    def fit_cells(self, parts: Iterable[pl.Series]) -> Self:
        """As `fit`; of columns of one type each label is looked at once."""
        if self.vocab:
            return self
        each = (cells.unique() if cells.dtype == pl.String or cells.dtype.is_integer() else cells for cells in parts)
        return self.fit(value for cells in each for value in cells.to_list())

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
        fault = label_fault(value)
        if fault is not None:
            return fault
        if self.vocab and value not in self._positions():
            near = self._nearest().find(str(value))
            return f"class {value!r} does not occur in the training rows" + (f" (nearest: {near!r})" if near else "")
        return None

    def encode(self, value: Any) -> np.ndarray:
        """Position of the label in the vocabulary."""
        fault = self.check(value)
        if fault is not None:
            raise ValueError(fault)
        return np.asarray(self._positions()[value], np.int64)

    def encode_cells(self, cells: pl.Series) -> tuple[np.ndarray, dict[int, str]] | None:
        """Columns of text at once."""
        if cells.dtype != pl.String or not all(isinstance(label, str) for label in self.vocab):
            return None
        places = pl.Series(range(len(self.vocab)), dtype=pl.Int64)
        codes = cells.replace_strict(pl.Series(self.vocab, dtype=pl.String), places, default=-1, return_dtype=pl.Int64)
        found = codes.to_numpy()
        faults = {row: str(self.check(cells[row])) for row in np.flatnonzero(found < 0).tolist()}
        return np.maximum(found, 0), faults

    @property
    def missing_input(self) -> Literal["fault", "value"]:
        """Whether a missing input is a class of its own."""
        return "value" if self.missing == "class" else "fault"

    def encode_missing(self) -> np.ndarray:
        """The class after the last label."""
        return np.asarray(len(self.vocab), np.int64) if self.missing == "class" else super().encode_missing()

    def decode(self, encoded: Any) -> Label:
        """The label at a position."""
        return self.vocab[int(encoded)]

    def spec(self) -> VectorSpec:
        """One category."""
        return VectorSpec(categories=(len(self.vocab) + (self.missing == "class"),))

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this column again; `missing` where it is not the usual."""
        return {k: v for k, v in super().to_json().items() if k != "missing" or v != "fault"}

    @property
    def row_error(self) -> RowError:
        """Wrong or right."""
        return LABEL

    def _nearest(self) -> NearestNames:
        cached = self.__dict__.get("_names")
        if cached is None:
            cached = NearestNames(map(str, self.vocab))
            object.__setattr__(self, "_names", cached)
        return cached

    def _positions(self) -> dict[Label, int]:
        cached = self.__dict__.get("_index")
        if cached is None:  # a frozen dataclass: the index is derived, so it is not a field
            cached = {label: i for i, label in enumerate(self.vocab)}
            object.__setattr__(self, "_index", cached)
        return cached
