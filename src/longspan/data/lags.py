"""Features of the past for rows ordered in time: values some time ago and means over a stretch, without a leak."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from longspan.data.splits.column_values import class_ids, present_values
from longspan.data.splits.time_split import Gap, time_width
from longspan.data.splits.timestamps import moments_of
from longspan.data.table_view import TableView
from longspan.errors import ConfigError, DataError, SplitError

__all__ = ["lag_columns", "lag_values", "mean_values", "moments_as_numbers"]


def lag_values(table: TableView, column: str, *, time: str, group: str | None, lag: Gap) -> list[float | None]:
    """The column's value exactly `lag` before each row, in the same group; None where there is no such row.

    Raises:
        DataError: two rows of one group at one moment.
        SplitError: values of `time` that have no order, or a lag that is not a length of time.
    """
    moments, groups, values = _series(table, column, time, group)
    width = _seconds(time_width(lag, moments, time))
    seconds = moments_as_numbers(moments)
    found: list[float | None] = [None] * len(values)
    for rows in groups:
        ordered = _ordered(seconds, rows, time)
        places = np.searchsorted(seconds[ordered], seconds[rows] - width)
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            if place < len(ordered) and seconds[ordered[place]] == seconds[row] - width:
                value = values[ordered[place]]
                found[row] = None if np.isnan(value) else float(value)
    return found


def mean_values(
    table: TableView, column: str, *, time: str, group: str | None, window: Gap, horizon: Gap
) -> list[float | None]:
    """Mean of the column over the stretch of length `window` that ends `horizon` before each row, that end included.

    None where no row of the group lies in it.

    Raises:
        DataError: two rows of one group at one moment.
        SplitError: as `lag_values`.
    """
    moments, groups, values = _series(table, column, time, group)
    length, ahead = (_seconds(time_width(each, moments, time)) for each in (window, horizon))
    seconds = moments_as_numbers(moments)
    found: list[float | None] = [None] * len(values)
    for rows in groups:
        ordered = _ordered(seconds, rows, time)
        known = ordered[~np.isnan(values[ordered])]
        sums = np.concatenate([[0.0], np.cumsum(values[known])])
        end = np.searchsorted(seconds[known], seconds[rows] - ahead, side="right")
        start = np.searchsorted(seconds[known], seconds[rows] - ahead - length, side="right")
        for row, first, last in zip(rows.tolist(), start.tolist(), end.tolist(), strict=True):
            if last > first:
                found[row] = float((sums[last] - sums[first]) / (last - first))
    return found


def lag_columns(
    table: TableView,
    column: str,
    *,
    time: str,
    group: str | None,
    lags: Sequence[Gap],
    means: Sequence[Gap],
    horizon: Gap,
) -> dict[str, list[float | None]]:
    """The columns of `Table.with_lags` by name."""
    moments = moments_of(present_values(table, time, "time"), time)
    ahead = _seconds(time_width(horizon, moments, time))
    if ahead <= 0:
        raise ConfigError(f"horizon={horizon!r} must be longer than 0: how long before a row is its past known?")
    if not lags and not means:
        raise ConfigError('Nothing to add: give lags=["7d"] or means=["28d"], or both.')
    for lag in lags:
        if _seconds(time_width(lag, moments, time)) < ahead:
            raise ConfigError(
                f"lag {lag!r} is shorter than horizon={horizon!r}: that value is not known yet when the row is "
                "predicted."
            )
    found = {f"{column} {lag} before": lag_values(table, column, time=time, group=group, lag=lag) for lag in lags}
    for window in means:
        name = f"mean {column} of {window}"
        found[name] = mean_values(table, column, time=time, group=group, window=window, horizon=horizon)
    return found


def _series(
    table: TableView, column: str, time: str, group: str | None
) -> tuple[list[Any], list[np.ndarray], np.ndarray]:
    """Moments, the rows of each group, and values with NaN where missing."""
    table.column(column)
    moments = moments_of(present_values(table, time, "time"), time)
    try:
        values = np.array([np.nan if v is None else float(v) for v in table.column_values(column)])
    except (TypeError, ValueError) as error:
        raise DataError(f"Column {column!r} is not of numbers: {error}.") from error
    if group is None:
        return moments, [np.arange(len(values))], values
    ids, names = class_ids(present_values(table, group, "group"))
    return moments, [np.flatnonzero(ids == number) for number in range(len(names))], values


def _ordered(seconds: np.ndarray, rows: np.ndarray, time: str) -> np.ndarray:
    ordered = rows[np.argsort(seconds[rows], kind="stable")]
    twice = np.flatnonzero(np.diff(seconds[ordered]) == 0)
    if len(twice):
        first, second = ordered[twice[0]], ordered[twice[0] + 1]
        raise DataError(
            f"Rows {first} and {second} have the same time in {time!r}, so the past of neither is clear. Name the "
            "column that keeps such rows apart: group=."
        )
    return ordered


def moments_as_numbers(moments: list[Any]) -> np.ndarray:
    """Moments as float64: numbers as they are, dates as seconds."""
    try:
        return np.array([_seconds(each) for each in moments])
    except TypeError as error:
        raise SplitError(f"Times of several types cannot be put in order: {error}.") from error


def _seconds(moment: Any) -> float:
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if isinstance(moment, datetime):
        return (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)).total_seconds()
    return moment.total_seconds() if hasattr(moment, "total_seconds") else float(moment)
