"""A quantity."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from longspan.columns.base import Column
from longspan.errors import ConfigError, DataError
from longspan.metrics.row_errors import RowError, absolute_error

__all__ = ["Number"]

_LARGEST = float(np.finfo(np.float32).max)


@final
@dataclass(frozen=True, kw_only=True)
class Number(Column):
    """One finite number: encoded as `()` float32 in its own unit. Heads standardise with `mean` and `std`."""

    kind: ClassVar[str] = "number"
    usage: ClassVar[str] = "number[:UNIT]"

    unit: str = ""
    """Shown behind values and errors: "months", "km/h"."""
    mean: float | None = None
    """Mean over training rows, in the unit."""
    std: float | None = None
    """Standard deviation over training rows, in the unit; 1 where all values are equal."""

    def __post_init__(self) -> None:
        """Check given statistics."""
        if self.mean is not None and not math.isfinite(self.mean):
            raise ConfigError(f"Number.mean must be finite, got {self.mean!r}.")
        if self.std is not None and not 0 < self.std < math.inf:
            raise ConfigError(f"Number.std must be above 0 and finite, got {self.std!r}.")

    @classmethod
    def from_words(cls, detail: str) -> Self:
        """The unit stands behind the colon."""
        return cls(unit=detail)

    def fit(self, values: Iterable[Any]) -> Self:
        """Mean and spread of the training rows, unless given.

        Raises:
            DataError: no training row has a number.
        """
        if self.mean is not None and self.std is not None:
            return self
        numbers = np.asarray([float(v) for v in values if self.check(v) is None], np.float64)
        if numbers.size == 0:
            raise DataError("A number column needs a finite number in at least one training row, found none.")
        mean, std = float(numbers.mean()), float(numbers.std())
        # Of equal values the rounded mean can be off by a bit, which is no spread to divide by.
        std = std if std > 1e-7 * float(np.abs(numbers).max()) else 1.0
        return replace(self, mean=mean if self.mean is None else self.mean, std=std if self.std is None else self.std)

    @property
    def shape(self) -> tuple[int, ...]:
        """A single number."""
        return ()

    @property
    def dtype(self) -> npt.DTypeLike:
        """Single precision."""
        return np.float32

    def check(self, value: Any) -> str | None:
        """Not a finite number."""
        if isinstance(value, np.ndarray) and value.ndim:
            return f"an array {value.shape} is no number"
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return f"{value!r} is no number"
        if not math.isfinite(number):
            return f"{value!r} is not finite"
        return None if abs(number) <= _LARGEST else f"{value!r} is larger than single precision holds"

    def encode(self, value: Any) -> np.ndarray:
        """The number itself."""
        fault = self.check(value)
        if fault:
            raise ValueError(fault)
        return np.asarray(float(value), np.float32)

    def decode(self, encoded: Any) -> float:
        """The number itself."""
        return float(encoded)

    @property
    def row_error(self) -> RowError:
        """How far it is off, in its unit."""
        return absolute_error(self.unit)

    def show_html(self, value: Any) -> str:
        """Four significant digits and the unit."""
        shown = str(value) if self.check(value) else f"{float(value):.4g} {self.unit}".strip()
        return html.escape(shown)
