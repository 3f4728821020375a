"""JSON Lines: an object in each line, whose keys are columns, as metadata.jsonl of Hugging Face data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from longspan.data.annotations.files import lines_of, read_text
from longspan.data.readers.csv_lines import RowLines
from longspan.data.readers.series import series_of
from longspan.errors import DataError, Fault, data_error
from longspan.storage.plain_json import parse_json

__all__ = ["JSON_LINES", "json_lines_frame", "json_lines_head"]

JSON_LINES = (".jsonl", ".ndjson")
_LIMIT_BYTES = 1 << 32


def json_lines_frame(path: Path) -> tuple[pl.DataFrame, RowLines]:
    """The rows, and the lines in which they stand; what a line does not name is missing there.

    Raises:
        DataError: lines that are not JSON, or no objects, all of them by number; or columns of several types.
    """
    try:
        text = read_text(path, limit_bytes=_LIMIT_BYTES)
    except ValueError as error:
        raise DataError(f"{path}: {error}.") from None
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    faults: list[Fault] = []
    for number, row, fault in _parsed(text):
        if row is None:
            faults.append(Fault(f"{path}, line {number}", fault))
        else:
            rows.append(row)
            numbers.append(number)
    if faults:
        raise data_error(
            f"{path} cannot be read as JSON Lines:",
            faults,
            'Write one object on each line, such as {"file_name": "a.png", "label": "cat"}.',
        )
    names = dict.fromkeys(name for row in rows for name in row)
    frame = pl.DataFrame([series_of(name, [row.get(name) for row in rows]) for name in names])
    return frame, RowLines.known(path, numbers)


def json_lines_head(path: Path, rows: int) -> pl.DataFrame:
    """The first rows as text, without columns that are neither text nor whole numbers; nothing if that fails."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        text = "".join(line for line, _ in zip(file, range(rows), strict=False))
    found = [row for _, row, _ in _parsed(text) if row is not None]
    names = dict.fromkeys(name for row in found for name in row)
    plain = [name for name in names if all(isinstance(row.get(name), str | int | None) for row in found)]
    cells = {name: [None if row.get(name) is None else str(row[name]) for row in found] for name in plain}
    return pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))


def _parsed(text: str) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """Number of each line that is not blank, its object or None, and what is wrong with it."""
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, unique_keys=True)
        except ValueError as error:
            twice = "occurs twice" in str(error)
            yield number, None, str(error) if twice else f"this is not JSON ({error})"
            continue
        yield number, row if isinstance(row, dict) else None, f"{line.strip()[:40]!r} is not an object"
