"""Rows of a Parquet file that stay on the disk: read some at a time, for tables that are larger than memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import polars as pl

from longspan.errors import DataError

__all__ = ["ScannedRows"]

_WINDOW_CELLS = 1 << 22
"""Cells that are in memory at a time: about 64 MB of them."""
_FEWEST, _MOST = 1 << 12, 1 << 18
"""Rows of a window, whatever their number of cells."""


@final
class ScannedRows:
    """Some columns of a Parquet file, whose rows are read when they are asked for, a window of them at once.

    It stands in `Table.arrays`, where a cell is the position of its row in the file. Memory is bounded by a window, and
    by the file's row groups, which are read as a whole where a window lies in them.
    """

    def __init__(self, path: Path, names: Sequence[str], window: int | None = None) -> None:
        """Look at the file's schema and number of rows; nothing else is read.

        Args:
            path: The file.
            names: Its columns that make up a row.
            window: Rows that are read at a time; None: as many as have four million cells, 4,096 to 262,144.
        """
        self.path = path
        self.names = tuple(names)
        given = pl.scan_parquet(path)
        self._height = int(given.select(pl.len()).collect().item())
        held = given.collect_schema()
        self._lazy = given.select(_as_read(name, held[name]) for name in self.names)
        self.schema = dict(self._lazy.collect_schema())
        self.window = window or min(max(_WINDOW_CELLS // max(len(self.names), 1), _FEWEST), _MOST)
        self._status = self._file_status()
        self._lock = threading.Lock()
        self._kept: tuple[int, pl.DataFrame] | None = None

    def __len__(self) -> int:
        return self._height

    def __getitem__(self, row: int) -> dict[str, Any]:
        """One row, by its position in the file."""
        return self.frame(np.asarray([row])).row(0, named=True)

    @property
    def identity(self) -> str:
        """What distinguishes the file from another, or from itself after a change: its path, size and date."""
        return f"{self.path.resolve()}\0{self._status[0]}\0{self._status[1]}"

    def frame(self, rows: np.ndarray) -> pl.DataFrame:
        """`(N,)` rows, by their positions in the file, in this order; of each window that has some it is read once."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        parts = [pl.DataFrame(schema=self.schema)]
        ends = np.flatnonzero(np.diff(ordered // self.window)) + 1
        for some in np.split(ordered, ends) if len(ordered) else ():
            number = int(some[0]) // self.window
            parts.append(self._read(number)[some - number * self.window])
        back = np.empty(len(rows), np.int64)
        back[order] = np.arange(len(rows))
        together = pl.concat(parts)
        return together if (np.diff(order) == 1).all() else together[back]

    def cells(self, rows: np.ndarray) -> pl.Series:
        """`(N,)` rows, by their positions in the file, as a column of structs."""
        return self.frame(rows).to_struct("rows")

    def windows(self) -> Iterator[pl.DataFrame]:
        """All rows, in order, a window at a time."""
        return (self._read(number) for number in range(-(-self._height // self.window)))

    def spread(self, count: int) -> pl.DataFrame:
        """At most about so many rows, from up to ten places of the file: some are to be late ones."""
        places = min(10, -(-self._height // max(count // 10, 1)))
        each = max(count // places, 1)
        starts = np.linspace(0, max(self._height - each, 0), places).astype(np.int64)
        return self.frame(np.unique(np.concatenate([np.arange(at, min(at + each, self._height)) for at in starts])))

    def _read(self, number: int) -> pl.DataFrame:
        """A window; the last one read stays, for rows that are asked for one by one."""
        with self._lock:
            if self._kept is None or self._kept[0] != number:
                if self._file_status() != self._status:
                    raise DataError(f"{self.path} has changed since its rows were counted. Start again.")
                self._kept = None  # before the next one is read: two of them need not be in memory
                try:
                    self._kept = number, self._lazy.slice(number * self.window, self.window).collect()
                except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
                    first = number * self.window
                    raise DataError(
                        f"{self.path}, rows {first:,} to {first + self.window - 1:,} cannot be read: {error}. Is it "
                        "whole? Copy or write it again."
                    ) from error
            return self._kept[1]

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes: the file is opened anew there."""
        return ScannedRows, (self.path, self.names, self.window)

    def _file_status(self) -> tuple[int, int]:
        try:
            status = self.path.stat()
        except OSError as error:
            raise DataError(f"{self.path} cannot be read any more: {error.strerror}.") from error
        return status.st_size, status.st_mtime_ns


def _as_read(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column in which NaN is missing and categoricals are text, as in tables that are read at once."""
    if dtype.is_float():
        return pl.col(name).fill_nan(None)
    return pl.col(name).cast(pl.String) if dtype in (pl.Categorical, pl.Enum) else pl.col(name)
