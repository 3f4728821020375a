"""Where a model's errors are: groups of rows whose error differs from that of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np

from longspan.data import Table
from longspan.explain.expected_cost import HOUR, check_predictions
from longspan.inference.measured_rows import MeasuredRows, measured_rows

__all__ = ["Slice", "slices", "slices_of"]

_MIN_ROWS = 20
_MOST_LABELS = 50
_PARTS = 4


@final
@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that share a label, or whose number lies in one quarter of the values."""

    column: str
    value: str
    """The label, or the range of numbers."""
    rows: int
    error: float
    """Mean error of these rows."""
    difference: float
    """That, less the mean error of all other rows."""
    interval: tuple[float, float]
    """95 % interval of the difference (Welch), of this slice alone."""
    adjusted_p: float
    """P value with a correction for all slices that were looked at (Benjamini and Hochberg 1995)."""

    @property
    def certain(self) -> bool:
        """Whether the error differs, at a false discovery rate of 5 %."""
        return self.adjusted_p < 0.05


def slices(
    model: Any,
    table: Table,
    target: str | None = None,
    *,
    by: Sequence[str] | None = None,
    rows: int = 20_000,
    seed: int = 0,
    max_seconds: float | None = HOUR,
) -> list[Slice]:
    """Compare the error within groups of rows with that of all others, on rows the model was not trained on.

    Args:
        model: A trained network or boosted trees.
        table: Held-out rows; columns that the model does not read may be asked for too.
        target: Of a model with several.
        by: Columns that define groups; all labels and numbers of the table if None, and the target's classes.
        rows: At most so many rows, drawn at random.
        seed: Of the draw.
        max_seconds: Refused if it would take longer; None: never.

    Returns:
        From the highest to the lowest difference. Groups of fewer than 20 rows are left out, and so are columns of
        more than 50 labels.
    """
    measured = measured_rows(model, table, target, rows=rows, seed=seed)
    check_predictions("Slices", measured, 1, max_seconds)
    return slices_of(measured, measured.errors(measured.predictions()), by)


def slices_of(measured: MeasuredRows, errors: np.ndarray, by: Sequence[str] | None = None) -> list[Slice]:
    """The same from rows and their errors `(N,)`."""
    from scipy import stats

    found: list[tuple[str, str, np.ndarray]] = []
    for name in by if by is not None else _columns(measured.table):
        measured.table.column(name)
        found += [(name, value, chosen) for value, chosen in _groups(measured.table.column_values(name))]
    kept: list[tuple[str, str, np.ndarray, float, float, float, float]] = []
    for name, value, chosen in found:
        inside, outside = errors[chosen], errors[~chosen]
        if min(len(inside), len(outside)) < _MIN_ROWS:
            continue
        difference = float(inside.mean() - outside.mean())
        if inside.std() == 0 and outside.std() == 0:
            kept.append((name, value, chosen, difference, difference, difference, 1.0 if difference == 0 else 0.0))
            continue
        test: Any = stats.ttest_ind(inside, outside, equal_var=False)
        low, high = test.confidence_interval(0.95)
        kept.append((name, value, chosen, difference, float(low), float(high), float(test.pvalue)))
    if not kept:
        return []
    adjusted = stats.false_discovery_control([each[-1] for each in kept])
    made = [
        Slice(name, value, int(chosen.sum()), float(errors[chosen].mean()), difference, (low, high), float(p))
        for (name, value, chosen, difference, low, high, _), p in zip(kept, adjusted, strict=True)
    ]
    return sorted(made, key=lambda each: -each.difference)


def _columns(table: Table) -> list[str]:
    return [
        name
        for name, column in table.columns.items()
        if not column.sources and column.kind in ("category", "number", "text") and name in table.frame.columns
    ]


def _groups(values: Sequence[Any]) -> list[tuple[str, np.ndarray]]:
    """Names and rows `(N,)` bool of the groups of one column."""
    missing = np.array([value is None or value != value for value in values])
    present = [value for value, absent in zip(values, missing, strict=True) if not absent]
    found: list[tuple[str, np.ndarray]] = []
    if (
        present
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in present)
        and len(set(present)) > 10
    ):
        numbers = np.array([np.nan if absent else float(v) for v, absent in zip(values, missing, strict=True)])
        edges = np.unique(np.quantile(numbers[~missing], np.linspace(0, 1, _PARTS + 1)))
        for place, (low, high) in enumerate(pairwise(edges.tolist())):
            last = place == len(edges) - 2
            chosen = (numbers >= low) & ((numbers <= high) if last else (numbers < high))
            found.append((f"{low:g} to {high:g}" if last else f"{low:g} to below {high:g}", chosen))
    elif len(set(map(str, present))) <= _MOST_LABELS:
        for label in sorted({str(value) for value in present}):
            found.append((label, np.array([not m and str(v) == label for v, m in zip(values, missing, strict=True)])))
    if missing.any():
        found.append(("missing", missing))
    return found
