"""Encoded values in a memory-mapped file of the cache folder, found again by all that they depend on."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import final

import numpy as np

from longspan.data.batches.encoder import Encoder
from longspan.errors import DataError
from longspan.storage.cache_dir import cache_dir

__all__ = ["CacheFile", "NoRoomError"]

_FREE_FRACTION = 0.05  # of the disk's room stays free


class NoRoomError(Exception):
    """The disk has no room for the values."""


@final
class CacheFile:
    """The files of one encoder: values, lengths where they are ragged, and a note of what could not be read."""

    def __init__(self, encoder: Encoder) -> None:
        """Compute the names; nothing is read or written."""
        self._encoder = encoder
        self._folder = cache_dir() / "decoded"
        self._key = encoder.identity()
        self._dtype = np.dtype(encoder.column.dtype)

    def dense(
        self, max_bytes: float, progress: Callable[[int], None] | None = None
    ) -> tuple[np.ndarray, dict[int, str]]:
        """Values `(S, *shape)` of one shape, memory-mapped, and by entry what could not be read.

        Raises:
            NoRoomError: they need more than `max_bytes`, or more than the disk has free.
            DataError: the cache folder cannot be written to.
        """
        shape = (len(self._encoder), *self._encoder.column.shape)
        size = math.prod(shape) * self._dtype.itemsize
        # The note is written last: without it the values are not complete.
        if not self._complete("bin", size):
            with self._parts(size, "bin", "json") as parts:
                self._check_room(size, max_bytes)
                _reserve(parts["bin"], size)
                values = np.memmap(parts["bin"], self._dtype, "r+", shape=shape)
                bad = self._encoder.fill(values, progress)
                values.flush()
                del values
                parts["json"].write_text(json.dumps({"bad": bad}))
        return self._mapped(shape), self._bad()

    def ragged(
        self, max_bytes: float, progress: Callable[[int], None] | None = None
    ) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
        """Values `(total, *shape)`, memory-mapped, lengths `(S,)` int64, and by entry what could not be read.

        Raises:
            NoRoomError: they need more than `max_bytes`, or more than the disk has free.
            DataError: the cache folder cannot be written to.
        """
        if not self._complete("len", 8 * len(self._encoder)):
            with self._parts(0, "bin", "len", "json") as parts:
                lengths, bad, size = [], {}, 0
                with parts["bin"].open("wb") as file:
                    for some, wrong in self._encoder.chunks(lambda _, values: values, progress):
                        bad |= wrong
                        for value in some:
                            lengths.append(0 if value is None else len(value))
                            if value is not None:
                                file.write(np.ascontiguousarray(value, self._dtype).tobytes())
                                size += value.nbytes
                        self._check_room(0, max_bytes - size)
                parts["len"].write_bytes(np.array(lengths, np.int64).tobytes())
                parts["json"].write_text(json.dumps({"bad": bad}))
        lengths = np.frombuffer(self._path("len").read_bytes(), np.int64)
        return self._mapped((int(lengths.sum()), *self._encoder.column.shape)), lengths, self._bad()

    def _path(self, ending: str) -> Path:
        return self._folder / f"{self._key}.{ending}"

    def _complete(self, ending: str, size: int) -> bool:
        path = self._path(ending)
        return all(self._path(each).is_file() for each in ("json", "bin", ending)) and path.stat().st_size == size

    def _check_room(self, size: int, max_bytes: float) -> None:
        usage = shutil.disk_usage(self._folder)
        if size > max_bytes or size > usage.free - _FREE_FRACTION * usage.total:
            raise NoRoomError

    @contextlib.contextmanager
    def _parts(self, size: int, *endings: str) -> Iterator[dict[str, Path]]:
        """Paths to write to, which take their names when all is written, the note last."""
        parts = {ending: self._folder / f"{self._key}.{os.getpid()}.{ending}.part" for ending in endings}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            yield parts
            for ending, part in parts.items():
                os.replace(part, self._path(ending))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise NoRoomError from error
            raise DataError(
                f"{size / 2**30:.2f} GB of encoded values cannot be kept in {self._folder}: {error}. Name another "
                "folder in LONGSPAN_CACHE, or let them stay in memory: cache_gb=."
            ) from error
        finally:
            for part in parts.values():
                with contextlib.suppress(OSError):
                    part.unlink()

    def _mapped(self, shape: tuple[int, ...]) -> np.ndarray:
        if not math.prod(shape):
            return np.empty(shape, self._dtype)
        # Copy-on-write: torch wants writable memory, and nothing written to it may reach the file.
        return np.memmap(self._path("bin"), self._dtype, "c", shape=shape)

    def _bad(self) -> dict[int, str]:
        return {int(entry): what for entry, what in json.loads(self._path("json").read_text())["bad"].items()}


def _reserve(path: Path, size: int) -> None:
    """A file of `size` bytes that are really there: writing to a mapped file on a full disk would kill the process."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
