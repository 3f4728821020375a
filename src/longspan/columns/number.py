"""A quantity."""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt
import polars as pl

from longspan.columns.base import Column
from longspan.columns.spec import VectorSpec
from longspan.errors import ConfigError, DataError
from longspan.lazy_torch import torch
from longspan.metrics.row_errors import RowError, absolute_error

__all__ = ["Number"]

_LARGEST = float(np.finfo(np.float32).max)


@final
@dataclass(frozen=True, kw_only=True)
class Number(Column):
    """One finite number.

    As a target it is encoded as `()` float32 in its own unit; heads standardise with `mean` and `std`. As an input
    (`role="input"`, which a Task sets) it is encoded in float64 and standardised by `prepare` before it becomes
    float32, so that small differences between large numbers survive.

    Example:
        >>> age = Number(missing="indicator").as_input().fit([20.0, 40.0])
        >>> batch = torch.from_numpy(np.stack([age.encode(50.0), age.encode_missing()]))
        >>> age.prepare(batch).tolist()  # standardised; and whether it is missing
        [[2.0, 0.0], [0.0, 1.0]]
    """

    kind: ClassVar[str] = "number"
    usage: ClassVar[str] = "number[:UNIT]"
    blendable: ClassVar[bool] = True

    unit: str = ""
    """Shown behind values and errors: "months", "km/h"."""
    mean: float | None = None
    """Mean over training rows, in the unit."""
    std: float | None = None
    """Standard deviation over training rows, in the unit; 1 where all values are equal."""
    missing: Literal["fault", "mean", "indicator"] = "fault"
    """What a missing value of an input is: a fault, the mean, or the mean and a second number that is 1 where the value
    is missing and 0 elsewhere. A missing target is never a value."""
    role: Literal["input", "target"] = "target"
    """Whether a network reads or predicts it."""

    def __post_init__(self) -> None:
        """Check given statistics and options."""
        if self.mean is not None and not math.isfinite(self.mean):
            raise ConfigError(f"Number.mean must be finite, got {self.mean!r}.")
        if self.std is not None and not 0 < self.std < math.inf:
            raise ConfigError(f"Number.std must be above 0 and finite, got {self.std!r}.")
        if self.missing not in ("fault", "mean", "indicator"):
            raise ConfigError(f"Number.missing must be 'fault', 'mean' or 'indicator', got {self.missing!r}.")
        if self.role not in ("input", "target"):
            raise ConfigError(f"Number.role must be 'input' or 'target', got {self.role!r}.")

    def as_input(self) -> Self:
        """Encoded in float64, and standardised for the network."""
        return replace(self, role="input")

    @classmethod
    def from_words(cls, detail: str) -> Self:
        """The unit stands after the colon."""
        return cls(unit=detail)

    def fit(self, values: Iterable[Any]) -> Self:
        """Mean and standard deviation of the training rows, unless given.

        Raises:
            DataError: no training row has a number.
        """
        if self.mean is not None and self.std is not None:
            return self
        return self._fit_numbers(np.fromiter((float(v) for v in values if self.check(v) is None), np.float64))

    def fit_cells(self, parts: Iterable[pl.Series]) -> Self:
        """As `fit`; columns of numbers are read without making Python objects of them."""
        if self.mean is not None and self.std is not None:
            return self
        found = [np.empty(0)]
        for cells in parts:
            values = _float64(cells)
            if values is None:
                found.append(np.fromiter((float(v) for v in cells.to_list() if self.check(v) is None), np.float64))
            else:
                found.append(values[_encodable(values)])
        return self._fit_numbers(np.concatenate(found))

    def _fit_numbers(self, numbers: np.ndarray) -> Self:
        """Mean and standard deviation of `(N,)` float64."""
        if numbers.size == 0:
            raise DataError("A number column needs a finite number in at least one training row, found none.")
        mean, std = float(numbers.mean()), float(numbers.std())
        # Of equal values the rounded mean can be off by a bit, and that must not be divided by. Targets are float32,
        # which cannot hold smaller differences.
        smallest = 0.0 if self.role == "input" else 1e-7 * float(np.abs(numbers).max())
        if self.role == "target" and numbers.min() < numbers.max():
            self._check_precision(numbers)
        std = std if std > smallest and numbers.min() < numbers.max() else 1.0
        return replace(self, mean=mean if self.mean is None else self.mean, std=std if self.std is None else self.std)

    @staticmethod
    def _check_precision(numbers: np.ndarray) -> None:
        """Refuse targets whose differences single precision cannot hold, and warn where it blurs them.

        Raises:
            DataError: most of the spread would be lost.
        """
        step, std = float(np.spacing(np.float32(np.abs(numbers).max()))), float(numbers.std())
        words = (
            f"The numbers run from {numbers.min():.17g} to {numbers.max():.17g}; targets are kept in single precision, "
            f"in which neighbours of this size lie {step:g} apart"
        )
        if step > std / 2:
            raise DataError(f"{words}: their differences would be lost. Subtract a constant, such as the smallest.")
        if step > std / 100:
            warnings.warn(f"{words}, so they are rounded. Subtract a constant, such as the smallest.", stacklevel=4)

    def with_statistics_of(self, other: Column) -> Self:
        """Mean and standard deviation of another fitted number."""
        return replace(self, mean=other.mean, std=other.std) if isinstance(other, Number) else self

    @property
    def shape(self) -> tuple[int, ...]:
        """A single number; `(2,)` for an input with an indicator."""
        return (2,) if self._indicates else ()

    @property
    def dtype(self) -> npt.DTypeLike:
        """Single precision for targets, double for inputs."""
        return np.float64 if self.role == "input" else np.float32

    def check(self, value: Any) -> str | None:
        """Not a finite number."""
        if isinstance(value, np.ndarray) and value.ndim:
            return f"an array {value.shape} is not a number"
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return f"{value!r} is not a number"
        if isinstance(value, str) and "_" in value:  # Python's own way to part digits; in data it is no number
            return f"{value!r} is not a number"
        if not math.isfinite(number):
            return f"{value!r} is not finite"
        return None if abs(number) <= _LARGEST else f"{value!r} is larger than single precision holds"

    def encode(self, value: Any) -> np.ndarray:
        """The number in its own unit."""
        fault = self.check(value)
        if fault:
            raise ValueError(fault)
        number = float(value)
        return np.asarray([number, 0.0] if self._indicates else number, self.dtype)

    @property
    def missing_input(self) -> Literal["fault", "value"]:
        """Whether a missing input is read as the mean."""
        return "fault" if self.missing == "fault" else "value"

    def encode_missing(self) -> np.ndarray:
        """The mean, and 1 where there is an indicator."""
        if self.missing == "fault":
            return super().encode_missing()
        return np.asarray([self.mean, 1.0] if self._indicates else self.mean, self.dtype)

    def encoding_settings(self) -> dict[str, Any]:
        """All but mean and standard deviation, which `prepare` uses; a missing value is encoded as the mean."""
        left_out = () if self.missing_input == "value" else ("mean", "std")
        return {name: value for name, value in self.to_json().items() if name not in left_out}

    def encode_cells(self, cells: pl.Series) -> tuple[np.ndarray, dict[int, str]] | None:
        """Columns of numbers at once."""
        values = None if self._indicates else _float64(cells)
        if values is None:
            return None
        fine = _encodable(values)
        faults = {row: str(self.check(cells[row])) for row in np.flatnonzero(~fine).tolist()}
        return np.where(fine, values, 0.0).astype(self.dtype), faults

    def decode(self, encoded: Any) -> Any:
        """The number itself; None for a missing one that its indicator tells of."""
        if self._indicates:
            return None if float(encoded[1]) else float(encoded[0])
        return float(encoded)

    def prepare(self, batch: Any, augment_params: Any = None) -> Any:
        """Targets `(B,)` as they are; inputs `(B,)` or `(B, 2)` standardised in float64, as float32."""
        del augment_params
        if self.role == "target":
            return batch
        assert self.mean is not None
        assert self.std is not None
        if not self._indicates:
            return ((batch - self.mean) / self.std).float()
        return torch.stack([(batch[:, 0] - self.mean) / self.std, batch[:, 1]], dim=1).float()

    def spec(self) -> VectorSpec:
        """One number, or two with an indicator."""
        return VectorSpec(numbers=2 if self._indicates else 1)

    @property
    def row_error(self) -> RowError:
        """How far it is off, in its unit."""
        return absolute_error(self.unit)

    def show_html(self, value: Any) -> str:
        """Four significant digits and the unit."""
        shown = str(value) if self.check(value) else f"{float(value):.4g} {self.unit}".strip()
        return html.escape(shown)

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this column again; `missing` and `role` where they are not the usual."""
        usual = {"missing": "fault", "role": "target"}
        return {k: v for k, v in super().to_json().items() if usual.get(k) != v}

    @property
    def _indicates(self) -> bool:
        return self.role == "input" and self.missing == "indicator"


def _float64(cells: pl.Series) -> np.ndarray | None:
    """`(N,)` float64 of a column of numbers; None for other columns, whose cells are looked at one by one."""
    if not (cells.dtype.is_float() or cells.dtype.is_integer()):
        return None
    return cells.cast(pl.Float64).to_numpy()


def _encodable(values: np.ndarray) -> np.ndarray:
    """`(N,)` bool: which numbers are finite and within single precision."""
    return np.abs(values) <= _LARGEST  # neither infinite numbers nor NaN are
