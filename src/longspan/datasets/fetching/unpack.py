"""Unpacks archives that nobody vouches for: nothing outside the target, no links, bounded size."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, final

from longspan.errors import ArchiveError

__all__ = ["unpack"]

_MB = 1024 * 1024
_RATIO_FROM = 100 * _MB
_FILES_FROM, _FILES_MOST = 10_000, 5_000_000
_LARGEST_READ = 2 * _MB
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def unpack(
    archive: str | Path,
    target: str | Path,
    *,
    max_bytes: int = 64 * 1024 * _MB,
    max_files: int | None = None,
    max_ratio: int = 200,
) -> Path:
    """Unpack tar (plain, gz, bz2, xz), zip or gz into a new folder `target`; any other file is copied into it.

    Everything goes into a temporary folder beside `target`, which takes its name only when all is well. Links inside
    the archive become copies; permissions and owners are not taken over.

    Args:
        archive: The file; read only.
        target: A folder that does not exist yet.
        max_bytes: Most bytes to write.
        max_files: Most files and folders to make. None: one for every 8 bytes of the archive, which is less than a
            member takes however well it is packed; at least 10,000 and at most 5 million.
        max_ratio: Most bytes to write per byte of the archive (from 100 MB on; text packs to about a tenth).

    Raises:
        ArchiveError: The archive is damaged, holds a path, link or device that does not belong there, or is
            unreasonably large. Nothing is left behind.
    """
    archive, target = Path(archive), Path(target)
    if target.exists():
        raise ArchiveError(f"{target} exists already; unpack {archive} into a new folder.")
    try:
        size = archive.stat().st_size
    except OSError as error:
        raise ArchiveError(f"{archive} cannot be read: {error}.") from error
    most_files = max_files or min(_FILES_MOST, max(_FILES_FROM, size // 8))
    budget = _Budget(archive, min(max_bytes, max(_RATIO_FROM, max_ratio * size)), most_files)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        try:
            _unpack_into(archive, folder, budget)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
            raise ArchiveError(f"{archive} is damaged or cut short ({error}). Fetch it again.") from error
        except (OSError, ValueError, RuntimeError, LookupError, ArithmeticError, struct.error) as error:
            raise ArchiveError(f"{archive} cannot be unpacked: {type(error).__name__}: {error}.") from error
        folder.chmod(0o755)
        try:
            folder.rename(target)
        except OSError as error:
            raise ArchiveError(f"{target} cannot be made: {error}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


@final
class _Budget:
    """What may still be written."""

    def __init__(self, archive: Path, max_bytes: int, max_files: int) -> None:
        self.archive = archive
        self.max_bytes, self.max_files = max_bytes, max_files
        self.bytes = self.files = 0

    def count_file(self, name: str) -> None:
        self.files += 1
        if self.files > self.max_files:
            raise ArchiveError(
                f"{self.archive}, member {name!r}: more than {self.max_files:,} files. "
                "If that is right for this archive, unpack(max_files=...) allows more."
            )

    def copy(self, source: IO[bytes], path: Path, name: str) -> None:
        """Write a file, counting what really comes out and not what a header claims."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as sink:
            while chunk := source.read(_MB):
                self.bytes += len(chunk)
                if self.bytes > self.max_bytes:
                    raise ArchiveError(
                        f"{self.archive}, member {name!r}: unpacks to more than {self.max_bytes:,} bytes, which is "
                        f"unreasonable for an archive of {self.archive.stat().st_size:,}. "
                        "If it is right, unpack(max_bytes=..., max_ratio=...) allows more."
                    )
                sink.write(chunk)


@final
class _Guarded:
    """A tar file that gives no more than some megabytes at once.

    tarfile reads the extended headers, in which long names stand, in one piece of whatever size the file claims; data
    are asked for in small pieces.
    """

    def __init__(self, content: IO[bytes], archive: Path) -> None:
        self._content, self._archive = content, archive
        self.name = str(archive)
        self.seek, self.tell = content.seek, content.tell

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _LARGEST_READ:
            raise ArchiveError(
                f"{self._archive} has a header of {size:,} bytes, which no name needs; do not trust this archive."
            )
        return self._content.read(size)


def _plain_tar(archive: Path) -> IO[bytes]:
    """The tar inside its compression, which the first bytes identify."""
    with archive.open("rb") as file:
        head = file.read(6)
    if head[:2] == b"\x1f\x8b":
        return gzip.open(archive)  # type: ignore[return-value]
    if head[:3] == b"BZh":
        return bz2.open(archive)  # type: ignore[return-value]
    return lzma.open(archive) if head == b"\xfd7zXZ\0" else archive.open("rb")  # type: ignore[return-value]


def _unpack_into(archive: Path, folder: Path, budget: _Budget) -> None:
    lower = archive.name.lower()
    if lower.endswith(_TAR):
        with _plain_tar(archive) as content, tarfile.open(fileobj=_Guarded(content, archive), mode="r:") as tar:  # type: ignore[arg-type]
            for member in tar:
                _tar_member(tar, member, folder, budget)
            _expect_end(tar, budget)
    elif lower.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                _zip_member(packed, info, folder, budget)
    elif lower.endswith(".gz"):
        with gzip.open(archive) as source:
            budget.copy(source, folder / archive.name[:-3], archive.name[:-3])  # type: ignore[arg-type]
    else:
        with archive.open("rb") as source:
            budget.copy(source, folder / archive.name, archive.name)


def _tar_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, budget: _Budget) -> None:
    path = _inside(budget.archive, folder, member.name)
    budget.count_file(member.name)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    elif member.isreg():
        source = tar.extractfile(member)
        assert source is not None
        with source:
            budget.copy(source, path, member.name)
    elif member.issym() or member.islnk():
        # A symbolic link's target counts from its own folder, a hard link's from the top.
        base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
        if PurePosixPath(member.linkname).is_absolute() or "\\" in member.linkname:
            raise _escapes(budget.archive, member.name, f"is a link to {member.linkname!r}")
        wanted = os.path.normpath(str(base / member.linkname)).replace(os.sep, "/")
        if wanted.startswith("../") or wanted == "..":
            raise _escapes(budget.archive, member.name, f"is a link to {member.linkname!r}")
        original = _inside(budget.archive, folder, wanted)
        if not original.is_file():
            raise ArchiveError(
                f"{budget.archive}, member {member.name!r} is a link to {member.linkname!r}, which is not a file that "
                "stands before it in the archive. Pack the files themselves."
            )
        if original != path:
            with original.open("rb") as source:
                budget.copy(source, path, member.name)
    else:
        raise ArchiveError(
            f"{budget.archive}, member {member.name!r} is a device or pipe, which no data set needs. Nothing was kept."
        )


def _expect_end(tar: tarfile.TarFile, budget: _Budget) -> None:
    """Raise unless only zeros follow: tarfile takes a damaged header, and a missing gzip trailer, for the end."""
    source = tar.fileobj
    assert source is not None
    source.seek(tar.offset)
    seen = 0
    while chunk := source.read(_MB):
        seen += len(chunk)
        if chunk.count(0) != len(chunk) or seen > budget.max_bytes:
            raise tarfile.ReadError("a header is broken, or something follows the end")


def _zip_member(packed: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, budget: _Budget) -> None:
    path = _inside(budget.archive, folder, info.filename)
    budget.count_file(info.filename)
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError(
            f"{budget.archive}, member {info.filename!r} is a link or device; a zip of data holds files and folders."
        )
    if info.flag_bits & 1:
        raise ArchiveError(f"{budget.archive}, member {info.filename!r} is encrypted; unpack it by hand first.")
    if info.is_dir():
        path.mkdir(parents=True, exist_ok=True)
    else:
        with packed.open(info) as source:
            budget.copy(source, path, info.filename)


def _inside(archive: Path, folder: Path, name: str) -> Path:
    """Where a member goes; refused if that is not inside `folder` on any platform."""
    if not name:
        raise ArchiveError(f"{archive} holds a member without a name. Nothing was kept; pack it again.")
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        raise _escapes(archive, name, "has an absolute path")
    if ".." in _parts(name):
        raise _escapes(archive, name, "has '..' in its path")
    if "\0" in name:
        raise _escapes(archive, name.replace("\0", "?"), "has a zero byte in its path")
    return folder.joinpath(*_parts(name))


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _escapes(archive: Path, name: str, what: str) -> ArchiveError:
    return ArchiveError(
        f"{archive}, member {name!r} {what}, so it could write outside the target folder. Nothing was kept; "
        "do not trust this archive."
    )
