"""How far a pipeline's answers are from the truth, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longspan.columns import Column, Spatial
from longspan.data import Table
from longspan.errors import PipelineError, nearest
from longspan.pipeline.flow import Flow

__all__ = ["measure_errors", "measure_of", "row_errors"]


def measure_of(column: Column) -> str:
    """The name of the error of a column: "mae" in the unit of a number, else "error", the fraction of wrong answers."""
    return "mae" if column.kind == "number" else "error"


def row_errors(name: str, column: Column, truth: Sequence[Any], values: Sequence[Any]) -> np.ndarray:
    """The error of each row, `(N,)` float64.

    For a number how far it is off, for what lies in an image how far that is off, from 0 to 1 (`Spatial.error`), else
    1 for a wrong answer and 0 for a right one.

    A row without truth is NaN. A number that is missing is infinitely wrong; any other answer that is missing is wrong.

    Raises:
        PipelineError: answers and truth are of different types, so that no answer could ever be right.
    """
    errors = np.full(len(truth), np.nan)
    if column.kind == "number":
        for row, (true, value) in enumerate(zip(truth, values, strict=True)):
            if true is not None:
                errors[row] = np.inf if value is None else abs(_number(name, value) - float(true))
        return errors
    if isinstance(column, Spatial):
        for row, (true, value) in enumerate(zip(truth, values, strict=True)):
            if true is not None:
                errors[row] = 1.0 if value is None else column.error(true, value)
        return errors
    for row, (true, value) in enumerate(zip(truth, values, strict=True)):
        if true is not None:
            true, value = _plain(true), _plain(value)
            if column.kind == "categories" and isinstance(true, list) and isinstance(value, list):
                true, value = {*true}, {*value}
            errors[row] = float(true != value)
    if np.nansum(errors) == np.isfinite(errors).sum() > 0:
        _refuse_types(name, truth, values)
    return errors


def measure_errors(flow: Flow, table: Table, answers: Sequence[str]) -> dict[str, float]:
    """The error of each answer that the table has the truth of; see `Pipeline.evaluate`."""
    measured = [name for name in answers if name in table.columns]
    if not measured:
        near = nearest(answers[0], table.columns)
        hint = f"; its column {near!r} is the nearest" if near else ""
        raise PipelineError(f"The table has no truth for {', '.join(map(repr, answers))}{hint}.")
    figures: dict[str, float] = {}
    for name in measured:
        column = table.columns[name]
        errors = row_errors(name, column, flow.rows.read(name), flow.values(name))
        known = errors[~np.isnan(errors)]
        if not len(known):
            raise PipelineError(f"{name!r} has no value in any row of the table: there is nothing to measure by.")
        answered = known[np.isfinite(known)]
        prefix = "" if len(measured) == 1 else f"{name}."
        figures[prefix + measure_of(column)] = float(answered.mean()) if len(answered) else float("nan")
        if len(answered) < len(known):
            figures[prefix + "unanswered"] = 1 - len(answered) / len(known)
    return figures


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise PipelineError(f"{name!r} is a number in the table, but the pipeline answers {value!r}.") from error


def _refuse_types(name: str, truth: Sequence[Any], values: Sequence[Any]) -> None:
    """Where every answer is wrong: is it because 3 is compared with "3"?"""
    kinds = [{_kind(value) for value in column if value is not None} for column in (truth, values)]
    if kinds[0] and kinds[1] and not kinds[0] & kinds[1]:
        shown = [next(value for value in column if value is not None) for column in (truth, values)]
        raise PipelineError(
            f"{name!r} is {' or '.join(sorted(kinds[0]))} in the table (such as {shown[0]!r}), but the pipeline's "
            f"answers are {' or '.join(sorted(kinds[1]))} (such as {shown[1]!r}), so no answer could ever be right. "
            "Make them values of one type."
        )


def _kind(value: Any) -> str:
    value = _plain(value)
    if isinstance(value, bool | int | float):
        return "a number"
    return {"str": "text", "list": "a list"}.get(type(value).__name__, type(value).__name__)


def _plain(value: Any) -> Any:
    """Without numpy, and tuples as lists: what a table holds."""
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, set | frozenset):
        return sorted(_plain(part) for part in value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
