"""Data sets on this machine: from the cache, the folder or address in LONGSPAN_DATA, or the public address."""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import shutil
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from longspan.datasets.download import DownloadError, download
from longspan.datasets.integrity import check_file, check_layout
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.datasets.progress import megabytes
from longspan.datasets.registry import DATASETS
from longspan.datasets.unpack import unpack
from longspan.errors import ArchiveError, ChecksumError, FetchError
from longspan.storage.cache_dir import cache_dir

__all__ = ["Fetched", "fetch_dataset", "where"]

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_JUNK = ("__MACOSX", ".DS_Store")
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
        if not source.files or _cached(data, source).is_dir():
            return ("cache" if source.files else "package"), source
    for source in data.sources:
        if not _missing(source):
            return "LONGSPAN_DATA", source
    return None


def _at_hand(candidates: list[tuple[NamedData, Source]]) -> Fetched | None:
    """The first candidate in the cache; else the first whose files are all in the folder of LONGSPAN_DATA."""
    for data, source in candidates:
        folder = _cached(data, source)
        if not source.files or folder.is_dir():
            return Fetched(data, source, folder if source.files else Path())
    for data, source in candidates:
        if not _missing(source):
            return Fetched(data, source, _publish(data, source, lambda file, _: _local(file)))
    return None


def _fetched(data: NamedData, candidates: list[tuple[NamedData, Source]], progress: bool) -> Fetched:
    """The first candidate that the address in LONGSPAN_DATA has; else the first that is at its public address."""
    mirror = os.environ.get("LONGSPAN_DATA", "").strip()
    tried: list[str] = []
    wrong: ChecksumError | None = None
    if not mirror:
        tried.append("LONGSPAN_DATA: not set")
    elif not _is_url(mirror):
        for _, source in candidates:
            tried += [f"{Path(mirror).expanduser() / file.path}: not there" for file in _missing(source)]
    addresses: list[Callable[[RemoteFile], tuple[str, ...]]] = [lambda file: file.urls]
    if _is_url(mirror):
        addresses.insert(0, lambda file: (f"{mirror.rstrip('/')}/{urllib.parse.quote(file.path)}",))
    for urls_of in addresses:
        for owner, source in candidates:
            if not all(urls_of(file) for file in source.files):
                continue
            get = functools.partial(_download, urls_of=urls_of, progress=progress)
            try:
                return Fetched(owner, source, _publish(owner, source, get))
            except _NotThereError as error:
                tried += error.lines
                wrong = wrong or error.wrong
    if not any(source.public for _, source in candidates):
        tried.append("public address: there is none for this copy")
    message = _nowhere(data, candidates, tried)
    raise ChecksumError(message) if wrong else FetchError(message)


def _publish(data: NamedData, source: Source, get: Callable[[RemoteFile, Path], Path]) -> Path:
    """Make the cache folder of a source from files that `get(file, folder for downloads)` finds."""
    target = _cached(data, source)
    downloads = target.parent / ".downloads" / target.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f".{target.name}.lock")):
            if not target.is_dir():
                _check_room(data, source, target.parent, downloads)
                _make(source, target, lambda file: get(file, downloads))
                shutil.rmtree(downloads, ignore_errors=True)
            with contextlib.suppress(OSError):
                downloads.parent.rmdir()  # while nothing else is under way
    except (OSError, ArchiveError) as error:
        full = _no_space(error)
        if isinstance(error, ArchiveError) and not full:
            raise
        what = "is full" if full else f"cannot be written: {error}"
        raise FetchError(
            f"The cache folder {target.parent} {what}. What has been downloaded is kept and will be continued. "
            "Free some space, or name another folder in the environment variable LONGSPAN_CACHE."
        ) from error
    return target


def _make(source: Source, target: Path, get: Callable[[RemoteFile], Path]) -> None:
    """Fill a temporary folder beside `target`, then give it its name."""
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        ready = work / "ready"
        ready.mkdir()
        found = [(file, get(file)) for file in source.files]
        for number, (file, path) in enumerate(found):
            folder = ready / file.into
            folder.mkdir(parents=True, exist_ok=True)
            if file.path.lower().endswith(_ARCHIVES):
                _move_into(folder, unpack(path, work / f"archive{number}"), str(path))
            else:
                shutil.copyfile(path, folder / Path(file.path).name)
        check_layout(source, ready, ", ".join(str(path) for _, path in found))
        if source.prepare is not None:
            source.prepare(ready)
        try:
            ready.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was first, with the same files
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move_into(folder: Path, unpacked: Path, archive: str) -> None:
    """Move what an archive held; two archives of one set may share folders, not files."""
    for path in sorted(unpacked.iterdir()):
        place = folder / path.name
        if path.name in _JUNK:
            continue
        if path.is_dir() and place.is_dir():
            _move_into(place, path, archive)
        elif place.exists():
            raise ArchiveError(f"{archive} holds {path.name!r}, which another archive of the data set holds too.")
        else:
            path.rename(place)


def _local(file: RemoteFile) -> Path:
    """The file in the folder of LONGSPAN_DATA, checked; it is there."""
    path = _in_mirror(file)
    assert path is not None
    check_file(file, path, str(path))
    return path


def _download(
    file: RemoteFile, folder: Path, *, urls_of: Callable[[RemoteFile], tuple[str, ...]], progress: bool
) -> Path:
    """The checked file, from the folder of LONGSPAN_DATA or else from the first address that gives it."""
    local = _in_mirror(file)
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


def _check_room(data: NamedData, source: Source, folder: Path, downloads: Path) -> None:
    """Raise FetchError if the disk is too small for the files that are missing and what they unpack to."""
    have = sum(path.stat().st_size for path in downloads.glob("*")) if downloads.is_dir() else 0
    missing = sum(file.size for file in _missing(source))
    needed = max(missing - have, 0) + source.size  # unpacked, a set takes at least as much as packed
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"The data set {data.name!r} needs about {megabytes(needed)} ({megabytes(missing)} to download, and as "
            f"much or more unpacked), but {folder} has {megabytes(free)} free. Free some space, or name another folder "
            "in the environment variable LONGSPAN_CACHE."
        )


def _nowhere(data: NamedData, candidates: list[tuple[NamedData, Source]], tried: list[str]) -> str:
    lines = [f"The data set {data.name!r} could not be fetched. Tried, besides the cache {cache_dir()}:"]
    lines += [f"  {each}" for each in dict.fromkeys(tried)]
    lines.append(
        "Connect to a network, or put the files into a folder and name that folder in the environment variable "
        f"LONGSPAN_DATA: {' or '.join(_listed(source) for _, source in candidates)}. About the data: {data.home}"
    )
    small = DATASETS.get(data.small or "")
    if small is not None and where(small) is not None:
        lines.append(f"At hand is {small.name!r}, with {small.rows:,} of its {data.rows:,} rows.")
    return "\n".join(lines)


def _listed(source: Source) -> str:
    return ", ".join(f"{file.path} ({megabytes(file.size)})" for file in source.files)


def _tell_what_differs(data: NamedData, fetched: Fetched, tell: Callable[[str], None]) -> None:
    """Say it if what is used is not what the name promises."""
    used, source = fetched.data, fetched.source
    if used is not data:
        tell(
            f"Data set {data.name!r} is not at hand: using {used.name!r} instead, {used.rows:,} of {data.rows:,} rows. "
            f"{source.differs} Results are not comparable with published ones. For the whole set: "
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


def _cached(data: NamedData, source: Source) -> Path:
    return cache_dir() / "datasets" / f"{data.name}-{source.key}"


def _in_mirror(file: RemoteFile) -> Path | None:
    """The file in the folder that LONGSPAN_DATA names; None if it names no folder or the file is not there."""
    mirror = os.environ.get("LONGSPAN_DATA", "").strip()
    if not mirror or _is_url(mirror):
        return None
    path = Path(mirror).expanduser() / file.path
    return path if path.is_file() else None


def _missing(source: Source) -> list[RemoteFile]:
    """The files that are not in the folder of LONGSPAN_DATA."""
    return [file for file in source.files if _in_mirror(file) is None]


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _no_space(error: BaseException | None) -> bool:
    """Whether a full disk is what is behind an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            return True
        error = error.__cause__
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file that the system releases when the process ends, however it ends."""
    with path.open("ab") as file:
        try:
            import fcntl
        except ImportError:
            # Windows: no lock; both processes fetch, and the first to finish wins.
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
