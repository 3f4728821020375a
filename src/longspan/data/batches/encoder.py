"""One column of some rows of a table, encoded value by value or a chunk at a time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.data.batches.ahead import in_order
from longspan.data.scanned_rows import ScannedRows
from longspan.data.table_view import TableView

__all__ = ["Encoder", "encode_value"]

_CHUNK = 32  # values a thread takes at a time: enough to hide the hand-over, few enough to divide the work
_AHEAD = 8  # chunks for each thread that may wait to be taken


@final
@dataclass(frozen=True, slots=True)
class Encoder:
    """What is encoded: the entries of a store, numbered from 0."""

    table: TableView
    name: str
    """The column's name in `table`."""
    column: Column
    """The fitted column that encodes."""
    rows: np.ndarray
    """Row numbers of the entries, which have a value."""
    context: tuple[str, Column] | None = None
    """Name and fitted column of the input that the values lie in, such as the image of a mask."""
    with_missing: bool = False
    """Whether there is one more entry, behind those of the rows: a missing value as the column encodes it."""

    def __len__(self) -> int:
        """The number of entries."""
        return len(self.rows) + self.with_missing

    def encode(self, entry: int) -> np.ndarray:
        """One entry.

        Raises:
            ValueError: the value, or that in which it lies, cannot be read.
        """
        if entry == len(self.rows):
            return self.column.encode_missing()
        return encode_value(self.table, int(self.rows[entry]), self.name, self.column, self.context)

    @property
    def together(self) -> bool:
        """Whether whole columns are encoded at once, instead of one value at a time."""
        if self.with_missing or self.context or not len(self.rows):
            return False
        return self.column.encode_cells(next(self.table.cell_parts(self.name, self.rows[:1]))) is not None

    def encode_some(self, entries: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
        """`(N, *shape)` of these entries, encoded together, and by position what is wrong."""
        values = np.empty((len(entries), *self.column.shape), self.column.dtype)
        return values, dict(self._together(values, self.rows[entries], None))

    def fill(self, values: np.ndarray, progress: Callable[[int], None] | None = None) -> dict[int, str]:
        """Encode all entries of one shape into `values`, `(S, *shape)`; by entry what was wrong."""
        if self.together:
            return dict(self._together(values, self.rows, progress))

        def write(start: int, some: list[np.ndarray | None]) -> None:
            for entry, value in enumerate(some, start):
                if value is not None:
                    values[entry] = value

        return {entry: what for _, part in self.chunks(write, progress) for entry, what in part.items()}

    def _together(
        self, values: np.ndarray, rows: np.ndarray, progress: Callable[[int], None] | None
    ) -> Iterator[tuple[int, str]]:
        start = 0
        for cells in self.table.cell_parts(self.name, rows):
            encoded = self.column.encode_cells(cells)
            assert encoded is not None
            values[start : start + len(cells)] = encoded[0]
            yield from ((start + place, what) for place, what in encoded[1].items())
            start += len(cells)
            if progress is not None:
                progress(len(cells))

    def where(self, entry: int) -> str:
        """Where the value of an entry stands, for messages."""
        return self.table.where(int(self.rows[entry]), self.name)

    def chunks(
        self, handle: Callable[[int, list[np.ndarray | None]], Any], progress: Callable[[int], None] | None = None
    ) -> Iterator[tuple[Any, dict[int, str]]]:
        """All entries, some at a time and in order, by as many threads as there are cores where files are decoded.

        Args:
            handle: Called in the thread that encoded, with the number of the first entry and the values; None for one
                that cannot be read.
            progress: Called with the number of entries done since the last call.

        Yields:
            What `handle` gave, and by entry what was wrong.
        """

        def encode(start: int) -> tuple[Any, dict[int, str]]:
            values: list[np.ndarray | None] = []
            bad = {}
            for entry in range(start, min(start + _CHUNK, len(self))):
                try:
                    values.append(self.encode(entry))
                except ValueError as error:
                    values.append(None)
                    bad[entry] = str(error)
            handled = handle(start, values)
            if progress is not None:
                progress(len(values))
            return handled, bad

        starts = range(0, len(self), _CHUNK)
        if not self.column.in_files:
            return map(encode, starts)
        workers = os.cpu_count() or 1  # decoders release the interpreter's lock
        return in_order(encode, starts, workers=workers, ahead=_AHEAD * workers)

    def identity(self) -> str:
        """A hash of all that the encoded values depend on; of files their names, sizes and dates."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps(self.column.encoding_settings(), sort_keys=True).encode())
        if self.together:
            self._add_cells(digest)
            return digest.hexdigest()
        names = (self.name,) if self.context is None else (self.name, self.context[0])
        for row in self.rows:
            for each in names:
                digest.update(b"\0")
                digest.update(_identity(self.table.value(int(row), each)))
        if self.with_missing:
            digest.update(b"\0missing" + self.column.encode_missing().tobytes())
        return digest.hexdigest()

    def _add_cells(self, digest: hashlib.blake2b) -> None:
        """Add what whole columns hold: of rows in a file which they are, else a hash of each."""
        held = self.table.arrays.get(self.name)
        if isinstance(held, ScannedRows):
            digest.update(held.identity.encode() + "\0".join(held.names).encode())
            digest.update(self.table.frame[self.name].gather(self.rows).to_numpy().tobytes())
            return
        for cells in self.table.cell_parts(self.name, self.rows):
            digest.update(cells.to_frame().hash_rows(seed=0).to_numpy().tobytes())


def encode_value(
    table: TableView, row: int, name: str, column: Column, context: tuple[str, Column] | None = None
) -> np.ndarray:
    """One value of a table, encoded; in the context of another value of its row where it lies in one.

    Raises:
        ValueError: the value, or that in which it lies, cannot be read.
    """
    value = table.value(row, name)
    if context is None:
        return column.encode(value)
    around = table.value(row, context[0])
    if around is None:
        raise ValueError(f"its {context[1].kind} is missing")
    return column.encode_in(value, context[1].context_of(around))


def _identity(value: object) -> bytes:
    """What distinguishes one raw value from another: of a file its name, size and date."""
    if isinstance(value, str) and Path(value).is_file():
        status = Path(value).stat()
        return f"{Path(value).resolve()}\0{status.st_size}\0{status.st_mtime_ns}".encode()
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value).tobytes()
    return repr(value).encode()
