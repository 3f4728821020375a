"""Encoded values, each read and resized once: in memory where they fit, else in a memory-mapped cache file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import final

import numpy as np
import torch

from longspan.columns import Column, Image, Spatial
from longspan.data.table import Table
from longspan.errors import DataError, Fault
from longspan.storage.cache_dir import cache_dir

__all__ = ["Store", "build_store", "encode_value"]

_CHUNK = 32  # rows a thread takes at a time: enough to hide the hand-over, few enough to share the work out


@final
class Store:
    """The encoded values of some rows of one column; `read` gives a batch of them."""

    def __init__(self, values: torch.Tensor, slots: np.ndarray, faults: dict[int, Fault]) -> None:
        """Wrap encoded values.

        Args:
            values: `(S, *shape)`, one entry per stored row.
            slots: `(len(table),)` int64: where a row's value stands in `values`; -1 where it is missing or bad.
            faults: Rows whose value could not be read, and why.
        """
        self.values = values
        self.slots = torch.from_numpy(slots)
        self.faults = faults

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Values of these rows, `(B, *shape)`; zeros where a value is missing."""
        slots = self.slots[rows]
        batch = self.values[slots.clamp_min(0)]
        absent = slots < 0
        if absent.any():
            batch[absent] = 0
        return batch

    def present(self, rows: torch.Tensor) -> torch.Tensor:
        """`(B,)` bool: which of these rows have a value."""
        return self.slots[rows] >= 0


def build_store(
    table: Table,
    name: str,
    column: Column,
    rows: np.ndarray,
    *,
    memory_bytes: int,
    image: tuple[str, Image] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Store:
    """Encode one column of these rows, with as many threads as there are cores where images are decoded.

    Args:
        table: Where the values are.
        name: The column's name in `table`.
        column: The fitted column that encodes.
        rows: Row numbers into `table`.
        memory_bytes: Values that need more go into a memory-mapped file in the cache folder, which is found again by
            the names, sizes and dates of the image files and the column's settings.
        image: For a `Spatial` column: name and fitted column of the image that its values lie in.
        progress: Called with the number of rows done since the last call.

    Raises:
        DataError: the cache folder cannot be written to, or is full.
    """
    cells = table.frame[name]
    present = rows[cells.is_not_null().to_numpy()[rows]]
    array = table.arrays.get(name)
    as_is = (column.shape, column.shape[:2]) if column.shape[2:] == (1,) else (column.shape,)
    if isinstance(column, Image) and array is not None and array.shape[1:] in as_is:
        slots = np.full(len(table), -1, np.int64)
        slots[present] = cells.to_numpy()[present].astype(np.int64)
        return Store(_shared(array.reshape(len(array), *column.shape)), slots, {})

    bytes_needed = len(present) * math.prod(column.shape) * np.dtype(column.dtype).itemsize
    if bytes_needed <= memory_bytes:
        values = np.empty((len(present), *column.shape), column.dtype)
        bad = _encode_into(values, table, name, column, present, image, progress)
    else:
        values, bad = _mapped(table, name, column, present, image, progress)
    slots = np.full(len(table), -1, np.int64)
    slots[present] = np.arange(len(present))
    faults = {}
    for slot, what in bad.items():
        row = int(present[slot])
        slots[row] = -1
        faults[row] = Fault(table.where(row, name), what)
    return Store(torch.from_numpy(values), slots, faults)


def encode_value(
    table: Table, row: int, name: str, column: Column, image: tuple[str, Image] | None = None
) -> np.ndarray:
    """One value of a table, encoded; what lies in an image as that image of the same row lies in its frame.

    Raises:
        ValueError: the value, or the image around it, cannot be read.
    """
    value = table.value(row, name)
    if image is None or not isinstance(column, Spatial):
        return column.encode(value)
    around = table.value(row, image[0])
    if around is None:
        raise ValueError("its image is missing")
    return column.encode_in(value, image[1].transform(around))


def _shared(array: np.ndarray) -> torch.Tensor:
    """The array as a tensor in the same memory, which may be read-only: batches are copies, nothing writes to it."""
    if any(stride < 0 for stride in array.strides):  # torch knows no backward steps
        array = array.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def _encode_into(
    values: np.ndarray,
    table: Table,
    name: str,
    column: Column,
    rows: np.ndarray,
    image: tuple[str, Image] | None,
    progress: Callable[[int], None] | None,
) -> dict[int, str]:
    """Fill `values`; gives what was wrong by position. Decoders release the GIL, so threads do for images."""

    def encode(start: int) -> dict[int, str]:
        bad = {}
        for slot in range(start, min(start + _CHUNK, len(rows))):
            try:
                values[slot] = encode_value(table, int(rows[slot]), name, column, image)
            except ValueError as error:
                bad[slot] = str(error)
        if progress is not None:
            progress(min(_CHUNK, len(rows) - start))
        return bad

    starts = range(0, len(rows), _CHUNK)
    if not column.in_files:
        parts = map(encode, starts)
        return {slot: what for part in parts for slot, what in part.items()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            return {slot: what for part in pool.map(encode, starts) for slot, what in part.items()}
        except BaseException:  # Ctrl-C must not wait for a hundred thousand images
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _mapped(
    table: Table,
    name: str,
    column: Column,
    rows: np.ndarray,
    image: tuple[str, Image] | None,
    progress: Callable[[int], None] | None,
) -> tuple[np.ndarray, dict[int, str]]:
    shape, dtype = (len(rows), *column.shape), np.dtype(column.dtype)
    folder = cache_dir() / "decoded"
    key = _key(table, name, column, rows, image)
    data_path, note_path = folder / f"{key}.bin", folder / f"{key}.json"
    size = math.prod(shape) * dtype.itemsize
    # The note is written last: without it the values are not complete.
    if not note_path.is_file() or not data_path.is_file() or data_path.stat().st_size != size:
        parts = [folder / f"{key}.{os.getpid()}.{kind}.part" for kind in ("bin", "json")]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _reserve(parts[0], size)
            values = np.memmap(parts[0], dtype, "r+", shape=shape)
            bad = _encode_into(values, table, name, column, rows, image, progress)
            values.flush()
            del values
            parts[1].write_text(json.dumps({"bad": bad}))
            for part, path in zip(parts, (data_path, note_path), strict=True):
                os.replace(part, path)
        except OSError as error:
            raise DataError(
                f"{size / 2**30:.2f} GB of decoded values cannot be kept in {folder}: {error}. Free space there, name "
                "another folder in LONGSPAN_CACHE, or let them stay in memory: cache_gb=."
            ) from error
        finally:
            for part in parts:
                with contextlib.suppress(OSError):
                    part.unlink()
    bad = {int(slot): what for slot, what in json.loads(note_path.read_text())["bad"].items()}
    # Copy-on-write: torch wants writable memory, and nothing written to it may reach the file.
    return np.memmap(data_path, dtype, "c", shape=shape), bad


def _reserve(path: Path, size: int) -> None:
    """A file of `size` bytes that are really there: writing to a mapped file on a full disk would kill the process."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


def _key(table: Table, name: str, column: Column, rows: np.ndarray, image: tuple[str, Image] | None) -> str:
    digest = hashlib.blake2b(digest_size=16)
    settings = {k: v for k, v in column.to_json().items() if k not in ("mean", "std")}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for row in rows:
        for each in (name,) if image is None else (name, image[0]):
            digest.update(b"\0")
            digest.update(_identity(table.value(int(row), each)))
    return digest.hexdigest()


def _identity(value: object) -> bytes:
    """What tells one raw value from another: of a file its name, size and date."""
    if isinstance(value, str) and Path(value).is_file():
        status = Path(value).stat()
        return f"{Path(value).resolve()}\0{status.st_size}\0{status.st_mtime_ns}".encode()
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value).tobytes()
    return repr(value).encode()
