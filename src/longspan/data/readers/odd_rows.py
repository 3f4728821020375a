"""Rows of a CSV file that are probably none, or not whole: units below the heading, totals at the end, short lines."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Collection
from pathlib import Path

import polars as pl

from longspan.data.readers.csv_lines import records_of
from longspan.errors import DataError

__all__ = ["TOTAL", "check_units", "remark_on_short_lines", "remark_on_totals"]

_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
TOTAL = re.compile(
    r"(?i)\s*((grand|sub)[ -]?)?(totals?|sums?|average|mean|summe|gesamt(summe)?|insgesamt|somme|suma|totale)\s*:?\s*"
)
_MISSING = ("nan", "n/a", "na", "none", "null", "-", "--", "?")
_SOME, _FEW = 2, 4  # rows below the one of units, above the one of totals
_NEAR = 1e-6  # sums of rounded numbers


def check_units(frame: pl.DataFrame, source: str, declared: Collection[str]) -> None:
    """Refuse a row of units below the heading: it has no number in several columns that hold numbers alone below it.

    As a row it would make labels of these numbers.

    Args:
        frame: The cells as they are written, without the heading.
        source: The file, for the message.
        declared: Columns whose meaning a person has said.

    Raises:
        DataError: with the row, and what to do.
    """
    found = []
    for cells in frame:
        rest = cells.slice(1).drop_nulls()
        if cells.name in declared or len(rest) < _SOME or not rest.str.contains(_NUMBER).all():
            continue
        first = (cells[0] or "").strip()
        if first.lower() in _MISSING or re.match(_NUMBER, first):
            return
        found += [first] if first else []
    if len(found) >= _SOME:
        raise DataError(
            f"{source}: the row below the heading ({', '.join(found[:4])}) has no number where all others have one. "
            "If it says units, delete it. If it is a row: heading=True (--heading yes)."
        )


def remark_on_totals(frame: pl.DataFrame, source: str) -> None:
    """Warn of a last row that sums up those above."""
    if frame.height > _FEW and (why := _total(frame)):
        warnings.warn(
            f"{source}: the last row looks like a total, because {why}. It is read as a row like the others; if it is "
            "none, delete it.",
            stacklevel=4,
        )


def _total(frame: pl.DataFrame) -> str:
    """Why the last row must be a total; empty if it need not be."""
    for cells in frame:
        last = cells[-1] or ""
        above = cells.head(frame.height - 1)
        if TOTAL.fullmatch(last) and not (above == last).any():
            numbers = above.drop_nulls().str.contains(_NUMBER).all()
            labels = ", which makes labels of the numbers there" if numbers else ""
            return f"it has {last.strip()!r} in the column {cells.name!r}{labels}"
    for cells in frame:
        if not re.match(_NUMBER, cells[-1] or ""):
            continue
        above = cells.head(frame.height - 1).cast(pl.Float64, strict=False).drop_nulls().drop_nans()
        last = float(cells[-1])
        # Strictly above each of several summands: a row of 0 and 1 may equal a sum by chance.
        if len(above) < _FEW or int((above != 0).sum()) < _FEW or abs(last) <= float(above.abs().max() or 0):  # type: ignore[arg-type]
            continue
        if abs(last - float(above.sum())) <= _NEAR * abs(last):
            return f"its {cells.name!r}, {cells[-1].strip()}, is the sum of the rows above"
    return ""


def remark_on_short_lines(frame: pl.DataFrame, content: Path | bytes, delimiter: str, source: str) -> None:
    """Warn of lines with fewer cells than the heading: what is missing is taken to be the last ones, and may not be."""
    if frame.width < 2 or not frame[frame.columns[-1]].null_count():
        return
    short, wide = [], 0
    try:
        for line, cells in records_of(content, delimiter):
            wide = wide or len(cells)
            if 0 < len(cells) < wide:
                short.append((line, len(cells)))
    except (csv.Error, UnicodeDecodeError):
        return
    if short:
        line, cells = short[0]
        warnings.warn(
            f"{source}: {len(short):,} line{'s have' if len(short) > 1 else ' has'} fewer cells than the heading, such "
            f"as line {line} with {cells} of {wide}; the last ones are read as missing.",
            stacklevel=4,
        )
