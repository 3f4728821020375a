"""Which columns of a table can be features, and of which kind; with a reason for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from longspan.columns import Column, Features
from longspan.columns.feature_values import has_labels, label_values, number_values, read_dates
from longspan.errors import ConfigError, DataError

__all__ = ["choose_features", "judge_column"]

_LOOKED_AT = 100_000
"""Rows that kinds are decided from."""
_MOST_LABELS = 0.5
"""A category has fewer labels than this fraction of its rows; else it is text or an identifier."""
_FEW = 20
"""Rows below which every value may well differ by chance."""
_SOME = 0.2
"""A category of which so many cells are numbers is worth a remark."""
_EXACT = 2**53
"""Whole numbers above are not all exact in double precision."""
_ISO_DATE = r"^\s*\d{4}-\d{2}-\d{2}\s*$"
_OTHER_DATE = r"^\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(\s|T|$)"
_LIKE = 0.98
"""A text column is of dates or numbers if at least this fraction of its cells are."""


def choose_features(
    frame: pl.DataFrame,
    columns: Mapping[str, Column],
    left_out: Collection[str] = (),
    *,
    numbers: Collection[str] = (),
    categories: Collection[str] = (),
    dates: Collection[str] = (),
    **options: Any,
) -> Features:
    """The `Features` of a table, with `reasons`.

    Args:
        frame: The cells.
        columns: What columns mean already: a `Category` stays one, whatever its cells are.
        left_out: Targets, and whatever else must not be read.
        numbers: Columns that are quantities, without asking their values.
        categories: Columns that are labels, likewise.
        dates: Columns that are dates, likewise.
        **options: Further options of `Features`.

    Raises:
        ConfigError: a column is both named and left out, or does not exist.
        DataError: no column can be a feature.
    """
    named = {
        **dict.fromkeys(numbers, "number"), **dict.fromkeys(categories, "category"), **dict.fromkeys(dates, "date"),
    }  # fmt: skip
    wrong = sorted(name for name in named if name not in frame.columns or name in left_out)
    if wrong:
        raise ConfigError(f"{', '.join(map(repr, wrong))} cannot be features: left out, or not in the table.")
    kinds: dict[str, str | None] = {}
    reasons = []
    for name in frame.columns:
        if name not in columns or columns[name].sources:
            continue
        if name in left_out:
            kinds[name], why = None, "left out, as asked"
        elif name in named:
            kinds[name], why = named[name], f"{named[name]}, as asked"
        else:
            kinds[name], why = judge_column(frame[name].head(_LOOKED_AT), columns[name])
        reasons.append(f"{name}: {why}")
    by_kind = {kind: [name for name in kinds if kinds[name] == kind] for kind in ("number", "category", "date")}
    if not any(by_kind.values()):
        raise DataError("No column can be a feature:\n" + "\n".join(reasons))
    return Features(
        numbers=tuple(by_kind["number"]), categories=tuple(by_kind["category"]), dates=tuple(by_kind["date"]),
        reasons=tuple(reasons), **options,
    )  # fmt: skip


def judge_column(cells: pl.Series, column: Column) -> tuple[str | None, str]:
    """Kind of one column as a feature, "number", "category" or "date", or None if it is left out; and why."""
    if column.encodes_pixels or column.context_kind or column.json_cells or cells.dtype.is_nested():
        return None, f"left out: values of kind {column.kind} are inputs of their own"
    if not has_labels(cells.dtype):
        return None, f"left out: a network of tables reads no values of type {cells.dtype}"
    there = cells.drop_nulls()
    if there.dtype.is_float():
        there = there.filter(there.is_not_nan())
    missing = len(cells) - len(there)
    without = f", {missing / len(cells):.1%} missing" if missing else ""
    if not len(there):
        return None, "left out: no row has a value"
    distinct = there.n_unique()
    if distinct == 1:
        return None, f"left out: {there[0]!r} in every row that has a value"
    if there.dtype == pl.Date or isinstance(there.dtype, pl.Datetime):
        return "date", f"date, {there.min()} to {there.max()}{without}"
    as_numbers = there.dtype.is_numeric() and column.kind not in ("category", "text")
    if not as_numbers and there.dtype == pl.String and column.kind != "category":
        if _dated(there):
            return "date", f"date, written as text{_offsets(there)}{without}"
        as_numbers = len(number_values(there)[1]) <= (1 - _LIKE) * len(there)
    if as_numbers:
        return _number(there, distinct, without)
    labels = label_values(there)[0]
    if there.dtype == pl.String and _dated(there):
        return "date", f"date, written as text{_offsets(there)}{without}"
    if there.dtype == pl.String and (mixed := _two_forms(there)):
        return None, mixed
    also = _some_numbers(there)
    if distinct > _FEW and distinct == len(there):
        return None, f"left out: another value in each of {len(there):,} rows, as of an identifier{also}"
    if distinct > _FEW and distinct > _MOST_LABELS * len(there):
        many = f"left out: {distinct:,} different texts in {len(there):,} rows; read them with a Text column"
        return None, f"{many}{also}"
    return "category", f"category of {labels.n_unique():,} labels{without}{also}"


def _two_forms(there: pl.Series) -> str:
    """Why a column is left out of whose cells some are dates and all others dates in another form; else empty."""
    others = there.filter(read_dates(there).is_null())
    known = len(there) - len(others)
    if known and others.str.contains(_ISO_DATE).all():
        return f"left out: {len(others):,} cells name days that do not exist, such as {others[0]!r}"
    if not known or not others.str.contains(_OTHER_DATE).all():
        return ""
    return (
        f"left out: {known:,} cells are dates and {len(others):,} are written in another way, such as {others[0]!r}; "
        "write all as year-month-day"
    )


def _some_numbers(there: pl.Series) -> str:
    """What is to be told of a category of whose cells many are numbers and others are not."""
    if there.dtype != pl.String:
        return ""
    wrong = number_values(there)[1]
    numbers = len(there) - len(wrong)
    if not wrong or numbers < _SOME * len(there):
        return ""
    return f"; {numbers:,} of {len(there):,} cells are numbers, others such as {there[min(wrong)]!r} are not"


def _number(there: pl.Series, distinct: int, without: str) -> tuple[str | None, str]:
    values = number_values(there)[0]
    low, high = float(values[values == values].min()), float(values[values == values].max())
    whole = there.dtype.is_integer()
    if whole and distinct > _FEW and distinct == len(there) and high - low + 1 == len(there):
        return None, f"left out: counts the rows from {low:g} to {high:g}, as an index does"
    if whole and max(abs(low), abs(high)) >= _EXACT:
        if distinct > _FEW and distinct == len(there):
            return None, "left out: whole numbers beyond 2^53, another in each row, as of an identifier"
        without += "; beyond 2^53 the last digits are lost: if these are labels, name the column in categories="
    return "number", f"number, {low:g} to {high:g}{without}"


def _offsets(there: pl.Series) -> str:
    """What is told of dates with several offsets from UTC: features are of the local time."""
    offsets = there.str.extract(r":\d{2}(?:\.\d+)?(Z|[+-]\d{2}:?\d{2})\s*$").drop_nulls().unique()
    return f" with {len(offsets)} offsets from UTC, each read in its local time" if len(offsets) > 1 else ""


def _dated(cells: pl.Series) -> bool:
    """Whether these texts are dates."""
    return read_dates(cells).null_count() <= (1 - _LIKE) * len(cells)
