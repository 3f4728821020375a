"""Named data, fetched once: from the cache, else the folder or mirror in LONGSPAN_DATA, else the public address."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from longspan.datasets.named import NamedData, RemoteFile
from longspan.datasets.unpack import unpack
from longspan.errors import ChecksumError, FetchError, LongspanError
from longspan.storage.cache_dir import cache_dir

__all__ = ["fetch_data"]

_MB = 1024 * 1024
_TIMEOUT_S = 30
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


def fetch_data(data: NamedData) -> Path:
    """A folder with the files of `data`, archives unpacked; the checksum of each file was that on record.

    The folder appears under its name only when it is complete, so a killed process leaves nothing half-made, and of
    two processes the second waits and finds it. The folder that LONGSPAN_DATA names is only read.

    Raises:
        FetchError: A file is nowhere to be had; the message lists what was tried and what to do.
        ChecksumError: A file was found and is another than the one on record.
        ArchiveError: An archive is damaged or not to be trusted.
    """
    version = hashlib.sha256("".join(file.sha256 for file in data.files).encode()).hexdigest()[:8]
    target = cache_dir() / "datasets" / f"{data.name}-{version}"
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(f".{target.name}.lock")):
            if not target.is_dir():
                _make(data, target)
    except OSError as error:
        raise FetchError(
            f"The cache folder {target.parent} cannot be written: {error}. "
            "Name one with room and write access in the environment variable LONGSPAN_CACHE."
        ) from error
    return target


def _make(data: NamedData, target: Path) -> None:
    """Fill a temporary folder beside `target`, then give it its name."""
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        ready = work / "ready"
        archives = [file for file in data.files if file.path.endswith(_ARCHIVES)]
        if archives:
            assert len(data.files) == 1, "an archive holds all of its data set"
            unpack(_get(data, data.files[0], work), ready)
        else:
            ready.mkdir()
            for file in data.files:
                found = _get(data, file, work)
                shutil.copyfile(found, ready / Path(file.path).name)
        try:
            ready.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was first, with the same files
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _get(data: NamedData, file: RemoteFile, work: Path) -> Path:
    """The checked file: on the mirror itself if that is a folder, else downloaded into `work`."""
    tried: list[str] = []
    mirror = os.environ.get("LONGSPAN_DATA", "").strip()
    urls = [file.url] if file.url else []
    if mirror.lower().startswith(("http://", "https://")):
        urls.insert(0, f"{mirror.rstrip('/')}/{urllib.parse.quote(file.path)}")
    elif mirror:
        path = Path(mirror).expanduser() / file.path
        if path.is_file():
            _check(file, path, str(path))
            return path
        tried.append(f"{path}: not there")
    else:
        tried.append("LONGSPAN_DATA: not set")
    for url in urls:
        path = work / Path(file.path).name
        try:
            _download(url, path, file)
        except (OSError, urllib.error.URLError, ValueError, EOFError) as error:
            tried.append(f"{url}: {getattr(error, 'reason', None) or error}")
            continue
        _check(file, path, url)
        return path
    if not file.url:
        tried.append("public address: none on record with a known checksum")
    raise _nowhere(data, file, tried)


def _nowhere(data: NamedData, file: RemoteFile, tried: list[str]) -> LongspanError:
    lines = [f"{file.path} of the data set {data.name!r} could not be fetched. Tried, besides the cache:"]
    lines += [f"  {each}" for each in tried]
    lines.append(
        f"Put {file.path} (sha256 {file.sha256[:16]}..., {file.size:,} bytes) into a folder and name that folder in "
        f"the environment variable LONGSPAN_DATA. About the data: {data.home}"
    )
    return FetchError("\n".join(lines))


def _download(url: str, path: Path, file: RemoteFile) -> None:
    """Write the body of `url` to `path`; stops at twice the size on record."""
    request = urllib.request.Request(url, headers={"User-Agent": "longspan"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response, path.open("wb") as sink:
        written = 0
        while chunk := response.read(_MB):
            written += len(chunk)
            if written > 2 * file.size + _MB:
                raise OSError(f"sends more than the {file.size:,} bytes on record")
            sink.write(chunk)


def _check(file: RemoteFile, path: Path, source: str) -> None:
    """Raise ChecksumError unless the file is the one on record."""
    digest = hashlib.sha256()
    try:
        with _opened(path, file.of_content) as content:
            while chunk := content.read(_MB):
                digest.update(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ChecksumError(f"{source} is damaged or cut short ({error}). Fetch it again, or delete it.") from error
    except OSError as error:
        raise FetchError(f"{source} cannot be read: {error}.") from error
    if digest.hexdigest() != file.sha256:
        raise ChecksumError(
            f"{source} has sha256 {digest.hexdigest()}, but {file.sha256} is on record. It is another or a damaged "
            "file: fetch it again, or delete it so that the next place is tried."
        )


def _opened(path: Path, of_content: bool) -> IO[bytes]:
    """The file, or what its gzip wrapper holds."""
    return gzip.open(path) if of_content else path.open("rb")  # type: ignore[return-value]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file that the system lets go when the process ends, however it ends."""
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
