"""How wrong predictions are: one error for each target, lower is better, computed from values alone.

A strategy may be a network, a pipeline or a function, so a study compares predicted values with their targets, and
nothing else: no probability, no loss. The errors themselves are those of the columns (`longspan.metrics.row_errors`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from longspan.columns import Column
from longspan.errors import StudyError
from longspan.metrics.row_errors import CHARACTER_EDITS, LABEL, RAW_VALUE, RowError, character_error_rate, type_mismatch

__all__ = ["FRACTIONS", "ErrorFunction", "Measure", "largest_error", "measure_for"]

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
    """In words, for axes and tables: "fraction of wrong", "mean absolute error (months)"."""
    of: ErrorFunction
    """Computes it."""

    def __call__(self, targets: Sequence[Any], predictions: Sequence[Any]) -> float:
        """The error over the rows that have a target.

        Args:
            targets: One per row, None where missing.
            predictions: One per row, None where the strategy has no prediction.

        Raises:
            StudyError: predictions of another number or type than the targets, or an error that is not finite.
        """
        if len(targets) != len(predictions):
            raise StudyError(f"{len(predictions)} predictions for {len(targets)} rows; a strategy predicts every row.")
        pairs = [(target, found) for target, found in zip(targets, predictions, strict=True) if target is not None]
        value = self.of([target for target, _ in pairs], [found for _, found in pairs])
        try:
            error = float(value)
        except (TypeError, ValueError):
            raise StudyError(
                f"The error function {self.name} gave {value!r} for {self.target!r}, which is not a number."
            ) from None
        if not math.isfinite(error):
            raise StudyError(f"The error of {self.target!r} is {error}, not a finite number: the training diverged.")
        return error


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
        return Measure(target=target, name=CHARACTER_EDITS.mean_name, of=character_error_rate)
    row_error = column.row_error
    if row_error == RAW_VALUE:
        raise StudyError(
            f"Target {target!r}, a column of kind {column.kind}, has no default error. Give one: "
            "error=function of targets and predictions, lower is better."
        )
    return Measure(target=target, name=row_error.mean_name, of=_mean(target, row_error))


def largest_error(name: str) -> float:
    """The largest possible error of this name: 1 for a fraction, infinity for edits, distances and your own."""
    return 1.0 if name == LABEL.name or name.endswith(", mean over images") else math.inf


def _mean(target: str, row_error: RowError) -> ErrorFunction:
    """The mean over rows; refuses predictions of another type, of which every one would count as wrong."""

    def error(targets: Sequence[Any], predictions: Sequence[Any]) -> float:
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
        return math.fsum(errors) / len(errors)

    return error
