"""Which store the values of a column go into: memory, a memory-mapped file, or none where there is no room."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from longspan.columns import Column
from longspan.data.batches.cache_file import CacheFile, NoRoomError
from longspan.data.batches.encoder import Encoder
from longspan.data.batches.store import BLOCK_ROWS, BlockStore, RaggedStore, RowStore, Store, StreamedStore
from longspan.data.table_view import TableView
from longspan.errors import Fault
from longspan.lazy_torch import torch
from longspan.vision.remarks import counted_remarks

__all__ = ["build_store", "store_of"]

_Bad = dict[int, str]


def build_store(
    table: TableView,
    name: str,
    column: Column,
    rows: np.ndarray,
    *,
    memory_bytes: int,
    disk_bytes: float = math.inf,
    context: tuple[str, Column] | None = None,
    as_input: bool = False,
    progress: Callable[[int], None] | None = None,
) -> RowStore:
    """Encode one column of these rows, with as many threads as there are cores where files are decoded.

    Args:
        table: Where the values are.
        name: The column's name in `table`.
        column: The fitted column that encodes.
        rows: Row numbers into `table`.
        memory_bytes: Values that need more go into a memory-mapped file in the cache folder, which is found again by
            the names, sizes and dates of the files and the column's settings.
        disk_bytes: Values that need more, or more than the disk has free, are read once to find faults, and again
            whenever a batch needs them; a warning says so.
        context: Name and fitted column of the input that the values lie in, such as the image of a mask.
        as_input: Missing values are those of an input, which some columns read as a value.
        progress: Called with the number of values done since the last call.

    Raises:
        DataError: the cache folder cannot be written to.
    """
    cells = table.frame[name]
    there = cells.is_not_null().to_numpy()[rows]
    present, missing = rows[there], rows[~there]
    slots = np.full(len(table), -1, np.int64)
    with_missing = as_input and column.missing_input == "value" and len(missing) > 0
    array = table.arrays.get(name)
    as_is = column.encoded_array(array) if isinstance(array, np.ndarray) and not with_missing else None
    if as_is is not None:
        slots[present] = cells.to_numpy()[present].astype(np.int64)
        return Store(_shared(as_is), slots, {})
    encoder = Encoder(table, name, column, present, context, with_missing)
    slots[present] = np.arange(len(present))
    if with_missing:
        slots[missing] = len(present)
    faults: dict[int, Fault] = {}

    def note(bad: _Bad) -> None:
        for entry, what in bad.items():
            row = int(present[entry])
            slots[row] = -1
            faults[row] = Fault(table.where(row, name), what)

    try:
        make = _ragged if column.ragged else _dense
        with counted_remarks(name, len(present)):
            values, lengths, bad = make(encoder, memory_bytes, disk_bytes, progress)
    except NoRoomError:
        warnings.warn(
            f"Encoded values of column {name!r} fit neither in memory (cache_gb) nor in the cache folder, so they are "
            "read and encoded anew in every epoch, which is slower. Free disk space, or name another folder in "
            "LONGSPAN_CACHE.",
            stacklevel=2,
        )
        if encoder.together:
            note(_read_blocks(encoder, progress))
            return BlockStore(encoder, slots, faults)
        with counted_remarks(name, len(present)):
            lengths, bad = _read_once(encoder, progress)
        note(bad)
        return StreamedStore(encoder, slots, faults, lengths if column.ragged else None)
    note(bad)
    store: RowStore
    if column.ragged:
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        store = RaggedStore(torch.from_numpy(values), offsets, slots, faults, padding=column.padding)
    else:
        store = Store(torch.from_numpy(values), slots, faults)
    if isinstance(values, np.memmap):
        store.in_memory = False
        store.block_rows = BLOCK_ROWS if encoder.together else None
    return store


def store_of(column: Column, encoded: Sequence[np.ndarray]) -> RowStore:
    """A store of values that are encoded already, one for each row, in order."""
    slots, dtype = np.arange(len(encoded), dtype=np.int64), column.dtype
    if not column.ragged:
        values = np.stack(encoded) if encoded else np.empty((0, *column.shape), dtype)
        return Store(torch.from_numpy(values), slots, {})
    joined = np.concatenate([np.empty((0, *column.shape), dtype), *encoded])
    offsets = torch.tensor([0, *np.cumsum([len(value) for value in encoded])], dtype=torch.int64)
    return RaggedStore(torch.from_numpy(joined), offsets, slots, {}, padding=column.padding)


def _dense(
    encoder: Encoder, memory_bytes: int, disk_bytes: float, progress: Callable[[int], None] | None
) -> tuple[np.ndarray, torch.Tensor, _Bad]:
    """Values `(S, *shape)`, no lengths, and what was wrong by entry."""
    column, nothing = encoder.column, torch.empty(0, dtype=torch.int64)
    shape = (len(encoder), *column.shape)
    if math.prod(shape) * np.dtype(column.dtype).itemsize > memory_bytes:
        values, bad = CacheFile(encoder).dense(disk_bytes, progress)
        return values, nothing, bad
    values = np.empty(shape, column.dtype)
    return values, nothing, encoder.fill(values, progress)


def _ragged(
    encoder: Encoder, memory_bytes: int, disk_bytes: float, progress: Callable[[int], None] | None
) -> tuple[np.ndarray, torch.Tensor, _Bad]:
    """Values `(total, *shape)`, lengths `(S,)` and what was wrong by entry."""
    column = encoder.column
    values: list[np.ndarray] = [np.empty((0, *column.shape), column.dtype)]
    lengths: list[int] = []
    bad: _Bad = {}
    size = 0
    for some, wrong in encoder.chunks(lambda _, each: each, progress):
        bad |= wrong
        lengths += [0 if value is None else len(value) for value in some]
        values += [value for value in some if value is not None]
        size += sum(value.nbytes for value in some if value is not None)
        if size > memory_bytes:
            break
    else:
        return np.concatenate(values), torch.tensor(lengths, dtype=torch.int64), bad
    values.clear()  # too many: from the start again, into a file
    mapped, counts, bad = CacheFile(encoder).ragged(disk_bytes)
    return mapped, torch.from_numpy(counts.copy()), bad


def _read_blocks(encoder: Encoder, progress: Callable[[int], None] | None) -> _Bad:
    """Faults of all entries; the values are dropped."""
    bad: _Bad = {}
    for start in range(0, len(encoder), BLOCK_ROWS):
        entries = np.arange(start, min(start + BLOCK_ROWS, len(encoder)))
        bad |= {start + place: what for place, what in encoder.encode_some(entries)[1].items()}
        if progress is not None:
            progress(len(entries))
    return bad


def _read_once(encoder: Encoder, progress: Callable[[int], None] | None) -> tuple[torch.Tensor, _Bad]:
    """Lengths and faults of all entries; the values are dropped."""
    lengths: list[int] = []
    bad: _Bad = {}

    def measure(_: int, some: list[np.ndarray | None]) -> list[int]:
        return [0 if value is None or not value.ndim else len(value) for value in some]

    for counts, wrong in encoder.chunks(measure, progress):
        lengths += counts
        bad |= wrong
    return torch.tensor(lengths, dtype=torch.int64), bad


def _shared(array: np.ndarray) -> torch.Tensor:
    """The array as a tensor in the same memory, which may be read-only: batches are copies, nothing writes to it."""
    if any(stride < 0 for stride in array.strides):  # torch does not know backward steps
        array = array.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)
