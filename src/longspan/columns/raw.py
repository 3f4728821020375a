"""A value as it is: functions read it, networks do not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.base import Column
from longspan.metrics.row_errors import RAW_VALUE, RowError

__all__ = ["Raw"]


@final
@dataclass(frozen=True, kw_only=True)
class Raw(Column):
    """Numbers, words, or lists of them to any depth: boxes, cuts, the digits of a number.

    Stages of a pipeline read and add such values. No network reads or predicts them: give a value another column
    (`Number`, `Category`, `Text`) where one should.
    """

    kind: ClassVar[str] = "raw"
    for_networks: ClassVar[bool] = False
    readable: ClassVar[bool] = False

    def fit(self, values: Iterable[Any]) -> Self:
        """There is nothing to learn."""
        del values
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """A single object."""
        return ()

    @property
    def dtype(self) -> npt.DTypeLike:
        """Objects: they stand in no batch."""
        return np.object_

    def check(self, value: Any) -> str | None:
        """Anything but numbers, words and lists of them is a fault, and so is a number that is not finite."""
        if isinstance(value, list | tuple | np.ndarray):
            return next((fault for part in value if (fault := self.check(part)) is not None), None)
        if isinstance(value, float | np.floating) and not math.isfinite(value):
            return f"{value} is not a finite number"
        if value is None or isinstance(value, bool | int | float | str | np.generic):
            return None
        return f"{value!r} ({type(value).__name__}) is neither number, word, nor list of them"

    def encode(self, value: Any) -> np.ndarray:
        """A network cannot read it.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"{value!r} is a plain value, which no network reads or predicts; "
            "give it a column type with table.with_column"
        )

    def decode(self, encoded: Any) -> Any:
        """The value itself."""
        return encoded

    @property
    def row_error(self) -> RowError:
        """Wrong or right: equal or not."""
        return RAW_VALUE
