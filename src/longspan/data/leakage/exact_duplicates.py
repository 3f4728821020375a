"""Rows of a table with the same cells, distinguished from rows that agree by chance."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping
from typing import final

import numpy as np
import polars as pl

from longspan.data.scanned_rows import ScannedRows

__all__ = ["ScannedCells", "equal_rows"]

_TEXT_CHARS = 32
"""Equal texts longer than this are the same sample."""
_BY_CHANCE = 0.01
_MOST_READ = 200_000
"""Rows of a file that are read again because they may be copies."""
_COUNT = "\0count"
"""Name of a column of counts, which no column of a user's bears."""
_RARE = (5, 1000)
"""A cell is rare if at most five rows, or one in a thousand, share it."""


def equal_rows(cells: pl.DataFrame | ScannedCells, rows: np.ndarray) -> list[list[int]]:
    """Groups of `rows` with equal cells that chance does not explain.

    Equal texts of more than 32 characters, or lists, are the same sample. Equal rows of short cells may be two people
    of the same age and job, so they count only if one cell is rare (at most 0.1 % of the rows, or five, share it) and
    fewer than 0.01 such twins are expected were the columns independent.

    Rows are compared by a 64-bit hash, and only those whose hash another row has by their cells.

    Args:
        cells: One row per row of the table; NaN equals NaN, a missing cell another missing one.
        rows: Row numbers, int64.
    """
    held = cells if isinstance(cells, ScannedCells) else _Frame(cells)
    suspects = np.intersect1d(np.flatnonzero(held.hashes().is_duplicated().to_numpy()), rows)
    if not len(suspects):
        return []
    if isinstance(cells, ScannedCells) and len(suspects) > _MOST_READ:
        warnings.warn(
            f"{len(suspects):,} rows equal another row, too many to read from the file again: whether a held-out row "
            "is a copy of a training row, or equal by chance, was not looked at.",
            stacklevel=2,
        )
        return []
    some, height = held.take(suspects), len(held)
    content = np.zeros(len(suspects), dtype=bool)
    rarest = np.full(len(suspects), height)
    log_chance = np.zeros(len(suspects))
    for name, shared_by in held.counts(suspects, some).items():
        if some[name].dtype == pl.String:
            content |= (some[name].str.len_chars().fill_null(0) > _TEXT_CHARS).to_numpy()
        content |= some[name].dtype.is_nested()
        rarest = np.minimum(rarest, shared_by)
        log_chance += np.log(shared_by / height)
    # Rows that fraction the rarest cell, times the odds that the other cells agree too, were they independent.
    by_chance = rarest * np.exp(log_chance - np.log(rarest / height))
    odd = (rarest <= max(_RARE[0], height // _RARE[1])) & (by_chance < _BY_CHANCE)
    groups: dict[str, list[int]] = defaultdict(list)
    reported = np.flatnonzero(odd | content)
    for row, values in zip(suspects[reported].tolist(), some[reported].iter_rows(), strict=True):
        # repr, so that lists can be compared and NaN equals NaN.
        groups[repr(values)].append(row)
    return [group for group in groups.values() if len(group) > 1]


@final
class _Frame:
    """Cells in memory."""

    def __init__(self, cells: pl.DataFrame) -> None:
        self._cells = cells

    def __len__(self) -> int:
        return self._cells.height

    def hashes(self) -> pl.Series:
        return self._cells.hash_rows(seed=0)

    def take(self, rows: np.ndarray) -> pl.DataFrame:
        return self._cells[rows]

    def counts(self, rows: np.ndarray, some: pl.DataFrame) -> dict[str, np.ndarray]:
        """How many rows share each cell of `rows`, which are `some`, by column."""
        return {name: self._cells.select(pl.len().over(name))[:, 0][rows].to_numpy() for name in some.columns}


@final
class ScannedCells:
    """Cells of columns that stay in files, beside others that are in memory."""

    def __init__(self, files: Mapping[str, ScannedRows], cells: pl.DataFrame) -> None:
        """Wrap them.

        Args:
            files: Rows of columns by name.
            cells: One row per row of the table: positions in the files under the names of these columns, and other
                cells.
        """
        self._files = dict(files)
        self._places = cells.select(*files)
        self._others = cells.drop(*files)

    def __len__(self) -> int:
        return self._places.height

    def hashes(self) -> pl.Series:
        """`(N,)` a hash of each row, reading every file once."""
        found = {name: self._hashes(name) for name in self._files}
        return pl.DataFrame([*found.values(), *self._others]).hash_rows(seed=0)

    def take(self, rows: np.ndarray) -> pl.DataFrame:
        """The cells of these rows, columns of files one by one."""
        held = [file.frame(self._places[name][rows].to_numpy().astype(np.int64)) for name, file in self._files.items()]
        return pl.concat([*held, self._others[rows]], how="horizontal")

    def counts(self, rows: np.ndarray, some: pl.DataFrame) -> dict[str, np.ndarray]:
        """How many rows share each cell of `rows`, which are `some`, by column; those of files count the whole file."""
        found: dict[str, np.ndarray] = {}
        for file in self._files.values():
            counts = {name: np.zeros(len(some), np.int64) for name in file.names}
            for window in file.windows():
                for name in file.names:
                    here = window[name].value_counts(name=_COUNT)
                    shared = some.select(name).join(here, on=name, how="left", nulls_equal=True, maintain_order="left")
                    counts[name] += shared[_COUNT].fill_null(0).to_numpy()
            found |= counts
        for name in self._others.columns:
            found[name] = self._others.select(pl.len().over(name))[:, 0][rows].to_numpy()
        return found

    def _hashes(self, name: str) -> pl.Series:
        whole = pl.concat([window.hash_rows(seed=0) for window in self._files[name].windows()])
        return whole.gather(self._places[name]).alias(name)
