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
from longspan.errors import DataError

__all__ = ["Number"]


@final
@dataclass(frozen=True, kw_only=True)
class Number(Column):
    """One finite number: encoded as `()` float32 in its own unit. Heads standardise with `mean` and `std`."""

    kind: ClassVar[str] = "number"

    unit: str = ""
    """Shown behind values and errors: "months", "km/h"."""
    mean: float | None = None
    """Mean over training rows, in the unit."""
    std: float | None = None
    """Standard deviation over training rows, in the unit; 1 where all values are equal."""

    def fit(self, values: Iterable[Any]) -> Self:
        """Mean and spread of the training rows, unless given."""
        if self.mean is not None and self.std is not None:
            return self
        numbers = np.asarray([float(v) for v in values if self.check(v) is None], np.float64)
        if numbers.size == 0:
            raise DataError("A number column has no value in the training rows.")
        return replace(self, mean=float(numbers.mean()), std=float(numbers.std()) or 1.0)

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
        try:
            number = float(value)
        except (TypeError, ValueError):
            return f"{value!r} is no number"
        return None if math.isfinite(number) else f"{value!r} is not finite"

    def encode(self, value: Any) -> np.ndarray:
        """The number itself."""
        fault = self.check(value)
        if fault:
            raise ValueError(fault)
        return np.asarray(value, np.float32)

    def decode(self, encoded: Any) -> float:
        """The number itself."""
        return float(encoded)

    def show_html(self, value: Any) -> str:
        """Four significant digits and the unit."""
        return html.escape(f"{float(value):.4g} {self.unit}".strip())
