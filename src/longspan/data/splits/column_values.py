"""The values of a column by which rows are divided: classes, groups, moments."""

from __future__ import annotations

import numpy as np

from longspan.data.table_view import TableView
from longspan.errors import SplitError, unknown_name

__all__ = ["check_known", "class_ids", "class_of", "present_values", "values_of"]

_CLASSES_AS_THEY_ARE = (str, int, bool, type(None))


def check_known(table: TableView, name: str) -> None:
    """UnknownNameError unless the table has the column."""
    if name not in table.columns:
        raise unknown_name("column", name, table.columns)


def values_of(table: TableView, name: str, rows: np.ndarray) -> list[object]:
    """Raw values of some rows."""
    values = list(table.column_values(name))
    return values if len(rows) == len(values) else [values[row] for row in rows.tolist()]


def present_values(table: TableView, name: str, role: str) -> list[object]:
    """All values of a column that every row must have."""
    check_known(table, name)
    values = [class_of(value) for value in table.column_values(name)]
    missing = [row for row, value in enumerate(values) if value is None]
    if missing:
        shown = ", ".join(map(table.row_name, missing[:10])) + (" ..." if len(missing) > 10 else "")
        raise SplitError(
            f"The {role} column {name!r} has no value in {len(missing)} of {len(values)} rows: {shown}. "
            "Fill them in, or filter those rows out first."
        )
    return values


def class_of(value: object) -> object:
    """One hashable, comparable form per value; NaN counts as missing."""
    if type(value) in _CLASSES_AS_THEY_ARE:  # most values, of columns of millions
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, dict):
        return tuple((key, class_of(part)) for key, part in value.items())
    return tuple(map(class_of, value)) if isinstance(value, list) else value


def class_ids(values: list[object]) -> tuple[np.ndarray, list[object]]:
    """An id for each value, (N,) int64, and the distinct values in id order, sorted so that row order plays no part."""
    try:
        distinct = sorted(set(values))  # type: ignore[type-var]
    except TypeError:
        try:
            distinct = sorted(set(values), key=lambda value: (type(value).__name__, str(value)))
        except TypeError as error:
            raise SplitError(f"Values such as {values[0]!r} are not classes or groups: {error}.") from error
    ids = {value: i for i, value in enumerate(distinct)}
    return np.fromiter((ids[value] for value in values), dtype=np.int64, count=len(values)), distinct
