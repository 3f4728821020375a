"""Tables from data frames, arrays and JSON Lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from longspan.columns import Column
from longspan.data.readers.json_lines import json_lines_frame
from longspan.data.readers.series import cells_of, series_of
from longspan.data.readers.typed_table import existing, first_line, typed_table
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError, unknown_name

__all__ = ["read_arrays", "read_frame", "read_json_lines"]


def read_json_lines(path: str | Path, columns: Mapping[str, Column] | None, *, root: str | Path | None) -> TableParts:
    """Rows of a JSON Lines file; see `json_lines_frame`."""
    path = existing(path)
    frame, lines = json_lines_frame(path)
    return typed_table(frame, columns, root=Path(root) if root else path.parent, source=str(path), lines=lines)


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
            f"{type(frame).__name__} is not a data frame that narwhals knows: {first_line(error)}. Convert it to "
            "pandas or polars first."
        ) from error
    try:
        cells = native.to_polars()
    except Exception:  # pandas without pyarrow, or a column of mixed values: one by one, which names what is wrong
        cells = pl.DataFrame([series_of(name, native[name].to_list()) for name in native.columns])
    return typed_table(cells, columns, root=Path(root) if root else None, source="data frame")


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
