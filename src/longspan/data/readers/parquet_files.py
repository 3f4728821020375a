"""Tables from Parquet files: read whole, in parts, or left in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from longspan.columns import Column, Features
from longspan.data.readers.csv_lines import RowLines
from longspan.data.readers.infer import infer_column
from longspan.data.readers.typed_table import existing, first_line, typed_table
from longspan.data.scanned_rows import ScannedRows
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError, unknown_name

__all__ = ["parquet_parts", "read_parquet", "scan_parquet"]

_CELLS_FROM, _CELLS_PER_BYTE = 100_000_000, 1000
_LOOKED_AT = 100_000
"""Rows of a scanned file from which kinds of columns are decided."""


def read_parquet(path: str | Path, columns: Mapping[str, Column] | None, *, root: str | Path | None) -> TableParts:
    """See `Table.from_parquet`."""
    path = existing(path)
    try:
        _check_cells(path)
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:  # the second is no Exception
        raise _no_parquet(path, error) from error
    return typed_table(frame, columns, root=Path(root) if root else path.parent, source=str(path))


def parquet_parts(path: str | Path, rows: int) -> Iterator[TableParts]:
    """What `read_parquet` reads, so many rows at a time."""
    path = existing(path)
    try:
        _check_cells(path)
        scanned = ScannedRows(path, pl.scan_parquet(path).collect_schema().names(), rows)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _no_parquet(path, error) from error
    if not len(scanned):
        raise DataError(f"{path} has no rows.")
    for number, frame in enumerate(scanned.windows()):
        lines = RowLines.numbered(path, number * rows, frame.height)
        yield typed_table(frame, None, root=path.parent, source=str(path), lines=lines)


def scan_parquet(
    path: str | Path,
    keep: Sequence[str],
    columns: Mapping[str, Column] | None,
    *,
    name: str,
    choose: Callable[[pl.DataFrame, Mapping[str, Column]], Features],
) -> TableParts:
    """See `Table.scan`; `choose` decides from some rows, and from what columns mean, which of them are features."""
    path = existing(path)
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
    kept = typed_table(frame, {each: meant[each] for each in keep}, root=path.parent, source=str(path))
    places = pl.Series(name, np.arange(len(rows)), pl.UInt32 if len(rows) < 2**32 else pl.UInt64)
    return replace(
        kept, frame=kept.frame.with_columns(places), columns={**kept.columns, name: features}, arrays={name: rows}
    )


def _no_parquet(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as Parquet: {first_line(error)}. Is it whole? Copy or write it again.")


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
