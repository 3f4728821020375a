"""Data sets on this machine: from the cache, the folder or address in LONGSPAN_DATA, or the public address."""

from __future__ import annotations

import functools
import logging
import os
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from longspan.datasets.fetching.cache import cached_folder, in_mirror, is_url, missing_files, publish
from longspan.datasets.fetching.download import DownloadError, download
from longspan.datasets.fetching.integrity import check_file
from longspan.datasets.fetching.progress import megabytes
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.datasets.registry import DATASETS
from longspan.errors import ChecksumError, FetchError
from longspan.storage.cache_dir import cache_dir

__all__ = ["Fetched", "fetch_dataset", "where"]

_log = logging.getLogger("longspan.datasets")


@final
@dataclass(frozen=True, slots=True)
class Fetched:
    """A data set that is on this machine."""

    data: NamedData
    """The set that was asked for, or the smaller one in its place."""
    source: Source
    folder: Path


def fetch_dataset(
    data: NamedData,
    *,
    accept_small: bool = False,
    published_only: bool = False,
    progress: bool = True,
    tell: Callable[[str], None] | None = None,
) -> Fetched:
    """The files of `data`, unpacked and checked, in a folder of the cache.

    A copy that is at hand, in the cache or in LONGSPAN_DATA, is preferred to a download, the published one to others.
    The folder appears under its name only when it is complete, so a killed process leaves nothing half-made, and of
    two processes the second waits and finds it. What a broken download has brought is kept and continued. The folder
    that LONGSPAN_DATA names is only read.

    Args:
        data: What is wanted.
        accept_small: Take the smaller set (`data.small`) if that is at hand and `data` is not.
        published_only: Refuse copies whose values differ from the published ones.
        progress: Show downloads on standard error.
        tell: Called with a sentence if something else than the published set is used. None: a warning is logged.

    Raises:
        FetchError: the files are nowhere to be had, or the disk is full; the message lists what was tried.
        ChecksumError: a file was found, but is not the one on record.
        ArchiveError: an archive is damaged or not to be trusted.
    """
    candidates = [(data, source) for source in data.sources if not (published_only and source.differs)]
    if accept_small and data.small is not None:
        candidates += [(DATASETS[data.small], source) for source in DATASETS[data.small].sources]
    fetched = _at_hand(candidates) or _fetched(data, candidates, progress)
    _tell_what_differs(data, fetched, tell or _log_once)
    return fetched


def where(data: NamedData) -> tuple[Literal["cache", "LONGSPAN_DATA", "package"], Source] | None:
    """Where `data` is at hand without a download, and which copy; None if nowhere. "package" needs no file at all."""
    for source in data.sources:
        if not source.files or cached_folder(data, source).is_dir():
            return ("cache" if source.files else "package"), source
    for source in data.sources:
        if not missing_files(source):
            return "LONGSPAN_DATA", source
    return None


def _at_hand(candidates: list[tuple[NamedData, Source]]) -> Fetched | None:
    """The first candidate in the cache; else the first whose files are all in the folder of LONGSPAN_DATA."""
    for data, source in candidates:
        folder = cached_folder(data, source)
        if not source.files or folder.is_dir():
            return Fetched(data, source, folder if source.files else Path())
    for data, source in candidates:
        if not missing_files(source):
            return Fetched(data, source, publish(data, source, lambda file, _: _local(file)))
    return None


def _fetched(data: NamedData, candidates: list[tuple[NamedData, Source]], progress: bool) -> Fetched:
    """The first candidate that the address in LONGSPAN_DATA has; else the first that is at its public address."""
    mirror = os.environ.get("LONGSPAN_DATA", "").strip()
    tried: list[str] = []
    wrong: ChecksumError | None = None
    if not mirror:
        tried.append("LONGSPAN_DATA: not set")
    elif not is_url(mirror):
        for _, source in candidates:
            tried += [f"{Path(mirror).expanduser() / file.path}: not there" for file in missing_files(source)]
    addresses: list[Callable[[RemoteFile], tuple[str, ...]]] = [lambda file: file.urls]
    if is_url(mirror):
        addresses.insert(0, lambda file: (f"{mirror.rstrip('/')}/{urllib.parse.quote(file.path)}",))
    for urls_of in addresses:
        for owner, source in candidates:
            if not all(urls_of(file) for file in source.files):
                continue
            get = functools.partial(_download, urls_of=urls_of, progress=progress)
            try:
                return Fetched(owner, source, publish(owner, source, get))
            except _NotThereError as error:
                tried += error.lines
                wrong = wrong or error.wrong
    if not any(source.public for _, source in candidates):
        tried.append("public address: there is none for this copy")
    message = _nowhere(data, candidates, tried)
    raise ChecksumError(message) if wrong else FetchError(message)


def _local(file: RemoteFile) -> Path:
    """The file in the folder of LONGSPAN_DATA, checked; it is there."""
    path = in_mirror(file)
    assert path is not None
    check_file(file, path, str(path))
    return path


def _download(
    file: RemoteFile, folder: Path, *, urls_of: Callable[[RemoteFile], tuple[str, ...]], progress: bool
) -> Path:
    """The checked file, from the folder of LONGSPAN_DATA or else from the first address that gives it."""
    local = in_mirror(file)
    if local is not None:
        return _local(file)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.path.replace("/", "+")
    lines: list[str] = []
    wrong: ChecksumError | None = None
    for url in urls_of(file):
        # Parts of a file that has changed in between do not fit together: then once more from the beginning.
        for resumed in (path.exists(), False):
            try:
                download(url, path, file, progress=progress)
                check_file(file, path, url)
            except DownloadError as error:
                lines.append(f"{url}: {error}")
                break
            except ChecksumError as error:
                path.unlink(missing_ok=True)
                if not resumed:
                    lines.append(str(error))
                    wrong = error
                    break
            else:
                return path
    raise _NotThereError(lines, wrong)


@final
class _NotThereError(Exception):
    """No address gave a file."""

    def __init__(self, lines: list[str], wrong: ChecksumError | None) -> None:
        super().__init__("; ".join(lines))
        self.lines, self.wrong = lines, wrong


def _nowhere(data: NamedData, candidates: list[tuple[NamedData, Source]], tried: list[str]) -> str:
    lines = [f"The data set {data.name!r} could not be fetched. Tried, besides the cache {cache_dir()}:"]
    lines += [f"  {each}" for each in dict.fromkeys(tried)]
    lines.append(
        "Connect to a network, or put the files into a folder and name that folder in the environment variable "
        f"LONGSPAN_DATA: {' or '.join(_listed(source) for _, source in candidates)}. About the data: {data.home}"
    )
    small = DATASETS.get(data.small or "")
    if small is not None and where(small) is not None:
        lines.append(f"Available here is {small.name!r}, with {small.rows:,} of its {data.rows:,} rows.")
    return "\n".join(lines)


def _listed(source: Source) -> str:
    return ", ".join(f"{file.path} ({megabytes(file.size)})" for file in source.files)


def _tell_what_differs(data: NamedData, fetched: Fetched, tell: Callable[[str], None]) -> None:
    """Say it if what is used is not what the name promises."""
    used, source = fetched.data, fetched.source
    if used is not data:
        tell(
            f"Data set {data.name!r} is not available here: using {used.name!r} instead, {used.rows:,} of "
            f"{data.rows:,} rows. {source.differs} Results are not comparable with published ones. For the whole set: "
            f"longspan datasets {data.name} --fetch"
        )
    elif source is not data.sources[0] and source.differs:
        tell(
            f"Data set {data.name!r}: using a copy that differs from the published set. {source.differs} "
            f"Results are not exactly comparable with published ones."
        )


@functools.lru_cache(maxsize=256)
def _log_once(text: str) -> None:
    _log.warning(text)
