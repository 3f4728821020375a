"""What stands between the cells of a text file: comma, semicolon, tab or bar."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl

__all__ = ["decimal_commas", "find_delimiter", "looks_like_thousands"]

_DELIMITERS = (",", ";", "\t", "|")
_HEAD_CHARACTERS = 1 << 16
_RECORDS = 50
_DECIMAL = r"^\s*[+-]?[0-9]+(,[0-9]+)?([eE][+-]?[0-9]+)?\s*$"


def find_delimiter(content: Path | bytes) -> str:
    """The delimiter that gives the heading most cells, among those for which no record has more than the heading.

    Args:
        content: The file, or its bytes.

    Returns:
        One of `,`, `;`, tab and `|`; a comma where none of them parts the heading.
    """
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
        head = file.read(_HEAD_CHARACTERS).decode("utf-8-sig", errors="replace")
    if len(head) == _HEAD_CHARACTERS:
        head = head[: head.rfind("\n") + 1]  # the last line may be cut short
    found, most = ",", 1
    for delimiter in _DELIMITERS:
        try:
            records = [cells for cells in csv.reader(io.StringIO(head), delimiter=delimiter) if cells][:_RECORDS]
        except csv.Error:
            continue
        if records and len(records[0]) > most and all(len(cells) <= len(records[0]) for cells in records):
            found, most = delimiter, len(records[0])
    return found


def looks_like_thousands(series: pl.Series) -> bool:
    """Whether every number has exactly three digits after each point, `1.234`, as where points part thousands."""
    cells = series.set(series == "", None).drop_nulls()
    dotted = cells.str.contains(r"^\s*[+-]?[0-9]{1,3}(\.[0-9]{3})+\s*$")
    small = cells.str.contains(r"^\s*[+-]?[0-9]{1,3}\s*$")
    return len(cells) > 1 and bool((dotted | small).all()) and int(dotted.sum()) > 1


def decimal_commas(series: pl.Series) -> pl.Series | None:
    """The cells with points for decimal commas, as `1,5` is written where semicolons part the cells; None if not so.

    Args:
        series: Cells of text.

    Returns:
        Text that reads as numbers, if every cell is a number with at most one comma and at least one has a comma.
    """
    cells = series.set(series == "", None).drop_nulls()
    if not len(cells) or not cells.str.contains(",", literal=True).any() or not cells.str.contains(_DECIMAL).all():
        return None
    return series.str.replace(",", ".", literal=True)
