"""How predictions change with one column: partial dependence, and the same for single rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.data import Table
from longspan.errors import ConfigError, unknown_name
from longspan.explain.expected_cost import HOUR, check_predictions
from longspan.explain.importance import columns_read
from longspan.inference.measured_rows import MeasuredRows, measured_rows

__all__ = ["Dependence", "dependence"]

_Z95 = 1.959964


@final
@dataclass(frozen=True, slots=True)
class Dependence:
    """Predictions when one column is set to each of some values in all rows."""

    column: str
    target: str
    outcome: Any
    """The class whose probability is shown; None for a number."""
    points: list[Any]
    """P values of the column: numbers ascending, or labels."""
    rows: np.ndarray
    """Predictions of each row at each point, `(N, P)` float64: individual conditional expectation."""

    @property
    def mean(self) -> np.ndarray:
        """Partial dependence, `(P,)`."""
        return self.rows.mean(axis=0)

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval of the mean over rows, twice `(P,)`."""
        margin = _Z95 * self.rows.std(axis=0, ddof=1) / np.sqrt(len(self.rows)) if len(self.rows) > 1 else 0.0
        return self.mean - margin, self.mean + margin


def dependence(
    model: Any,
    table: Table,
    column: str,
    target: str | None = None,
    *,
    outcome: Any = None,
    points: int = 12,
    rows: int = 300,
    seed: int = 0,
    max_seconds: float | None = HOUR,
) -> Dependence:
    """Partial dependence of a model's predictions on one column, with a curve for each row.

    All rows get the same value, even where it does not go with their other values; the curves of single rows show
    whether the mean hides opposite effects.

    Args:
        model: A trained network or boosted trees.
        table: Rows to start from.
        column: One that the model reads: numbers or labels.
        target: Of a model with several.
        outcome: The class whose probability is followed; the rarest class of the table if None.
        points: For numbers: at so many quantiles between 2 % and 98 %, and where many rows share a value, of the
            different values too. For labels: the most frequent ones.
        rows: At most so many rows, drawn at random.
        seed: Of the draw.
        max_seconds: Refused if it would take longer; None: never.

    Raises:
        ConfigError: a column of neither numbers nor labels.
        UnknownNameError: the model does not read the column, or has no such class.

    Source: Friedman 2001, section 8.2; Goldstein et al. 2015 for the curves of single rows.
    """
    measured = measured_rows(model, table, target, rows=rows, seed=seed)
    read = columns_read(measured.model)
    if column not in read:
        raise unknown_name("column that the model reads", column, read)
    grid = _points(measured.table, column, points)
    outcome = _outcome(measured, outcome)
    check_predictions("Dependence", measured, len(grid), max_seconds)
    curves = np.empty((len(measured.table), len(grid)))
    for place, value in enumerate(grid):
        kind = measured.table.columns[column]
        same = measured.table.with_column(column, kind, [value] * len(measured.table))
        predictions = measured.predictions(same)
        if outcome is None:
            curves[:, place] = [float(each.value) for each in predictions]
        else:
            probabilities, labels = measured.probabilities(predictions)
            curves[:, place] = probabilities[:, labels.index(outcome)]
    return Dependence(column, measured.target, outcome, grid, curves)


def _points(table: Table, column: str, count: int) -> list[Any]:
    known = (value for value in table.column_values(column) if value is not None)
    values: list[Any] = [value for value in known if not isinstance(value, float) or value == value]
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        whole = all(isinstance(value, int) for value in values)
        levels, method = np.linspace(0.02, 0.98, count), "nearest" if whole else "linear"
        found = np.unique(np.quantile(values, levels, method=method))
        if len(found) <= count / 2:  # many rows share a value, such as 0: spread the points over the different ones
            found = np.union1d(found, np.quantile(np.unique(values), levels[::2], method=method))
        return [type(values[0])(value) for value in found.tolist()]
    if values and all(isinstance(value, str | bool) for value in values):
        return [value for value, _ in Counter(values).most_common(count)]
    raise ConfigError(f"Column {column!r} holds neither numbers nor labels; dependence is drawn over those.")


def _outcome(measured: MeasuredRows, outcome: Any) -> Any:
    head = measured.model.heads[measured.target]
    vocab = list(getattr(head.column, "vocab", ()))
    if head.kind != "classify":
        if outcome is not None:
            raise ConfigError(f"outcome={outcome!r} is for targets of classes; {measured.target!r} is not one.")
        if head.column is None or head.column.kind != "number":
            raise ConfigError(f"Dependence is drawn for classes and numbers; {measured.target!r} is neither.")
        return None
    if outcome is None:
        return min(vocab, key=lambda label: measured.values.count(label) or len(measured.values) + 1)
    if outcome not in vocab:
        raise unknown_name("class", str(outcome), list(map(str, vocab)))
    return outcome
