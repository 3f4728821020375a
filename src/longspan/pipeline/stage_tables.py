"""Values that stages made, as a table that a network can learn from or read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longspan.columns import Column
from longspan.data import Table

__all__ = ["table_of", "with_values"]


def table_of(
    values: Mapping[str, Sequence[Any]], columns: Mapping[str, Column], size_px: tuple[int, int] | None, stage: str
) -> Table:
    """A table of these columns; see `with_values`."""
    sized = {name: _at_one_size(columns[name], cells, size_px) for name, cells in values.items()}
    table = Table.from_arrays(sized, {name: columns[name] for name in values})
    return Table(table.frame, table.columns, arrays=table.arrays, source=f"samples of stage {stage!r}")


def with_values(
    table: Table, name: str, column: Column, values: Sequence[Any], size_px: tuple[int, int] | None
) -> Table:
    """A table with one column more. Images in memory, such as cuts of several sizes, are brought to one size.

    Raises:
        DataError: values that the column cannot hold.
        ConfigError: images of several sizes, and no size to resize them to.
    """
    return table.with_column(name, column, _at_one_size(column, values, size_px))


def _at_one_size(column: Column, values: Sequence[Any], size_px: tuple[int, int] | None) -> Sequence[Any]:
    if not column.encodes_pixels:
        return values
    there = [value for value in values if value is not None]
    if all(isinstance(value, str | Path) for value in there):
        return values
    arrays = [value for value in there if isinstance(value, np.ndarray) and value.dtype == np.uint8]
    if len(arrays) == len(there) and len({array.shape for array in arrays}) == 1:
        return values
    sized = (column if size_px is None else column.with_size(size_px)).fit(there)
    return [None if value is None else sized.encode(value) for value in values]
