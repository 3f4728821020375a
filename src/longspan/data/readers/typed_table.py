"""A frame of raw cells as the parts of a table: what each column means, and what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from longspan.columns import Column
from longspan.data.readers.csv_lines import RowLines
from longspan.data.readers.infer import infer_column
from longspan.data.readers.series import images_in_structs, lists_in_text, missing_nan
from longspan.data.table_parts import TableParts
from longspan.errors import DataError, unknown_name

__all__ = ["existing", "first_line", "typed_table"]


def typed_table(
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


def existing(path: str | Path) -> Path:
    """The path of a file that is there; DataError for a folder and for nothing."""
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder; images in folders are read with Table.from_files.")
    if not path.is_file():
        raise DataError(f"The file {path} does not exist.")
    return path


def first_line(error: Exception) -> str:
    """What an error of another library says, or its type."""
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
