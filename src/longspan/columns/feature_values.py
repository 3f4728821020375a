"""The cells of a table's columns as the numbers and labels that `Features` reads; whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from longspan.errors import unknown_name
from longspan.extras import require_extra

__all__ = ["date_values", "frame_of", "has_labels", "holidays_of", "label_values", "number_values", "read_dates"]

_SHOWN = 60
_DAY_S = 86_400
_FIRST_DAY = "1970-01-01"
_NO_HOLIDAY = "none"


def frame_of(rows: Sequence[Any], names: Sequence[str]) -> pl.DataFrame:
    """Rows given as dicts, as a frame with one column per name; cells of several types become text.

    Raises:
        ValueError: a row is not a dict, or lacks one of the names.
    """
    for row in rows:
        if not isinstance(row, dict):
            raise ValueError(f"{_brief(row)} is not a row: give a dict of {', '.join(names)}")
        lacking = [name for name in names if name not in row]
        if lacking:
            raise ValueError(f"the row has no {', '.join(map(repr, lacking))}")
    return pl.DataFrame([_series(name, [row[name] for row in rows]) for name in names])


def _series(name: str, cells: list[Any]) -> pl.Series:
    plain = [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]
    try:
        return pl.Series(name, plain, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(name, [None if cell is None else str(cell) for cell in plain], pl.String)


def number_values(cells: pl.Series) -> tuple[np.ndarray, dict[int, str]]:
    """Numbers as `(N,)` float64, NaN where missing, and by position what is wrong with a cell."""
    if cells.dtype == pl.Boolean or cells.dtype.is_numeric():
        numbers = cells.cast(pl.Float64)
    elif cells.dtype == pl.Null:
        numbers = pl.Series(cells.name, [None] * len(cells), pl.Float64)
    elif cells.dtype == pl.String:
        stripped = cells.str.strip_chars()
        cells = cells.set(stripped == "", None)
        numbers = stripped.cast(pl.Float64, strict=False)
    else:
        numbers = pl.Series(cells.name, [None] * len(cells), pl.Float64)
    faults = {}
    if numbers.null_count() > cells.null_count():
        for row in np.flatnonzero((numbers.is_null() & cells.is_not_null()).to_numpy()).tolist():
            faults[row] = f"{cells.name!r}: {_brief(cells[row])} is not a number"
    values = numbers.to_numpy(allow_copy=True).astype(np.float64) if len(numbers) else np.empty(0, np.float64)
    for row in np.flatnonzero(np.isinf(values)).tolist():
        faults[row] = f"{cells.name!r}: {_brief(cells[row])} is not finite"
    return values, faults


def has_labels(dtype: pl.DataType) -> bool:
    """Whether values of this type can be labels: one text each."""
    return not (dtype.is_nested() or isinstance(dtype, pl.Object | pl.Binary | pl.Duration))


def label_values(cells: pl.Series) -> tuple[pl.Series, dict[int, str]]:
    """Labels as text, None where missing, and by position what is wrong with a cell; 3.0 is the label 3."""
    if cells.dtype.is_float():
        cells = cells.fill_nan(None)
        whole = ((cells % 1 == 0) & (cells.abs() < 2**53)) | cells.is_null()
        if whole.all():
            cells = cells.cast(pl.Int64)
    if has_labels(cells.dtype):
        return cells.cast(pl.String), {}
    faults = {
        row: f"{cells.name!r}: {_brief(cells[row])} is not a label"
        for row in np.flatnonzero(cells.is_not_null().to_numpy()).tolist()
    }
    return pl.Series(cells.name, [None] * len(cells), pl.String), faults


def read_dates(cells: pl.Series) -> pl.Series:
    """Dates, moments or ISO 8601 text as moments without a time zone; None where a cell is missing or no date."""
    dtype = cells.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        moments = cells.cast(pl.Datetime("us")) if dtype == pl.Date else cells
        return moments.dt.replace_time_zone(None).cast(pl.Datetime("us"))
    if dtype != pl.String:
        return pl.Series(cells.name, [None] * len(cells), pl.Datetime("us"))
    text = cells.str.strip_chars().str.replace("T", " ", literal=True)
    text = text.str.replace(r"(Z|[+-]\d\d:?\d\d)$", "")  # local time: the hour of the day is what matters
    found = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d"):
        found = found.fill_null(text.str.to_datetime(form, time_unit="us", strict=False))
    return found


def date_values(
    cells: pl.Series, country: str | None = None
) -> tuple[dict[str, np.ndarray], dict[str, pl.Series], dict[int, str]]:
    """What is read of a date: numbers `(N,)` float64 and labels, each by its name, and what is wrong by position.

    Numbers: the year, days since 1970 with the time of day as a fraction, and sine and cosine of the day in the year,
    the day in the week and the hour. Labels: month and weekday. With a country also whether the day is a public holiday
    there, 1 or 0, and which.

    Raises:
        UnknownNameError: there is no such country.
        DependencyError: a country is given, and the package `holidays` is not installed.
    """
    moments = read_dates(cells)
    there = cells.is_not_null() if cells.dtype != pl.String else cells.is_not_null() & (cells.str.strip_chars() != "")
    faults = {
        row: f"{cells.name!r}: {_brief(cells[row])} is not a date; write year-month-day, such as 2024-03-31"
        for row in np.flatnonzero((there & moments.is_null()).to_numpy()).tolist()
    }

    def values(series: pl.Series) -> np.ndarray:
        return series.cast(pl.Float64).to_numpy(allow_copy=True).astype(np.float64)

    seconds = values(moments.dt.epoch("s"))
    hours = np.mod(seconds, _DAY_S) / 3600
    name = cells.name
    cycles = {
        "day of year": values(moments.dt.ordinal_day()) / 365.25,
        "weekday": values(moments.dt.weekday()) / 7,
        "hour": hours / 24,
    }
    numbers = {f"{name}: year": values(moments.dt.year()), f"{name}: days since {_FIRST_DAY}": seconds / _DAY_S}
    for what, turns in cycles.items():
        numbers |= {f"{name}: {what}, sine": np.sin(2 * np.pi * turns)}
        numbers |= {f"{name}: {what}, cosine": np.cos(2 * np.pi * turns)}
    labels = {
        f"{name}: month": moments.dt.month().cast(pl.String),
        f"{name}: weekday": moments.dt.weekday().cast(pl.String),
    }
    if country is not None:
        days = moments.dt.date()
        names = holidays_of(country, days)
        labels[f"{name}: which holiday"] = names
        numbers[f"{name}: holiday"] = values((names != _NO_HOLIDAY).cast(pl.Float64))
    return numbers, labels, faults


def holidays_of(country: str, days: pl.Series) -> pl.Series:
    """`(N,)` text: the public holiday that each day is, "none" on others; None where the day is missing.

    Args:
        country: As ISO 3166 has it, "DE", or with one of its parts, "DE-BY".
        days: Dates.

    Raises:
        UnknownNameError: there is no such country or part.
        DependencyError: the package `holidays` is not installed.
    """
    require_extra("holidays", "the public holidays of a country")
    import holidays

    code, _, part = country.partition("-")
    known = days.drop_nulls().unique()
    years = known.dt.year().unique().to_list()
    try:
        calendar = holidays.country_holidays(code, subdiv=part or None, years=years, expand=False)
        # In one language, or a model would not know its holidays again where the machine speaks another.
        language = "en_US" if "en_US" in calendar.supported_languages else calendar.default_language
        calendar = holidays.country_holidays(code, subdiv=part or None, years=years, expand=False, language=language)
    except NotImplementedError as error:
        codes = holidays.list_supported_countries()
        if code not in codes:
            raise unknown_name("country of public holidays", code, codes) from error
        raise unknown_name(f"part of {code}", part, codes[code]) from error
    found = {day: calendar.get(day, _NO_HOLIDAY) for day in known.to_list()}
    if not found:
        return pl.Series([None] * len(days), dtype=pl.String)
    return days.replace_strict(list(found), list(found.values()), default=None, return_dtype=pl.String)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
