"""What is on record about a named data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from longspan.data.table import Table

__all__ = ["NamedData", "RemoteFile"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """One file of a data set: where it lies and how to know it."""

    path: str
    """Relative to the folder or address that LONGSPAN_DATA names."""
    size: int
    """Bytes, as on the mirror."""
    sha256: str
    """Of the file, or of what it unpacks to (`of_content`)."""
    of_content: bool = False
    """The checksum is that of the bytes inside the gzip wrapper, which differs between mirrors."""
    url: str | None = None
    """Public address of a file with this checksum; None if there is none on record."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class NamedData:
    """A data set that is found by name."""

    name: str
    title: str
    rows: int
    task: str
    """What is usually learned from it."""
    licence: str
    home: str
    """Public page."""
    files: tuple[RemoteFile, ...]
    """None for a set that needs no file."""
    load: Callable[[Path], Table]
    """The table, from the folder that `fetch` gives."""
    note: str = ""
    """How it differs from the public set, and what else to know."""

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.files)
