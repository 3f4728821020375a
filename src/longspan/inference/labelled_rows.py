"""Rows to measure a model on, from a path. Columns are what the model knows them as: no type is guessed again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from longspan.columns import Column
from longspan.data import Table
from longspan.data.readers.csv_files import head_of_table
from longspan.data.readers.open_path import open_path
from longspan.errors import DataError
from longspan.heads import Head
from longspan.portable.unfamiliar_rows import warn_of_unfamiliar

__all__ = ["labelled_rows"]


def labelled_rows(data: Table | str | Path, inputs: Mapping[str, Column], heads: Mapping[str, Head]) -> Table:
    """The table itself, or what lies at a path, read as `longspan evaluate` reads it.

    Args:
        data: A table; or a folder, a table's file or a file of annotations.
        inputs: Input columns of the model. The only one of images gets its name, whatever the file calls it.
        heads: Of the model, by target.

    Raises:
        DataError: there is nothing at the path, or it cannot be read.
        ConfigError: its images may be read in several ways.
    """
    if isinstance(data, Table):
        warn_of_unfamiliar(data, inputs, stacklevel=4)
        return data
    path = Path(data).expanduser()
    if not path.exists():
        raise DataError(f"There is no file or folder {path}.")
    known = {**inputs, **{name: head.column for name, head in heads.items() if head.column is not None}}
    images = [name for name, column in inputs.items() if column.encodes_pixels]
    there = head_of_table(path).columns if path.is_file() else images
    columns = {name: column for name, column in known.items() if name in there and not column.encodes_pixels}
    image = images[0] if len(images) == 1 else None
    boxes = None if "boxes" in heads else False
    instances = None if "instances" in heads else False
    table = Table.of(
        open_path(path, columns, image=image if image in there else None, boxes=boxes, instances=instances)
    )
    found = [name for name, column in table.columns.items() if column.encodes_pixels]
    if image is not None and image not in table.columns and len(found) == 1:
        table = table.with_column(image, inputs[image], table.column_values(found[0]))
    warn_of_unfamiliar(table, inputs, stacklevel=4)
    return table
