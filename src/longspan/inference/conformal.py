"""Prediction intervals and sets that hold a stated fraction of new rows, whatever the model is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.data import Table
from longspan.errors import ConfigError, DataError
from longspan.heads import TargetPrediction
from longspan.inference.measured_rows import MeasuredRows, measured_rows

__all__ = ["Conformal", "Coverage", "conformal"]

_Z95 = 1.959964


@final
@dataclass(frozen=True, slots=True)
class Coverage:
    """How many rows of a table lie within their intervals or sets."""

    rows: int
    covered: float
    """Fraction of the rows."""
    interval: tuple[float, float]
    """95 % interval of the fraction (Wilson)."""
    mean_size: float
    """Mean width of an interval, or mean number of classes in a set."""


@final
@dataclass(frozen=True, slots=True)
class Conformal:
    """What turns predictions of one target into intervals or sets; `conformal` makes it."""

    target: str
    coverage: float
    """The fraction that was asked for."""
    rows: int
    """Rows that it was calibrated on."""
    score: float
    """Of a number the half width of its interval; of classes 1 minus the least probability in a set."""
    classes: bool
    """Whether predictions are sets of classes; else intervals."""

    def interval(self, prediction: TargetPrediction) -> tuple[float, float]:
        """The interval around the prediction of a number.

        Raises:
            ConfigError: the target is a class.
        """
        if self.classes:
            raise ConfigError(f"Target {self.target!r} is a class: ask for labels() instead of an interval.")
        return float(prediction.value) - self.score, float(prediction.value) + self.score

    def labels(self, prediction: TargetPrediction) -> list[Any]:
        """The classes that remain possible, the most probable first; empty where none is probable enough.

        Raises:
            ConfigError: the target is a number.
        """
        if not self.classes or prediction.probabilities is None:
            raise ConfigError(f"Target {self.target!r} is a number: ask for interval() instead of labels.")
        likely = sorted(prediction.probabilities.items(), key=lambda each: -each[1])
        return [label for label, probability in likely if 1 - probability <= self.score]

    def measure(self, model: Any, table: Table) -> Coverage:
        """Coverage on further rows; those it was calibrated on would flatter it.

        Raises:
            DataError: no row has the target.
        """
        measured = measured_rows(model, table, self.target)
        predictions = measured.predictions()
        if self.classes:
            sets = [self.labels(each) for each in predictions]
            inside = [value in some for value, some in zip(measured.values, sets, strict=True)]
            size = float(np.mean([len(some) for some in sets]))
        else:
            ends = [self.interval(each) for each in predictions]
            inside = [low <= float(value) <= high for value, (low, high) in zip(measured.values, ends, strict=True)]
            size = 2 * self.score
        return Coverage(len(inside), float(np.mean(inside)), _wilson(sum(inside), len(inside)), size)


def conformal(model: Any, table: Table, target: str | None = None, *, coverage: float = 0.9) -> Conformal:
    """Calibrate intervals (of a number) or sets (of classes) on rows the model was not trained on.

    If new rows are like these, at least `coverage` of them lie inside, on average over calibration tables. Rows later
    in time, or of other groups, are not like these: measure the coverage on such rows with `Conformal.measure`.

    Args:
        model: A trained network or boosted trees.
        table: Rows that neither trained the model nor chose its epoch.
        target: Of a model with several.
        coverage: Between 0 and 1.

    Raises:
        ConfigError: the target is neither a number nor one of several classes; or a coverage out of range.
        DataError: too few rows for the coverage.

    Source: split conformal prediction, Papadopoulos et al. 2002; Lei et al. 2018, section 2.2. Sets of classes:
    Sadinle, Lei and Wasserman 2019.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage must lie between 0 and 1, such as 0.9; got {coverage!r}.")
    measured = measured_rows(model, table, target)
    scores, classes = _scores(measured)
    rank = math.ceil((len(scores) + 1) * coverage)
    if rank > len(scores):
        needed = math.ceil(coverage / (1 - coverage))
        raise DataError(
            f"A coverage of {coverage:g} needs at least {needed} rows with a target; there are {len(scores)}."
        )
    return Conformal(measured.target, coverage, len(scores), float(np.sort(scores)[rank - 1]), classes)


def _scores(measured: MeasuredRows) -> tuple[np.ndarray, bool]:
    """How far each row's target is from its prediction, `(N,)`; and whether the target is a class."""
    head = measured.model.heads[measured.target]
    predictions: Sequence[TargetPrediction] = measured.predictions()
    if head.kind == "classify":
        probabilities, labels = measured.probabilities(predictions)
        places = [labels.index(value) if value in labels else -1 for value in measured.values]
        return np.array([1 - row[k] if k >= 0 else 1.0 for row, k in zip(probabilities, places, strict=True)]), True
    if head.column is None or head.column.kind != "number":
        raise ConfigError(f"Intervals are for numbers and sets for classes; {measured.target!r} is neither.")
    pairs = zip(measured.values, predictions, strict=True)
    return np.array([abs(float(value) - float(each.value)) for value, each in pairs]), False


def _wilson(count: int, rows: int) -> tuple[float, float]:
    """95 % interval of a fraction, Wilson 1927."""
    fraction, square = count / rows, _Z95**2
    centre = (fraction + square / (2 * rows)) / (1 + square / rows)
    margin = _Z95 / (1 + square / rows) * math.sqrt(fraction * (1 - fraction) / rows + square / (4 * rows**2))
    return centre - margin, centre + margin
