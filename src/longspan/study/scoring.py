"""How wrong predictions are: one error for each target, lower is better, computed from values alone.

A strategy may be a network, a pipeline or a function, so a study compares predicted values with their targets, and
nothing else: no probability, no loss. The errors themselves are those of the columns (`longspan.metrics.row_errors`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.errors import StudyError
from longspan.metrics.edit_distance import edit_distance
from longspan.metrics.row_errors import CHARACTER_EDITS, LABEL, RAW_VALUE, RowError, type_mismatch
from longspan.old_names import MEASURES

__all__ = ["FRACTIONS", "ErrorFunction", "Measure", "largest_error", "measure_for", "present_name"]

FRACTIONS = (LABEL.name, CHARACTER_EDITS.name)
"""Errors that are shown as percent, by the name that a study file holds."""

ErrorFunction = Callable[[Sequence[Any], Sequence[Any]], float]
"""Targets and predictions of the rows that have a target, in the same order, to one number; lower is better."""


@final
@dataclass(frozen=True, kw_only=True)
class Measure:
    """The error of one target."""

    target: str
    """Column that is predicted."""
    name: str
    """In words, for axes and tables: "error rate", "mean absolute error (months)"."""
    of: Callable[[Sequence[Any], Sequence[Any]], float | list[float]]
    """Computes it: one number, or one for each row, whose mean it is."""

    def __call__(self, targets: Sequence[Any], predictions: Sequence[Any]) -> tuple[float, np.ndarray | None]:
        """The error over the rows that have a target, and of each row, `(N,)`, NaN where it has none.

        An error function of the user's own gives one number for all rows, and so no error of each row.

        Args:
            targets: One per row, None where missing.
            predictions: One per row, None where the strategy has no prediction.

        Raises:
            StudyError: predictions of another number or type than the targets, or an error that is not finite.
        """
        if len(targets) != len(predictions):
            raise StudyError(f"{len(predictions)} predictions for {len(targets)} rows; a strategy predicts every row.")
        known = [row for row, target in enumerate(targets) if target is not None]
        value = self.of([targets[row] for row in known], [predictions[row] for row in known])
        rows = None
        if isinstance(value, list):
            rows = np.full(len(targets), np.nan)
            rows[known] = value
            value = math.fsum(value) / len(value)
        try:
            error = float(value)
        except (TypeError, ValueError):
            raise StudyError(
                f"The error function {self.name} gave {value!r} for {self.target!r}, which is not a number."
            ) from None
        if not math.isfinite(error):
            raise StudyError(f"The error of {self.target!r} is {error}, not a finite number: the training diverged.")
        return error, rows


def measure_for(target: str, column: Column, error: str | ErrorFunction | None = None) -> Measure:
    """The error that suits a column, unless another is asked for.

    Args:
        target: The column's name.
        column: Fitted.
        error: None: the mean of the column's own error (`Column.row_error`): the fraction of wrong predictions for
            classes and strings, the mean absolute error for numbers, a distance per image for masks and objects.
            "character": edits per character, for strings; other columns keep their own. A function of targets and
            predictions: used for every target.

    Raises:
        StudyError: the column has no error of its own, or `error` is not one of these.
    """
    if callable(error):
        return Measure(target=target, name=getattr(error, "__name__", "error"), of=error)
    if error not in (None, "character"):
        raise StudyError(f"error={error!r} is not one of None, 'character' or a function of targets and predictions.")
    if column.kind == "text" and error == "character":
        return Measure(target=target, name=CHARACTER_EDITS.mean_name, of=_character_errors)
    row_error = column.row_error
    if row_error == RAW_VALUE:
        raise StudyError(
            f"Target {target!r}, a column of kind {column.kind}, has no default error. Give one: "
            "error=function of targets and predictions, lower is better."
        )
    return Measure(target=target, name=row_error.mean_name, of=_of_rows(target, row_error))


def largest_error(name: str) -> float:
    """The largest possible error of this name: 1 for a fraction, infinity for edits, distances and your own."""
    return 1.0 if name == LABEL.name or name.endswith(", mean over images") else math.inf


def _character_errors(targets: Sequence[Any], predictions: Sequence[Any]) -> list[float]:
    """Edits of each text for each character of a text of mean length, so that their mean is the rate over all texts."""
    length = max(1, sum(map(len, targets))) / max(1, len(targets))
    return [edit_distance(target, found or "") / length for target, found in zip(targets, predictions, strict=True)]


def _of_rows(target: str, row_error: RowError) -> Callable[[Sequence[Any], Sequence[Any]], list[float]]:
    """The error of each row; refuses predictions of another type, of which every one would count as wrong."""

    def errors_of(targets: Sequence[Any], predictions: Sequence[Any]) -> list[float]:
        missing = sum(each is None for each in predictions)
        if missing and not math.isfinite(row_error.missing):
            raise StudyError(
                f"{missing} of {len(predictions)} predictions of {target!r} are missing, so there is no mean error."
            )
        try:
            errors = [row_error(each, found) for each, found in zip(targets, predictions, strict=True)]
        except (TypeError, ValueError) as fault:
            raise StudyError(f"A prediction of {target!r} cannot be compared with its target: {fault}.") from fault
        if row_error.exact and all(errors) and (fault := type_mismatch(targets, predictions)) is not None:
            raise StudyError(f"No prediction of {target!r} is right: {fault}")
        return errors

    return errors_of


def present_name(name: str) -> str:
    """The name of an error as it is now; study files of earlier versions have earlier ones."""
    return MEASURES.get(name, name)
