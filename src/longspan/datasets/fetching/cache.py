"""The cache of data sets: folders that appear under their name only when they are complete."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from longspan.datasets.fetching.integrity import check_layout
from longspan.datasets.fetching.progress import megabytes
from longspan.datasets.fetching.unpack import unpack
from longspan.datasets.named import NamedData, RemoteFile, Source
from longspan.errors import ArchiveError, FetchError
from longspan.storage.cache_dir import cache_dir

__all__ = ["cached_folder", "in_mirror", "is_url", "missing_files", "publish"]

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_JUNK = ("__MACOSX", ".DS_Store")


def cached_folder(data: NamedData, source: Source) -> Path:
    """Where a source is in the cache, or will be."""
    return cache_dir() / "datasets" / f"{data.name}-{source.key}"


def in_mirror(file: RemoteFile) -> Path | None:
    """The file in the folder that LONGSPAN_DATA names; None if it names no folder or the file is not there."""
    mirror = os.environ.get("LONGSPAN_DATA", "").strip()
    if not mirror or is_url(mirror):
        return None
    path = Path(mirror).expanduser() / file.path
    return path if path.is_file() else None


def missing_files(source: Source) -> list[RemoteFile]:
    """The files that are not in the folder of LONGSPAN_DATA."""
    return [file for file in source.files if in_mirror(file) is None]


def is_url(text: str) -> bool:
    """Whether LONGSPAN_DATA names an address and not a folder."""
    return text.lower().startswith(("http://", "https://"))


def publish(data: NamedData, source: Source, get: Callable[[RemoteFile, Path], Path]) -> Path:
    """Make the cache folder of a source from files that `get(file, folder for downloads)` finds."""
    target = cached_folder(data, source)
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


def _check_room(data: NamedData, source: Source, folder: Path, downloads: Path) -> None:
    """Raise FetchError if the disk is too small for the files that are missing and what they unpack to."""
    have = sum(path.stat().st_size for path in downloads.glob("*")) if downloads.is_dir() else 0
    missing = sum(file.size for file in missing_files(source))
    needed = max(missing - have, 0) + source.size  # unpacked, a set takes at least as much as packed
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"The data set {data.name!r} needs about {megabytes(needed)} ({megabytes(missing)} to download, and as "
            f"much or more unpacked), but {folder} has {megabytes(free)} free. Free some space, or name another folder "
            "in the environment variable LONGSPAN_CACHE."
        )


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
