"""What a reader gives: the cells of a table and what they mean, before it is a `Table`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
import polars as pl

from longspan.columns import Column
from longspan.data.readers.csv_lines import RowLines
from longspan.data.scanned_rows import ScannedRows

__all__ = ["TableParts"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableParts:
    """The parts of a table; `Table.of` puts them together, so that readers need not know tables."""

    frame: pl.DataFrame
    """One row per sample; every name in `columns` is one of its columns."""
    columns: Mapping[str, Column]
    """What each value means."""
    source: str
    """Where the rows come from, for messages."""
    arrays: Mapping[str, np.ndarray | ScannedRows] = field(default_factory=dict)
    """Values held in memory, or in a file of rows, of which a cell is the position."""
    root: Path | None = None
    """Folder that relative paths start from."""
    lines: RowLines | None = None
    """In which lines of a file the rows stand."""
