"""Tables from files, CSV, Parquet, data frames, arrays and MNIST's idx files."""

from __future__ import annotations

import codecs
import io
import math
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from longspan.audio.audio_io import AUDIO_ENDINGS
from longspan.columns import Audio, Category, Column, Features, Image
from longspan.data.annotations.files import IMAGE_ENDINGS, is_hidden
from longspan.data.readers.cell_types import typed_cells
from longspan.data.readers.csv_lines import RowLines, first_open_quote, first_ragged_line
from longspan.data.readers.delimiters import decimal_commas, find_delimiter, looks_like_thousands
from longspan.data.readers.headings import check_heading, named_columns, without_blank_lines, without_blanks
from longspan.data.readers.infer import infer_column
from longspan.data.readers.json_lines import JSON_LINES, json_lines_frame, json_lines_head
from longspan.data.readers.odd_rows import check_units, remark_on_short_lines, remark_on_totals
from longspan.data.readers.packed import GZIP, gunzipped, unpacked
from longspan.data.readers.series import cells_of, images_in_structs, lists_in_text, missing_nan, series_of
from longspan.data.scanned_rows import ScannedRows
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError, unknown_name
from longspan.storage.file_names import check_file_names

__all__ = [
    "Heading",
    "head_of_table",
    "parquet_parts",
    "read_arrays",
    "read_csv",
    "read_files",
    "read_frame",
    "read_idx",
    "read_json_lines",
    "read_parquet",
    "scan_parquet",
]

Heading = bool | Sequence[str] | None
"""Whether the first line names the columns, or their names where it does not; None: see `check_heading`."""

_CELLS_FROM, _CELLS_PER_BYTE = 100_000_000, 1000
_PART = 1 << 20
_LOOKED_AT = 100_000
"""Rows of a scanned file from which kinds of columns are decided."""
_UTF16 = (0xFE, 0xFF)  # the first byte of its mark
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_IDX_DTYPES = {0x08: np.uint8, 0x09: np.int8, 0x0B: np.int16, 0x0C: np.int32, 0x0D: np.float32, 0x0E: np.float64}


def read_files(folder: str | Path, pattern: str, *, image: str) -> TableParts:
    """See `Table.from_files`."""
    root = Path(folder)
    if not root.exists():
        raise DataError(f"The folder {root} does not exist.")
    if not root.is_dir():
        raise DataError(f"{root} is a file; pass the folder that holds the images.")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"The pattern '{pattern}' is not a regular expression: {error}.") from None
    if image in compiled.groupindex:
        raise ConfigError(f"The group {image!r} has the name of the image column; give image= another name.")
    # A link to a missing file is reported when the rows are read, not silently dropped.
    paths = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if (path.is_file() or not path.exists()) and not any(is_hidden(part) for part in path.relative_to(root).parts)
    )
    matches = [(path, match) for path in paths if (match := compiled.fullmatch(path))]
    if not matches:
        raise DataError(_no_match(root, pattern, compiled, paths))
    check_file_names(root / path for path, _ in matches)
    matched = {path for path, _ in matches}
    sound = all(Path(path).suffix.lower() in AUDIO_ENDINGS for path in matched)
    if sound and image == "image" and "audio" not in compiled.groupindex:
        image = "audio"
    endings, what = (AUDIO_ENDINGS, "recordings") if sound else (IMAGE_ENDINGS, "images")
    left_out = [path for path in paths if path not in matched and Path(path).suffix.lower() in endings]
    if left_out:
        count = len(matched) + len(left_out)
        warnings.warn(
            f"The pattern '{pattern}' leaves out {len(left_out):,} of the {count:,} {what} below {root}, such as "
            f"{', '.join(map(repr, left_out[:3]))}, because they do not match. To match endings in any case: "
            r"'(?i:\.jpe?g|\.png)'.",
            stacklevel=3,
        )
    cells: dict[str, list[Any]] = {image: [path for path, _ in matches]}
    for group in compiled.groupindex:
        cells[group] = [match[group] for _, match in matches]
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    columns: dict[str, Column] = {
        image: Audio() if sound else Image(),
        **{group: Category() for group in compiled.groupindex},
    }
    return TableParts(frame=frame, columns=columns, root=root, source=str(root))


def _no_match(root: Path, pattern: str, compiled: re.Pattern[str], paths: list[str]) -> str:
    if not paths:
        return f"The folder {root} holds no files."
    message = f"The pattern '{pattern}' matches none of the {len(paths)} files below {root}, such as "
    message += ", ".join(repr(path) for path in paths[:3]) + ". "
    inside = next((path for path in paths if compiled.search(path)), None)
    if inside is not None:
        return message + f"It matches a part of {inside!r}; it must match the whole path, so begin or end it with '.*'."
    return message + "It must match the whole path below the folder, with forward slashes."


def read_csv(
    path: str | Path,
    columns: Mapping[str, Column] | None,
    *,
    root: str | Path | None,
    delimiter: str | None = None,
    heading: Heading = None,
    find: bool = False,
) -> TableParts:
    """See `Table.from_csv`; with `find` the delimiter is what parts the heading."""
    path = _existing(path)
    content: Path | bytes = path
    if delimiter is not None and len(delimiter) != 1:
        raise ConfigError(f"delimiter must be one character, got {delimiter!r}.")
    between = delimiter or ","
    try:
        content = unpacked(path)
        _check_utf8(path, content)
        between = delimiter or (find_delimiter(content) if find else _said_by_name(path, content, heading))
        # All text: what a cell is, its whole column decides.
        frame = _text_cells(path, content, between, heading)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if isinstance(error, pl.exceptions.NoDataError):
            raise DataError(f"{path} is empty: it has neither a heading nor rows.") from error
        what = _what_is_wrong(content, between) or _first_line(error)
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
    lines = RowLines(path, between, frame.height, heading=_is_there(heading))
    frame = frame.select(typed_cells(series, named.get(series.name), str(path), lines.name) for series in frame)
    return _typed(frame, columns, root=Path(root) if root else path.parent, source=str(path), lines=lines)


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


def head_of_table(path: Path, rows: int = 50, *, heading: Heading = None) -> pl.DataFrame:
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
        content = unpacked(path)
        frame = _text_cells(path, content, find_delimiter(content), heading, rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reader of the whole file says it
            return without_blanks(named_columns(frame), str(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, DataError, OSError):
        return pl.DataFrame()


def read_parquet(path: str | Path, columns: Mapping[str, Column] | None, *, root: str | Path | None) -> TableParts:
    """See `Table.from_parquet`."""
    path = _existing(path)
    try:
        _check_cells(path)
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:  # the second is no Exception
        raise _no_parquet(path, error) from error
    return _typed(frame, columns, root=Path(root) if root else path.parent, source=str(path))


def parquet_parts(path: str | Path, rows: int) -> Iterator[TableParts]:
    """What `read_parquet` reads, so many rows at a time."""
    path = _existing(path)
    try:
        _check_cells(path)
        scanned = ScannedRows(path, pl.scan_parquet(path).collect_schema().names(), rows)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _no_parquet(path, error) from error
    if not len(scanned):
        raise DataError(f"{path} has no rows.")
    for number, frame in enumerate(scanned.windows()):
        lines = RowLines.numbered(path, number * rows, frame.height)
        yield _typed(frame, None, root=path.parent, source=str(path), lines=lines)


def scan_parquet(
    path: str | Path,
    keep: Sequence[str],
    columns: Mapping[str, Column] | None,
    *,
    name: str,
    choose: Callable[[pl.DataFrame, Mapping[str, Column]], Features],
) -> TableParts:
    """See `Table.scan`; `choose` decides from some rows, and from what columns mean, which of them are features."""
    path = _existing(path)
    try:
        names = list(pl.scan_parquet(path).collect_schema())
        for each in (*keep, *(columns or {})):
            if each not in names:
                raise unknown_name(f"column (in {path})", each, names)
        if name in keep:
            raise ConfigError(f"Column {name!r} is kept, so the features need another name: name=.")
        _check_cells(path)
        frame = pl.read_parquet(path, columns=list(keep))
        some = ScannedRows(path, names).spread(_LOOKED_AT)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _no_parquet(path, error) from error
    if not len(some):
        raise DataError(f"{path} has no rows.")
    meant = {each: (columns or {}).get(each) or infer_column(some[each]) for each in names}
    features = choose(some, meant)
    rows = ScannedRows(path, features.sources)
    kept = _typed(frame, {each: meant[each] for each in keep}, root=path.parent, source=str(path))
    places = pl.Series(name, np.arange(len(rows)), pl.UInt32 if len(rows) < 2**32 else pl.UInt64)
    return replace(
        kept, frame=kept.frame.with_columns(places), columns={**kept.columns, name: features}, arrays={name: rows}
    )


def read_json_lines(path: str | Path, columns: Mapping[str, Column] | None, *, root: str | Path | None) -> TableParts:
    """Rows of a JSON Lines file; see `json_lines_frame`."""
    path = _existing(path)
    frame, lines = json_lines_frame(path)
    return _typed(frame, columns, root=Path(root) if root else path.parent, source=str(path), lines=lines)


def read_frame(frame: Any, columns: Mapping[str, Column] | None, *, root: str | Path | None) -> TableParts:
    """See `Table.from_frame`."""
    import narwhals as nw

    names = Counter(str(name) for name in getattr(frame, "columns", ()))
    if twice := next((name for name, count in names.items() if count > 1), None):
        raise DataError(f"The data frame has several columns called {twice!r}; rename them.")
    try:
        native = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise DataError(
            f"{type(frame).__name__} is not a data frame that narwhals knows: {_first_line(error)}. Convert it to "
            "pandas or polars first."
        ) from error
    try:
        cells = native.to_polars()
    except Exception:  # pandas without pyarrow, or a column of mixed values: one by one, which names what is wrong
        cells = pl.DataFrame([series_of(name, native[name].to_list()) for name in native.columns])
    return _typed(cells, columns, root=Path(root) if root else None, source="data frame")


def read_arrays(arrays: Mapping[str, Any], columns: Mapping[str, Column]) -> TableParts:
    """See `Table.from_arrays`."""
    for name in columns:
        if name not in arrays:
            raise unknown_name("column", name, arrays)
    lengths = {name: len(arrays[name]) for name in columns}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The arrays have different lengths: {lengths}.")
    unused = [name for name in arrays if name not in columns]
    if unused:
        raise ConfigError(f"from_arrays: {unused} are given, but columns= does not say what they mean.")
    series, pixels_by_name = [], {}
    for name, column in columns.items():
        cells, pixels = cells_of(name, column, arrays[name])
        series.append(cells)
        if pixels is not None:
            pixels_by_name[name] = pixels
    return TableParts(frame=pl.DataFrame(series), columns=columns, arrays=pixels_by_name, source="arrays")


def read_idx(images: str | Path, labels: str | Path | None, *, image: str, label: str) -> TableParts:
    """See `Table.from_idx`."""
    pixels = _idx_array(_existing(images))
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise DataError(f"{images} holds {pixels.dtype} {pixels.shape}, not images (N, H, W) of bytes.")
    arrays: dict[str, Any] = {image: pixels}
    columns: dict[str, Column] = {image: Image()}
    if labels is not None:
        classes = _idx_array(_existing(labels))
        if classes.ndim != 1:
            raise DataError(f"{labels} holds an array {classes.shape}, not one label per image.")
        if len(classes) != len(pixels):
            raise DataError(f"{labels} has {len(classes)} labels for {len(pixels)} images in {images}.")
        arrays[label], columns[label] = classes, Category()
    return read_arrays(arrays, columns)


def _idx_array(path: Path) -> np.ndarray:
    """The array in an idx file: magic number (0, 0, type, axes), big-endian sizes, values."""
    try:
        with path.open("rb") as file:
            content = gunzipped(path) if file.read(2) == GZIP else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is cut short or damaged: {error}. Copy or download it again.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_DTYPES or not 1 <= content[3] <= 4:
        raise DataError(f"{path} is not an idx file (MNIST's format): it begins with {content[:4].hex(' ')!r}.")
    dtype, axes = np.dtype(_IDX_DTYPES[content[2]]).newbyteorder(">"), content[3]
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    expected = 4 + 4 * axes + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError(f"{path} has {len(content):,} bytes, but its header {shape} needs {expected:,}.")
    # A copy in the machine's own byte order, which torch can share without another one.
    return np.frombuffer(content, dtype, offset=4 + 4 * axes).reshape(shape).astype(dtype.newbyteorder("="))


def _typed(
    frame: pl.DataFrame,
    columns: Mapping[str, Column] | None,
    *,
    root: Path | None,
    source: str,
    lines: RowLines | None = None,
) -> TableParts:
    """The table of a frame; `lines` are those of the CSV file it comes from."""
    for name in columns or {}:
        if name not in frame.columns:
            raise unknown_name(f"column (in {source})", name, frame.columns)
    if frame.height == 0:
        raise DataError(f"{source} has no rows.")
    meant = columns or {}
    frame = pl.DataFrame([images_in_structs(missing_nan(series), meant.get(series.name)) for series in frame])
    typed = {name: (columns or {}).get(name) or infer_column(frame[name]) for name in frame.columns}
    for name in (name for name, column in typed.items() if column.json_cells):
        frame = frame.with_columns(lists_in_text(frame[name], source, lines))
    return TableParts(frame=frame, columns=typed, root=root, source=source, lines=lines)


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
                    f"{path}, line {line}: byte {byte:#04x} is not UTF-8{like}; save the file as UTF-8."
                ) from None
            if b"\0" in part:
                line = lines + part.count(b"\n", 0, part.index(b"\0"))
                raise DataError(f"{path}, line {line}: a NUL byte. Is the file UTF-16, or damaged? Save it as UTF-8.")
            if not part:
                return
            lines += part.count(b"\n")


def _no_parquet(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as Parquet: {_first_line(error)}. Is it whole? Copy or write it again.")


def _check_cells(path: Path) -> None:
    """Refuse a Parquet file whose header claims so many cells that they cannot be in it: a run takes a few bytes."""
    lazy = pl.scan_parquet(path)
    rows, columns = lazy.select(pl.len()).collect().item(), len(lazy.collect_schema())
    if rows * columns > max(_CELLS_FROM, _CELLS_PER_BYTE * path.stat().st_size):
        raise DataError(
            f"{path} claims {rows:,} rows of {columns} column{'s' if columns > 1 else ''} in "
            f"{path.stat().st_size:,} bytes. If that is right, read it with polars and give the frame: "
            "Table.from_frame."
        )


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder; images in folders are read with Table.from_files.")
    if not path.is_file():
        raise DataError(f"The file {path} does not exist.")
    return path


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
