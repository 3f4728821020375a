"""Lines of a CSV file as an editor counts them: a quoted cell may hold line breaks, so rows and lines differ."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["blank_rows", "first_ragged_line", "lines_of_rows"]

_FIELD_LIMIT = 1 << 30


def lines_of_rows(content: Path | bytes, rows: int, delimiter: str = ",") -> list[int] | None:
    """The line, from 1, in which each data row begins; None where the rows cannot be counted like that."""
    try:
        records = list(_records(content, delimiter))
    except (csv.Error, UnicodeDecodeError):
        return None
    heading = next((place for place, (_, cells) in enumerate(records) if cells), 0)
    all_lines = [line for line, _ in records[heading + 1 :]]
    filled = [line for line, cells in records[heading + 1 :] if cells]
    return next((lines[:rows] for lines in (filled, all_lines) if len(lines) == rows), None)


def blank_rows(content: Path | bytes, rows: int, delimiter: str = ",") -> list[bool] | None:
    """Of each data row whether its line is blank; None where the rows cannot be counted like that."""
    try:
        records = list(_records(content, delimiter))
    except (csv.Error, UnicodeDecodeError):
        return None
    heading = next((place for place, (_, cells) in enumerate(records) if cells), 0)
    blank = [not cells for _, cells in records[heading + 1 :]]
    return blank if len(blank) == rows else None


def first_ragged_line(content: Path | bytes, delimiter: str = ",") -> tuple[int, int, int] | None:
    """The first line with more cells than the heading: its number, its cells, the heading's; None if there is none."""
    wide = None
    try:
        for line, cells in _records(content, delimiter):
            wide = len(cells) if wide is None and cells else wide
            if wide is not None and len(cells) > wide:
                return line, len(cells), wide
    except (csv.Error, UnicodeDecodeError):
        pass
    return None


def _records(content: Path | bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each record; none in a blank line."""
    raw = content.open("rb") if isinstance(content, Path) else io.BytesIO(content)
    with raw, _large_fields(), io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter)
        before = 0
        for cells in reader:
            yield before + 1, cells
            before = reader.line_num


@contextmanager
def _large_fields() -> Iterator[None]:
    """Masks and polygons as JSON are longer than the module's own limit for a cell."""
    limit = csv.field_size_limit(_FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(limit)
