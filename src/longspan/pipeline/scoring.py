"""How far a pipeline's predictions are from the ground truth, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from longspan.columns import Column
from longspan.data import Table
from longspan.errors import PipelineError, nearest
from longspan.metrics.row_errors import RowError, type_mismatch
from longspan.pipeline.flow import Flow

__all__ = ["measure_errors", "row_errors"]


def row_errors(
    name: str, column: Column, targets: Sequence[Any], predictions: Sequence[Any], error: RowError | None = None
) -> np.ndarray:
    """The error of each row, `(N,)` float64: `error`, or as the column measures it (`Column.row_error`).

    A row without ground truth is NaN. A number that is missing is infinitely wrong; any other missing prediction is
    wrong.

    Raises:
        PipelineError: predictions and ground truth are of different types, so that no prediction could ever be right.
    """
    errors = np.full(len(targets), np.nan)
    row_error = error or column.row_error
    for row, (target, prediction) in enumerate(zip(targets, predictions, strict=True)):
        if target is None:
            continue
        try:
            errors[row] = row_error(target, prediction)
        except (TypeError, ValueError) as fault:
            raise PipelineError(
                f"{name!r} is of kind {column.kind} in the table, but the pipeline predicts {prediction!r}, which "
                f"cannot be compared with it: {fault}."
            ) from fault
    known = errors[~np.isnan(errors)]
    if row_error.exact and known.all() and (fault := type_mismatch(targets, predictions)) is not None:
        raise PipelineError(f"{name!r} is never right: {fault}")
    return errors


def measure_errors(flow: Flow, table: Table, outputs: Sequence[str]) -> dict[str, float]:
    """The error of each output for which the table has ground truth; see `Pipeline.evaluate`."""
    measured = [name for name in outputs if name in table.columns]
    if not measured:
        near = nearest(outputs[0], table.columns)
        hint = f"; its nearest column is {near!r}" if near else ""
        raise PipelineError(f"The table has no ground truth for {', '.join(map(repr, outputs))}{hint}.")
    metrics: dict[str, float] = {}
    for name in measured:
        column = table.columns[name]
        errors = row_errors(name, column, flow.rows.read(name), flow.values(name))
        known = errors[~np.isnan(errors)]
        if not len(known):
            raise PipelineError(f"{name!r} has no value in any row of the table, so there is nothing to measure.")
        answered = known[np.isfinite(known)]
        prefix = "" if len(measured) == 1 else f"{name}."
        metrics[prefix + column.row_error.metric] = float(answered.mean()) if len(answered) else float("nan")
        if len(answered) < len(known):
            metrics[prefix + "unanswered"] = 1 - len(answered) / len(known)
    return metrics
