"""Columns that know the future: their values change when later rows are removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from longspan.data.lags import moments_as_numbers
from longspan.data.splits.column_values import present_values
from longspan.data.splits.timestamps import moments_of
from longspan.errors import DataError

__all__ = ["future_leaks"]


def future_leaks(make: Callable[[Any], Any], table: Any, *, time: str, cuts: int = 3) -> list[str]:
    """Columns whose values change when later rows are removed: they know the future.

    `make` runs on the whole table and on the rows before each of some moments; what it says of those rows must be the
    same. It finds means over all rows, shifts in the wrong direction, and ranks among later rows.

    Args:
        make: Adds columns to a table, one row for each row in the same order.
        table: Rows with a column of moments.
        time: Name of that column.
        cuts: How many moments to cut at, evenly spread over the rows.

    Raises:
        DataError: `make` gives another number of rows, or the table is too short.
        SplitError: values of `time` that have no order.

    Example:
        >>> from longspan.columns import Number
        >>> from longspan.data import Table
        >>> sales = Table.from_arrays({"day": [1, 2, 3, 4], "sold": [5, 7, 6, 9]}, {"day": Number(), "sold": Number()})
        >>> def centred(rows):
        ...     mean = sum(rows.column_values("sold")) / len(rows)
        ...     return rows.with_column("centred", Number(), lambda row: row["sold"] - mean)
        >>> future_leaks(centred, sales, time="day")
        ['centred']
    """
    seconds = moments_as_numbers(moments_of(present_values(table, time, "time"), time))
    distinct = np.unique(seconds)
    if len(distinct) < 2:
        raise DataError(f"Column {time!r} has {len(distinct)} different moments; there is no later row to remove.")
    whole = _made(make, table)
    borders = np.unique(np.linspace(1, len(distinct) - 1, cuts).round().astype(int))
    found: dict[str, None] = {}
    for border in borders:
        rows = np.flatnonzero(seconds < distinct[border])
        part = _made(make, table.take(rows))
        for name in part.columns:
            if name in whole.columns and not _same(whole[name][rows], part[name]):
                found[name] = None
    return list(found)


def _made(make: Callable[[Any], Any], table: Any) -> pl.DataFrame:
    made = make(table)
    if len(made) != len(table):
        raise DataError(f"The function made {len(made)} rows of {len(table)}; it must keep every row, in order.")
    return made.frame


def _same(one: pl.Series, other: pl.Series) -> bool:
    if one.dtype.is_numeric() and other.dtype.is_numeric():
        pair = (each.cast(pl.Float64).to_numpy() for each in (one, other))
        return bool(np.allclose(*pair, rtol=1e-9, atol=1e-12, equal_nan=True))
    return one.to_list() == other.to_list()
