"""Lines of a CSV file as an editor counts them: a quoted cell may hold line breaks, so rows and lines differ."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self, final

import numpy as np

from longspan.data.readers.packed import unpacked
from longspan.errors import DataError

__all__ = ["RowLines", "blank_rows", "first_open_quote", "first_ragged_line", "lines_of_rows", "name_row", "records_of"]

_FIELD_LIMIT = 1 << 30


@final
class RowLines:
    """In which line of its file each row of a table begins; the file is read again only when a message asks."""

    def __init__(
        self,
        path: Path,
        delimiter: str,
        total: int,
        rows: np.ndarray | None = None,
        *,
        heading: bool = True,
        encoding: str | None = None,
    ) -> None:
        """Keep where to look.

        Args:
            path: The CSV file, perhaps packed.
            delimiter: What stands between its cells.
            total: How many rows the whole file has.
            rows: Which of them the table has, in its order; None: all.
            heading: Whether the first line names the columns.
            encoding: Of the file; None: UTF-8.
        """
        self._path, self._delimiter, self._total, self._rows = path, delimiter, total, rows
        self._heading, self._encoding = heading, encoding
        self._first: int | None = None

    @classmethod
    def numbered(cls, path: Path, first: int, rows: int) -> Self:
        """So many rows of a file without lines: they have numbers, of which this is the first, from 0."""
        found = cls(path, "", rows)
        found._lines, found._first = None, first
        return found

    @classmethod
    def known(cls, path: Path, lines: list[int]) -> Self:
        """Lines that are known already."""
        found = cls(path, "", len(lines))
        found._lines = lines
        return found

    def take(self, rows: np.ndarray) -> Self:
        """Those of some rows of the table."""
        kept = rows if self._rows is None else self._rows[rows]
        taken = type(self)(
            self._path, self._delimiter, self._total, kept, heading=self._heading, encoding=self._encoding
        )
        taken._first = self._first
        if "_lines" in self.__dict__:
            taken._lines = self._lines
        return taken

    def name(self, row: int) -> str:
        """`line 7`, counted from 1 as an editor counts; `row 5`, counted from 1, if the file has changed since."""
        place = int(row if self._rows is None else self._rows[row])
        if self._first is not None:
            return f"row {self._first + place}"
        return f"row {place + 1}" if self._lines is None else f"line {self._lines[place]}"

    @cached_property
    def _lines(self) -> list[int] | None:
        try:
            content = unpacked(self._path, self._encoding)
            return lines_of_rows(content, self._total, self._delimiter, heading=self._heading)
        except (OSError, DataError):
            return None


def name_row(lines: RowLines | None, row: int) -> str:
    """Where a row stands, for messages: its line in a file; else its number, from 0 as in Python."""
    return f"row {row}" if lines is None else lines.name(row)


def lines_of_rows(content: Path | bytes, rows: int, delimiter: str = ",", *, heading: bool = True) -> list[int] | None:
    """The line, from 1, in which each data row begins; None where the rows cannot be counted like that."""
    try:
        records = list(records_of(content, delimiter))
    except (csv.Error, UnicodeDecodeError):
        return None
    first = _first_row(records, heading)
    all_lines = [line for line, _ in records[first:]]
    filled = [line for line, cells in records[first:] if cells]
    return next((lines[:rows] for lines in (filled, all_lines) if len(lines) == rows), None)


def _first_row(records: list[tuple[int, list[str]]], heading: bool) -> int:
    """The place of the first record that is no heading."""
    return next((place for place, (_, cells) in enumerate(records) if cells), 0) + 1 if heading else 0


def blank_rows(content: Path | bytes, rows: int, delimiter: str = ",", *, heading: bool = True) -> list[bool] | None:
    """Of each data row whether its line is blank; None where the rows cannot be counted like that."""
    try:
        records = list(records_of(content, delimiter))
    except (csv.Error, UnicodeDecodeError):
        return None
    blank = [not cells for _, cells in records[_first_row(records, heading) :]]
    return blank if len(blank) == rows else None


def first_open_quote(content: Path | bytes) -> int | None:
    """The first line with a quotation mark within a cell, or the one in which a quoted cell begins that never ends."""
    raw = content.open("rb") if isinstance(content, Path) else io.BytesIO(content)
    opened = None
    with raw, io.TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="") as text:
        for number, line in enumerate(text, start=1):
            if line.count('"') % 2:
                opened = number if opened is None else None
    return opened


def first_ragged_line(content: Path | bytes, delimiter: str = ",") -> tuple[int, int, int, str] | None:
    """The first line with more cells than the heading: its number, its cells, the heading's, and the heading's first.

    None if there is none.
    """
    wide, first = None, ""
    try:
        for line, cells in records_of(content, delimiter):
            if wide is None and cells:
                wide, first = len(cells), cells[0]
            if wide is not None and len(cells) > wide:
                return line, len(cells), wide, first
    except (csv.Error, UnicodeDecodeError):
        pass
    return None


def records_of(content: Path | bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """First line, counted from 1, and cells of each record; a blank line has no cells."""
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
