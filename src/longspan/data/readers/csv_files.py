"""Tables from CSV files; the first rows of any file with rows."""

from __future__ import annotations

import codecs
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from longspan.columns import Column
from longspan.data.readers.cell_types import typed_cells
from longspan.data.readers.csv_lines import RowLines, first_open_quote, first_ragged_line
from longspan.data.readers.delimiters import decimal_commas, find_delimiter, looks_like_thousands
from longspan.data.readers.headings import check_heading, named_columns, without_blank_lines, without_blanks
from longspan.data.readers.json_lines import JSON_LINES, json_lines_head
from longspan.data.readers.odd_rows import check_units, remark_on_short_lines, remark_on_totals
from longspan.data.readers.packed import unpacked
from longspan.data.readers.typed_table import existing, first_line, typed_table
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError

__all__ = ["Heading", "head_of_table", "read_csv"]

Heading = bool | Sequence[str] | None
"""Whether the first line names the columns, or their names where it does not; None: see `check_heading`."""

_PART = 1 << 20
_UTF16 = (0xFE, 0xFF)  # the first byte of its mark
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv(
    path: str | Path,
    columns: Mapping[str, Column] | None,
    *,
    root: str | Path | None,
    delimiter: str | None = None,
    heading: Heading = None,
    encoding: str | None = None,
    find: bool = False,
) -> TableParts:
    """See `Table.from_csv`; with `find` the delimiter is what parts the heading."""
    path = existing(path)
    content: Path | bytes = path
    if delimiter is not None and len(delimiter) != 1:
        raise ConfigError(f"delimiter must be one character, got {delimiter!r}.")
    between = delimiter or ","
    try:
        content = unpacked(path, encoding)
        _check_utf8(path, content)
        between = delimiter or (find_delimiter(content) if find else _said_by_name(path, content, heading))
        # All text: what a cell is, its whole column decides.
        frame = _text_cells(path, content, between, heading)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if isinstance(error, pl.exceptions.NoDataError):
            raise DataError(f"{path} is empty: it has neither a heading nor rows.") from error
        what = _what_is_wrong(content, between) or first_line(error)
        raise DataError(
            f"{path} cannot be read as CSV: {what}. Is it UTF-8 with {_DELIMITERS.get(between, repr(between))} between "
            "the cells?"
        ) from error
    if heading is None:
        check_heading(path, frame)
    frame = named_columns(frame)
    for name in frame.columns:
        original = re.sub(r"_duplicated_\d+$", "", name)  # polars' name for the second of two
        if original != name and original in frame.columns:
            raise DataError(f"{path} has several columns called {original!r}; rename them.")
    frame = without_blanks(without_blank_lines(frame, content, between, heading=_is_there(heading)), str(path))
    remark_on_short_lines(frame, content, between, str(path))
    named = columns or {}
    if heading is None:
        check_units(frame, str(path), named)
    remark_on_totals(frame, str(path))
    frame = _with_decimal_points(frame, named, str(path), undeclared=between == ";")
    lines = RowLines(path, between, frame.height, heading=_is_there(heading), encoding=encoding)
    frame = frame.select(typed_cells(series, named.get(series.name), str(path), lines.name) for series in frame)
    return typed_table(frame, columns, root=Path(root) if root else path.parent, source=str(path), lines=lines)


def _said_by_name(path: Path, content: Path | bytes, heading: Heading) -> str:
    """A comma; a tab in files called .tsv and .tab.

    Raises:
        DataError: something else parts the heading.
    """
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    expected = "\t" if plain.suffix.lower() in (".tsv", ".tab") else ","
    found = find_delimiter(content)
    if found == expected or (found == "," and expected == "\t"):
        return found
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
        first = file.readline().decode("utf-8-sig", errors="replace").strip()
    raise DataError(
        f"{path} has {_DELIMITERS[found]} between its cells, not {_DELIMITERS[expected]}: {first[:60]!r}. Say so with "
        f"delimiter={found!r}, or read it with Table.read, which finds out."
    )


def _is_there(heading: Heading) -> bool:
    """Whether the first line names the columns."""
    return heading is None or heading is True


def _text_cells(
    path: Path, content: Path | bytes, between: str, heading: Heading, rows: int | None = None
) -> pl.DataFrame:
    """Cells as text; without a heading the columns have the names that were given, or column_0, column_1 ..."""
    named = _is_there(heading)
    frame = pl.read_csv(content, infer_schema=False, separator=between, n_rows=rows, has_header=named)
    if named:
        return frame
    names = [f"column_{place}" for place in range(frame.width)] if isinstance(heading, bool) else list(heading or ())
    if len(names) != frame.width:
        raise ConfigError(
            f"heading= (--heading) names {len(names)} columns ({', '.join(names)}), but {path} has {frame.width}."
        )
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _what_is_wrong(content: Path | bytes, between: str) -> str | None:
    """The first line that cannot be read, and why, where that can be said."""
    quote = first_open_quote(content)
    if quote is not None:
        return f"line {quote} has a quotation mark that is not closed, or not doubled within a cell"
    ragged = first_ragged_line(content, between)
    if ragged is None:
        return None
    before = ragged[0] - 1
    what = "line 1 looks like a comment: delete it" if before == 1 else f"lines 1 to {before} look like comments"
    comment = f"; {what}{'' if before == 1 else ': delete them'}" if ragged[3].startswith("#") else ""
    return f"line {ragged[0]} has {ragged[1]} cells, the heading {ragged[2]}{comment}"


def _with_decimal_points(
    frame: pl.DataFrame, named: Mapping[str, Column], source: str, *, undeclared: bool
) -> pl.DataFrame:
    """A file with semicolons writes 1,5 for one and a half; columns of such cells are read as numbers.

    In other files only those that are declared numbers are, and only if their commas cannot separate thousands.
    """
    for name in frame.columns:
        if (undeclared and name not in named) or _is_number(named.get(name)):
            if not undeclared and looks_like_thousands(frame[name].str.replace_all(",", ".", literal=True)):
                continue
            numbers = decimal_commas(frame[name])
            if numbers is not None:
                frame = frame.with_columns(numbers)
                warnings.warn(f"{source}, column {name!r}: commas are read as decimal points.", stacklevel=4)
            elif name not in named and looks_like_thousands(frame[name]):
                warnings.warn(
                    f"{source}, column {name!r}: points such as in {frame[name].drop_nulls()[0]} are read as decimal "
                    "points. If they separate thousands, write the numbers without them.",
                    stacklevel=4,
                )
    return frame


def _is_number(column: Column | None) -> bool:
    return column is not None and column.kind == "number"


def head_of_table(path: Path, rows: int = 50, *, heading: Heading = None, encoding: str | None = None) -> pl.DataFrame:
    """The first rows of a CSV, JSON Lines or Parquet file as text, without columns that are neither text nor numbers.

    A file that cannot be read like that gives no columns; the reader of the whole file says why.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pl.scan_parquet(path).head(rows).collect()
            plain = [name for name, dtype in frame.schema.items() if dtype == pl.String or dtype.is_integer()]
            return frame.select(pl.col(plain).cast(pl.String))
        if path.suffix.lower() in JSON_LINES:
            return json_lines_head(path, rows)
        content = unpacked(path, encoding)
        frame = _text_cells(path, content, find_delimiter(content), heading, rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reader of the whole file says it
            return without_blanks(named_columns(frame), str(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, DataError, OSError):
        return pl.DataFrame()


def _check_utf8(path: Path, content: Path | bytes) -> None:
    """DataError for a file that is not UTF-8, with line and byte; polars does not look at every byte."""
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
        while True:
            part = file.read(_PART)
            try:
                decoder.decode(part, final=not part)
            except UnicodeDecodeError as error:
                line, byte = lines + error.object.count(b"\n", 0, error.start), error.object[error.start]
                first = lines == 1 and error.start == 0
                like = " (the file is UTF-16, as Excel writes 'Unicode text')" if first and byte in _UTF16 else ""
                raise DataError(
                    f"{path}, line {line}: byte {byte:#04x} is not UTF-8{like}; save the file as UTF-8, or name its "
                    f"encoding: --encoding {'utf-16' if like else 'cp1252'} (encoding= in Python)."
                ) from None
            if b"\0" in part:
                line = lines + part.count(b"\n", 0, part.index(b"\0"))
                raise DataError(f"{path}, line {line}: a NUL byte. Is the file UTF-16, or damaged? Save it as UTF-8.")
            if not part:
                return
            lines += part.count(b"\n")
