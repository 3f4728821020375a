"""A scikit-learn estimator as the model of a stage: rows of numbers in, one value each out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.errors import ConfigError

__all__ = ["EstimatorModel", "SampleError", "fit_estimator"]

_TOGETHER = 4096  # samples predicted at a time


@final
class SampleError(ValueError):
    """A sample that cannot be used; `index` is its place among those given."""

    def __init__(self, index: int, message: str) -> None:
        """Keep the place beside the message."""
        super().__init__(message)
        self.index = index


@final
class EstimatorModel:
    """A fitted estimator, and how the columns of a stage become its row of numbers."""

    steps_done = 0
    """An estimator counts no steps."""

    def __init__(self, estimator: Any, columns: Sequence[Column | None], method: str = "predict") -> None:
        """Put both together.

        Args:
            estimator: Fitted.
            columns: One per column read: fitted for images, which are read at the size of training; else None.
            method: The estimator's method that predicts; see `Stage`.
        """
        self.estimator = estimator
        self.columns = tuple(columns)
        self.method = method

    def __repr__(self) -> str:
        return f"EstimatorModel({type(self.estimator).__name__})"

    def predict(self, samples: Sequence[tuple[Any, ...]]) -> list[Any]:
        """One plain value per sample: a label, a number, or a list of numbers."""
        found: list[Any] = []
        for first in range(0, len(samples), _TOGETHER):
            stacked = _stacked(samples[first : first + _TOGETHER], self.columns)
            found += np.asarray(getattr(self.estimator, self.method)(stacked)).tolist()
        return found


def fit_estimator(
    estimator: Any,
    samples: Sequence[tuple[Any, ...]],
    targets: Sequence[Any],
    columns: Sequence[Column | None],
    *,
    size_px: tuple[int, int] | None,
    seed: int,
    method: str = "predict",
) -> EstimatorModel:
    """Fit a clone of an estimator; what is random in it and not fixed by its owner gets the seed.

    Args:
        estimator: Left as it is.
        samples: For each sample the values of the columns read: numbers, lists or arrays of them, images.
        targets: One label, number or list of numbers per sample.
        columns: What each column read means, where that is known.
        size_px: Height and width that images are brought to; None where all have one size.
        seed: Random seed.
        method: The estimator's method that will predict.

    Raises:
        SampleError: a sample cannot become a row of numbers as long as the others.
    """
    from sklearn.base import clone

    fitted = []
    for place, column in enumerate(columns):
        if column is not None and column.encodes_pixels:
            sized = column if size_px is None else column.with_size(size_px)
            fitted.append(sized.fit([sample[place] for sample in samples]))
        else:
            fitted.append(None)
    fresh: Any = clone(estimator)
    unset = {
        k: seed % 2**32 for k, v in fresh.get_params().items() if k.split("__")[-1] == "random_state" and v is None
    }
    fresh.set_params(**unset)
    fresh.fit(_stacked(samples, fitted), np.asarray(targets))
    return EstimatorModel(fresh, fitted, method)


def _stacked(samples: Sequence[tuple[Any, ...]], columns: Sequence[Column | None]) -> np.ndarray:
    """Samples as `(N, D)` float64: numbers as they are, lists and images flattened, column after column."""
    if not samples:
        raise ConfigError("There is no sample.")
    rows = np.empty((0, 0))
    for index, sample in enumerate(samples):
        try:
            row = np.concatenate([_flat(value, column) for value, column in zip(sample, columns, strict=True)])
        except (ValueError, TypeError) as error:
            raise SampleError(index, str(error)) from error
        if not index:
            rows = np.empty((len(samples), len(row)))
        elif len(row) != rows.shape[1]:
            raise SampleError(
                index, f"it has {len(row)} numbers and others have {rows.shape[1]}; bring all to one length"
            )
        rows[index] = row
    return rows


def _flat(value: Any, column: Column | None) -> np.ndarray:
    if column is not None:
        value = column.encode(value)
    if isinstance(value, str | bytes | Path):
        raise ValueError(f"scikit-learn reads numbers, not {value!r}; a stage before it can turn one into the other")
    return np.asarray(value, np.float64).ravel()
