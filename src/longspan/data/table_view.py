"""What the rest of `data/` needs to know of a table and of a split, so that neither has to be imported for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from longspan.columns import Column
from longspan.data.scanned_rows import ScannedRows
from longspan.data.splits.vault import Vault

__all__ = ["SplitView", "TableView"]


class TableView(Protocol):
    """Rows with typed columns, such as `longspan.data.table.Table`."""

    @property
    def frame(self) -> pl.DataFrame:
        """One row per sample."""
        ...

    @property
    def columns(self) -> Mapping[str, Column]:
        """What each value means."""
        ...

    @property
    def arrays(self) -> Mapping[str, np.ndarray | ScannedRows]:
        """Values held in memory, or in a file of rows, of which a cell is the position."""
        ...

    @property
    def root(self) -> Path | None:
        """Folder that relative paths start from."""
        ...

    @property
    def source(self) -> str:
        """Where the rows come from, for messages."""
        ...

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def column_values(self, name: str) -> list[Any]:
        """All raw values of one column, None where missing."""
        ...

    def column(self, name: str) -> Column:
        """The column called `name`; UnknownNameError if there is none."""
        ...

    def value(self, row: int, name: str) -> Any:
        """One raw value, None where missing."""
        ...

    def cell_parts(self, name: str, rows: np.ndarray) -> Iterator[pl.Series]:
        """The cells of some rows of a column, in this order, some at a time."""
        ...

    def where(self, row: int, name: str) -> str:
        """Where a value stands, for messages."""
        ...

    def row_name(self, row: int) -> str:
        """A row in messages: its line in a file, or its number."""
        ...


class SplitView(Protocol):
    """A table and which of its rows are for what, such as `longspan.data.splits.split.Split`."""

    @property
    def table(self) -> TableView:
        """All rows."""
        ...

    @property
    def train(self) -> np.ndarray:
        """Rows to learn from."""
        ...

    @property
    def valid(self) -> np.ndarray:
        """Rows to look at while deciding."""
        ...

    @property
    def vault(self) -> Vault:
        """The sealed test rows."""
        ...

    @property
    def how(self) -> Mapping[str, object]:
        """How the split was made."""
        ...
