"""Splits by time: earlier rows train, later ones are held out, with a gap between them and with several cut-offs."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta

import numpy as np

from longspan.data.splits.split_sizes import counts_of
from longspan.data.splits.timestamps import moments_of
from longspan.errors import SplitError
from longspan.valid_values import gap_parts

__all__ = ["Gap", "leave_gaps", "split_by_time", "time_folds", "time_width"]

Gap = int | float | str | timedelta
"""A stretch of time: a number in the column's own unit, or a duration such as "7d", "36h", "30m" for dates."""

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def split_by_time(
    values: list[object], name: str, valid: float, test: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Earliest rows train, later ones validate, the last test; borders lie between two different moments."""
    ranks, distinct = _ranks_of(moments_of(values, name), name)
    num_valid, num_test = counts_of(len(values), valid, test)
    needed = 1 + (num_valid > 0) + (num_test > 0)
    if len(distinct) < needed:
        raise SplitError(f"Column {name!r} has {len(distinct)} different moments; {needed} parts need {needed}.")
    # ends[k]: rows up to and with moment k, the only places a border may be.
    ends = np.cumsum(np.bincount(ranks, minlength=len(distinct)))
    last = len(distinct)
    first_test = last
    if num_test:
        lowest = 2 if num_valid else 1
        first_test = lowest + int(np.abs(ends[lowest - 1 : last - 1] - (len(values) - num_test)).argmin())
    first_valid = first_test
    if num_valid:
        border = int(ends[first_test - 1]) - num_valid
        first_valid = 1 + int(np.abs(ends[: first_test - 1] - border).argmin())
    return (
        np.flatnonzero(ranks < first_valid),
        np.flatnonzero((ranks >= first_valid) & (ranks < first_test)),
        np.flatnonzero(ranks >= first_test),
    )


def leave_gaps(values: list[object], name: str, gap: Gap, *parts: np.ndarray) -> tuple[np.ndarray, ...]:
    """The parts, in order of time, without the rows that lie less than `gap` before the first row of a later part.

    What was measured within the gap often overlaps with what is held out: sums over the last week, targets that are
    only known a month later.

    Raises:
        SplitError: the gap is not a length of time in this column, or it leaves a part without rows.
    """
    moments = moments_of(values, name)
    width = time_width(gap, moments, name)
    kept: list[np.ndarray] = []
    for place, rows in enumerate(parts):
        later = [moments[row] for part in parts[place + 1 :] for row in part.tolist()]
        if later and len(rows):
            border = _moment(min(later)) - width  # type: ignore[type-var, operator]
            rows = rows[[_moment(moments[row]) <= border for row in rows.tolist()]]
            if not len(rows):
                part = ("training", "validation", "test")[place]
                raise SplitError(f"gap={gap!r} before {min(later)} leaves no {part} row. Make it shorter.")  # type: ignore[type-var]
        kept.append(rows)
    return tuple(kept)


def time_folds(
    values: list[object], name: str, rows: np.ndarray, folds: int, gap: Gap | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rolling origin: `folds` pairs of training and validation rows, each of which trains on all that came before.

    `rows` are cut into folds + 1 blocks of like size, in order of time, between different moments; fold k trains on the
    first k blocks and validates on the next (as scikit-learn's TimeSeriesSplit; differs: rows of one moment stay
    together, and the first block takes what is left over).

    Raises:
        SplitError: fewer moments than blocks, or a gap that leaves nothing to train on.
    """
    if not isinstance(folds, int) or folds < 2:
        raise SplitError(f"Cross-validation needs at least 2 folds, got {folds!r}.")
    mine = [values[row] for row in rows.tolist()]
    ranks, distinct = _ranks_of(moments_of(mine, name), name)
    if len(distinct) <= folds:
        raise SplitError(
            f"Column {name!r} has {len(distinct)} different moments outside the vault; {folds} folds by time need at "
            f"least {folds + 1}."
        )
    ends = np.cumsum(np.bincount(ranks, minlength=len(distinct)))
    borders = [0]
    for block in range(folds):
        wanted = len(rows) - (folds - block) * (len(rows) // (folds + 1))
        # At least one moment in every block, here and in those that follow.
        low, high = borders[-1] + 1, len(distinct) - (folds - block)
        borders.append(low + int(np.abs(ends[low - 1 : high] - wanted).argmin()))
    borders.append(len(distinct))
    found = []
    for border, end in itertools.pairwise(borders[1:]):
        train, valid = rows[ranks < border], rows[(ranks >= border) & (ranks < end)]
        if gap is not None:
            train, valid = leave_gaps(values, name, gap, train, valid)
        found.append((train, valid))
    return found


def _ranks_of(moments: list[object], name: str) -> tuple[np.ndarray, list[object]]:
    """The place of each moment among the different ones, (N,) int64, and those in order."""
    try:
        distinct = sorted(set(moments))  # type: ignore[type-var]
    except TypeError as error:
        raise SplitError(
            f"Column {name!r} cannot be put in order ({error}). A time column holds numbers, dates or ISO 8601 text, "
            "all of one type."
        ) from error
    rank = {moment: i for i, moment in enumerate(distinct)}
    return np.fromiter((rank[moment] for moment in moments), dtype=np.int64, count=len(moments)), distinct


def _moment(value: object) -> object:
    """A date as the start of its day, so that hours can be taken from it."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


def time_width(gap: Gap, moments: list[object], name: str) -> object:
    """A length of time as what can be taken from a moment of the column: a number or a timedelta.

    Raises:
        SplitError: it cannot be read, is negative, or does not fit the column.
    """
    dated = isinstance(moments[0], date)
    if isinstance(gap, str):
        number, unit = gap_parts(gap)
        if dated and unit:
            return timedelta(**{_UNITS[unit]: number})
        gap = gap if unit else number
    if isinstance(gap, timedelta) and gap >= timedelta() and dated:
        return gap
    if isinstance(gap, int | float) and not isinstance(gap, bool) and 0 <= gap < float("inf") and not dated:
        return gap
    if dated:
        raise SplitError(f"gap={gap!r}: column {name!r} holds dates, so the gap needs a unit, such as 7d, 36h or 30m.")
    raise SplitError(f"gap={gap!r}: column {name!r} holds numbers, so the gap is a number of at least 0 in its unit.")
