"""What is on record about a named data set: where its files lie, how to check them, how to read them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from longspan.data.table import Table
from longspan.errors import ConfigError

__all__ = ["NamedData", "RemoteFile", "Source"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """One file to download, and how to recognise it.

    A file is checked by everything that is on record: exact size, SHA-256, SHA-1, MD5. What it unpacks to is checked
    by `Source.layout` and `Source.contents`.
    """

    path: str
    """File name, relative to the folder or address that LONGSPAN_DATA names."""
    size: int
    """Bytes; see `exact`."""
    exact: bool = True
    """False: nobody states the size to the byte, or it differs between mirrors; `size` is then an estimate."""
    sha256: str | None = None
    """Of the file, or of what it unpacks to (`of_content`)."""
    md5: str | None = None
    """Of the file, or of what it unpacks to (`of_content`)."""
    sha1: str | None = None
    """Of the file, or of what it unpacks to (`of_content`)."""
    head_md5: str | None = None
    """MD5 of the first MiB, which is what fastai records."""
    of_content: bool = False
    """The checksums are those of the bytes inside the gzip wrapper, which differs between mirrors."""
    urls: tuple[str, ...] = ()
    """Public addresses, tried in this order."""
    into: str = ""
    """Folder, below that of the data set, into which an archive is unpacked."""
    stated_by: str = ""
    """Who states address, size and checksum."""

    @property
    def key(self) -> str:
        """Changes whenever the file on record does."""
        return self.sha256 or self.sha1 or self.md5 or self.head_md5 or f"{self.path}:{self.size}"

    @property
    def checked_by(self) -> str:
        """The checks of the file in words: "size, SHA-256", "size, MD5 of the first MiB"; "" if there is none."""
        checks = [
            *(["size"] if self.exact and not self.of_content else []),
            *(["SHA-256"] if self.sha256 else []),
            *(["SHA-1"] if self.sha1 else []),
            *(["MD5"] if self.md5 else []),
            *(["MD5 of the first MiB"] if self.head_md5 else []),
        ]
        return ", ".join(checks)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One copy of a data set: its files in the layout that they have there, and the reader of that layout."""

    files: tuple[RemoteFile, ...]
    """Empty for a set that needs no file."""
    load: Callable[[Path], Table]
    """The table, from the folder that `fetch` returns."""
    differs: str = ""
    """How this copy differs from the published set; empty if its values are the published ones."""
    layout: tuple[tuple[str, int], ...] = ()
    """Glob patterns below the unpacked folder, and how many files each must match."""
    contents: tuple[tuple[str, str], ...] = ()
    """Glob patterns below the unpacked folder, and the digest of the files that each matches; see `contents_digest`.

    For archives whose bytes nobody promises, such as those that GitHub packs on demand: their files stay the same.
    """
    prepare: Callable[[Path], None] | None = None
    """Runs once on the unpacked folder, before it appears in the cache."""

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)

    @property
    def checked_by(self) -> str:
        """How its files are checked once they are unpacked, in words."""
        counted, compared = [pattern for pattern, _ in self.layout], [pattern for pattern, _ in self.contents]
        checks = [
            *([f"the contents of {', '.join(compared)}"] if compared else []),
            *([f"the number of {', '.join(counted)}"] if counted else []),
        ]
        return "; ".join(checks)

    @property
    def public(self) -> bool:
        """Whether every file has a public address."""
        return all(file.urls for file in self.files)

    @property
    def key(self) -> str:
        """Eight hexadecimal digits that change when a file on record does; part of the cache folder's name."""
        return hashlib.sha256("".join(file.key for file in self.files).encode()).hexdigest()[:8]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class NamedData:
    """A data set that can be loaded by name."""

    name: str
    title: str
    rows: int
    task: str
    """What is usually learned from it: "image -> label"."""
    licence: str
    home: str
    """Web page of the data set."""
    sources: tuple[Source, ...]
    """Copies in order of preference; the first is the published one, unless the set exists only as a copy."""
    small: str | None = None
    """Name of a set with some of its rows, which systems fall back to; see `longspan.datasets.load`."""
    note: str = ""
    """What else to know before using it."""

    def __post_init__(self) -> None:
        """Refuse a set that cannot be loaded, and a name that a command line cannot take, with ConfigError."""
        if not self.sources:
            raise ConfigError(f"The data set {self.name!r} has no source; give at least one.")
        if not self.name or self.name != self.name.strip() or set(self.name) & set('/\\:*?"<>|.'):
            raise ConfigError(f"A data set cannot be called {self.name!r}: use letters, digits and hyphens.")

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """The files of the preferred source."""
        return self.sources[0].files

    @property
    def size(self) -> int:
        """Bytes to download from the preferred source."""
        return self.sources[0].size
