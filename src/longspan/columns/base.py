"""The interface of every kind of value: fit, check, encode, collate, decode, show."""

from __future__ import annotations

import dataclasses
import html
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from longspan.errors import ConfigError
from longspan.metrics.row_errors import RowError

if TYPE_CHECKING:
    from longspan.vision.augment_params import AugmentParams

__all__ = ["Column"]


class Column(ABC):
    """One kind of value. Subclasses are frozen dataclasses: `fit` returns a new, complete one and changes nothing.

    A raw value is what stands in a table (a path, a word, a number); None means missing and never reaches a column.
    The life of a value is `check`, `encode` (one value to one array), then batches of them go through `prepare` on the
    device that trains; `decode` turns what a head predicts back into what a person reads.
    """

    kind: ClassVar[str]
    """Name in files and messages: "image", "category" ..."""
    usage: ClassVar[str] = ""
    """How the kind is written as a type on the command line, where that is more than its name: "number[:UNIT]"."""
    for_networks: ClassVar[bool] = True
    """Whether its values can stand in a batch."""
    in_files: ClassVar[bool] = False
    """Whether a cell may be the path of a file, or the position in an array of images held in memory."""
    json_cells: ClassVar[bool] = False
    """Whether text in the cell of a CSV file or data frame is JSON: there is no other way to write lists there."""

    @classmethod
    def from_words(cls, detail: str) -> Self:
        """The column that a type on the command line asks for: `number:months` has the detail "months".

        Raises:
            ConfigError: this kind takes nothing behind a colon, or not this.
        """
        if detail:
            raise ConfigError(f"The type {cls.kind} takes nothing behind a colon.")
        return cls()

    @abstractmethod
    def fit(self, values: Iterable[Any]) -> Self:
        """A complete column, learned from the values of training rows: vocabulary, size, mean and spread."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one encoded value; known once fitted."""

    @property
    @abstractmethod
    def dtype(self) -> npt.DTypeLike:
        """Data type of one encoded value."""

    @abstractmethod
    def check(self, value: Any) -> str | None:
        """What is wrong with one raw value, in words that fit behind a place and a colon; None when it is fine."""

    @abstractmethod
    def encode(self, value: Any) -> np.ndarray:
        """One raw value as an array of `shape` and `dtype`.

        Raises:
            ValueError: the value cannot be read; the message is what `check` would say.
        """

    def prepare(self, batch: torch.Tensor, augment_params: AugmentParams | None = None) -> torch.Tensor:
        """What a network or a loss reads, from a batch of encoded values on the device that trains.

        `draws` are the geometric and colour changes of the batch's rows; kinds that have no place in an image ignore
        them.
        """
        del augment_params
        return batch

    @abstractmethod
    def decode(self, encoded: Any) -> Any:
        """The raw value that an encoded one stands for."""

    @property
    @abstractmethod
    def row_error(self) -> RowError:
        """How wrong one prediction is: the function, its name, unit and range; see `longspan.metrics.row_errors`."""

    @property
    def error_name(self) -> str:
        """What `error` is, in words for axes and tables."""
        return self.row_error.name

    def error(self, target: Any, prediction: Any) -> float:
        """How wrong the prediction of one row is, 0 where it is right; both are raw values, the target is known."""
        return self.row_error(target, prediction)

    def show_html(self, value: Any) -> str:
        """One value as a cell of an HTML table."""
        return html.escape(str(value))

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this column again."""
        assert dataclasses.is_dataclass(self)
        return {"kind": self.kind, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The column that `to_json` described; lists become tuples again."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k != "kind"})
