"""Whether a file, and what it unpacks to, is what is on record."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import IO

from longspan.datasets.named import RemoteFile, Source
from longspan.errors import ChecksumError, FetchError

__all__ = ["check_file", "check_layout", "contents_digest"]

_MIB = 1024 * 1024


def check_file(file: RemoteFile, path: Path, origin: str) -> None:
    """Raise ChecksumError unless the file at `path` is the one on record; `origin` is where it came from."""
    digests = {
        "SHA-256": (hashlib.sha256(), file.sha256),
        "SHA-1": (hashlib.sha1(usedforsecurity=False), file.sha1),
        "MD5": (_md5(), file.md5),
    }
    head = _md5()
    try:
        size = path.stat().st_size
        if file.exact and not file.of_content and size != file.size:
            raise ChecksumError(
                f"{origin} has {size:,} bytes, but {file.size:,} are on record. It is {_likely(path, size, file)}: "
                "download it again, or delete it so that the next place is tried."
            )
        with _opened(path, file.of_content) as content:
            first = True
            while chunk := content.read(_MIB):
                for digest, _ in digests.values():
                    digest.update(chunk)
                if first:
                    head.update(chunk)
                    first = False
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ChecksumError(f"{origin} is damaged or cut short ({error}). Download it again, or delete it.") from error
    except OSError as error:
        raise FetchError(f"{origin} cannot be read: {error}.") from error
    found = {name: (digest.hexdigest(), expected) for name, (digest, expected) in digests.items()}
    found["MD5 of its first MiB"] = (head.hexdigest(), file.head_md5)
    for name, (actual, expected) in found.items():
        if expected is not None and actual != expected:
            raise ChecksumError(
                f"{origin} has the {name} {actual}, but {expected} is on record. It is damaged or another file: "
                "download it again, or delete it so that the next place is tried."
            )


def check_layout(source: Source, folder: Path, origin: str) -> None:
    """Raise ChecksumError unless the unpacked folder holds the files on record: their number, and what is in them."""
    wrong = [
        f"{pattern}: {found:,} files, {expected:,} expected"
        for pattern, expected in source.layout
        if (found := sum(path.is_file() for path in folder.glob(pattern))) != expected
    ]
    if wrong:
        raise ChecksumError(
            f"{origin} does not hold what is on record ({'; '.join(wrong)}). It is another edition or was cut short; "
            "delete it if it lies in LONGSPAN_DATA."
        )
    for pattern, expected in source.contents:
        found = contents_digest(folder, pattern)
        if found != expected:
            raise ChecksumError(
                f"{origin}: the files {pattern} have the digest {found}, but {expected} is on record. They are of "
                "another edition or damaged: download it again, or delete it if it lies in LONGSPAN_DATA."
            )


def contents_digest(folder: Path, pattern: str) -> str:
    """The SHA-256 of lines "MD5, two blanks, path", sorted by path, of the files that `pattern` matches in `folder`.

    Paths have forward slashes and lack their first folder, which differs between archives of the same files. It is
    what `md5sum` writes of these files. MD5, because publishers and libraries state it of single files.
    """
    paths = {path.relative_to(folder).as_posix().partition("/")[2]: path for path in folder.glob(pattern)}
    lines = []
    for name in sorted(paths):
        if paths[name].is_file():
            with paths[name].open("rb") as content:
                lines.append(f"{hashlib.file_digest(content, _md5).hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _likely(path: Path, size: int, file: RemoteFile) -> str:
    with path.open("rb") as content:
        start = content.read(256).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, perhaps of a login or an error"
    return "cut short" if size < file.size else "another file"


def _md5() -> hashlib._Hash:  # pyright: ignore[reportPrivateUsage]
    # Not for security: it is the checksum that publishers state, and FIPS builds refuse it otherwise.
    return hashlib.md5(usedforsecurity=False)


def _opened(path: Path, of_content: bool) -> IO[bytes]:
    """The file, or what its gzip wrapper holds."""
    return gzip.open(path) if of_content else path.open("rb")  # type: ignore[return-value]
