"""How wrong predictions are: one error for each target, lower is better, computed from values alone.

A strategy may be a network, a pipeline or a function, so a study compares what they say with what is true, and nothing
else: no probability, no loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from longspan.columns import Column, Number, Spatial
from longspan.errors import StudyError

__all__ = ["FRACTIONS", "ErrorFunction", "Measure", "largest_error", "measure_for"]

FRACTIONS = ("fraction of wrong", "edits per character")
"""Errors that are shown as percent."""

_OVER_IMAGES = ", mean over images"

ErrorFunction = Callable[[Sequence[Any], Sequence[Any]], float]
"""Truths and predictions of the rows that have a truth, in the same order, to one number; lower is better."""


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

    def __call__(self, truths: Sequence[Any], predictions: Sequence[Any]) -> float:
        """The error over the rows that have a truth.

        Args:
            truths: One per row, None where missing.
            predictions: One per row, None where the strategy has no answer.

        Raises:
            StudyError: predictions of another number or type than the truths, or an error that is no finite number.
        """
        if len(truths) != len(predictions):
            raise StudyError(f"{len(predictions)} predictions for {len(truths)} rows; a strategy predicts every row.")
        pairs = [(truth, said) for truth, said in zip(truths, predictions, strict=True) if truth is not None]
        figure = self.of([truth for truth, _ in pairs], [said for _, said in pairs])
        try:
            error = float(figure)
        except (TypeError, ValueError):
            raise StudyError(
                f"The error function {self.name} gave {figure!r} for {self.target!r}, no number."
            ) from None
        if not math.isfinite(error):
            raise StudyError(f"The error of {self.target!r} is {error}, no finite number: the training went astray.")
        return error


def measure_for(target: str, column: Column, error: str | ErrorFunction | None = None) -> Measure:
    """The error that suits a column, unless another is asked for.

    Args:
        target: The column's name.
        column: Fitted.
        error: None: the fraction of wrong answers for classes and strings, the mean absolute error for numbers, for
            what lies in an image how far the answer is off in a mean image (`Spatial.error`).
            "character": edits per character, for strings; other columns keep their own. A function of truths and
            predictions: used for every target.

    Raises:
        StudyError: the column has no error of its own, or `error` is none that there is.
    """
    if callable(error):
        return Measure(target=target, name=getattr(error, "__name__", "error"), of=error)
    if error not in (None, "character"):
        raise StudyError(f"error={error!r} is none of None, 'character' or a function of truths and predictions.")
    if column.kind == "text" and error == "character":
        return Measure(target=target, name="edits per character", of=_character_error)
    if isinstance(column, Number):
        unit = f" ({column.unit})" if column.unit else ""
        return Measure(target=target, name=f"mean absolute error{unit}", of=_absolute_error(target))
    if column.kind == "category":
        return Measure(target=target, name="fraction of wrong", of=_wrong_labels(target, column))
    if column.kind == "categories":
        return Measure(target=target, name="fraction of wrong", of=_wrong_sets(column))
    if column.kind == "text":
        return Measure(target=target, name="fraction of wrong", of=_wrong)
    if isinstance(column, Spatial):
        return Measure(target=target, name=f"{column.error_name}{_OVER_IMAGES}", of=_placed(column))
    raise StudyError(
        f"A study has no error of its own for target {target!r}, a column of kind {column.kind}. Give one: "
        "error=function of truths and predictions, lower is better."
    )


def largest_error(name: str) -> float:
    """The largest that an error of this name can be: 1 for a fraction, infinity for edits, differences and your own."""
    return 1.0 if name == "fraction of wrong" or name.endswith(_OVER_IMAGES) else math.inf


def _wrong(truths: Sequence[Any], predictions: Sequence[Any]) -> float:
    return sum(said is None or said != truth for truth, said in zip(truths, predictions, strict=True)) / len(truths)


def _wrong_labels(target: str, column: Column) -> ErrorFunction:
    """Fraction of wrong labels; refuses labels of another type, of which every one would count as wrong."""
    vocab = getattr(column, "vocab", ())

    def error(truths: Sequence[Any], predictions: Sequence[Any]) -> float:
        if vocab and not any(said in vocab for said in predictions):
            said, known = predictions[0], vocab[0]
            raise StudyError(
                f"No prediction of {target!r} is one of its classes: the first is {said!r} ({type(said).__name__}), a "
                f"class is {known!r} ({type(known).__name__}). Predict the values that stand in the table."
            )
        return _wrong(truths, predictions)

    return error


def _wrong_sets(column: Column) -> ErrorFunction:
    """Fraction of rows whose set of labels is not the true one."""

    def error(truths: Sequence[Any], predictions: Sequence[Any]) -> float:
        true = [set(column.decode(column.encode(truth))) for truth in truths]
        return _wrong(true, [None if said is None else set(said) for said in predictions])

    return error


def _absolute_error(target: str) -> ErrorFunction:
    def error(truths: Sequence[Any], predictions: Sequence[Any]) -> float:
        silent = sum(said is None for said in predictions)
        if silent:
            raise StudyError(f"{silent} of {len(predictions)} predictions of {target!r} are missing, so no mean error.")
        return math.fsum(
            abs(float(said) - float(truth)) for truth, said in zip(truths, predictions, strict=True)
        ) / len(truths)

    return error


def _placed(column: Spatial) -> ErrorFunction:
    """Mean over images; one without an answer is all wrong."""

    def error(truths: Sequence[Any], predictions: Sequence[Any]) -> float:
        errors = [
            1.0 if said is None else column.error(truth, said) for truth, said in zip(truths, predictions, strict=True)
        ]
        return math.fsum(errors) / len(errors)

    return error


def _character_error(truths: Sequence[Any], predictions: Sequence[Any]) -> float:
    from longspan.metrics.edit_distance import edit_distance

    edits = sum(edit_distance(truth, said or "") for truth, said in zip(truths, predictions, strict=True))
    return edits / max(1, sum(len(truth) for truth in truths))
