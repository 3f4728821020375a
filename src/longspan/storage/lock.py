"""One process at a time works in a folder; the system itself lets go of the lock when the process ends, however."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import final

from longspan.errors import ConfigError, LongspanError

__all__ = ["FolderLock"]


@final
class FolderLock:
    """A locked file in a folder; use it as a context manager.

    The lock is the system's (flock, on Windows that of the C library) and lies on the open file, so that a killed
    process leaves none behind. The file names the process that has it; it is taken away at the end, and one that a
    kill left is no lock.
    """

    def __init__(
        self,
        folder: str | Path,
        name: str,
        *,
        what: str,
        cure: str = "Wait for it, or name another folder.",
        error: type[LongspanError] = ConfigError,
    ) -> None:
        """Nothing is locked before `with`.

        Args:
            folder: Made if it does not exist.
            name: Of the lock's file in it.
            what: What is refused while another has the lock, for the message: "--out runs/a".
            cure: What to do then.
            error: Type of the error.
        """
        self.path = Path(folder).expanduser() / name
        self.what = what
        self.cure = cure
        self.error = error
        self._handle = -1
        self._made = False

    def __enter__(self) -> FolderLock:
        """Take the lock.

        Raises:
            LongspanError: of the type that was given; another process, or another lock in this one, has it, or the
                folder cannot be written to.
        """
        try:
            self._made = not self.path.parent.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            while self._handle < 0:
                self._try()
        except OSError as error:
            raise self.error(
                f"{self.what}: {self.path} cannot be made or locked: {error.strerror or error}. Name a folder that "
                "can be written to."
            ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        """Let go, and take the file away while it is still ours."""
        handle, self._handle = self._handle, -1
        with contextlib.suppress(OSError):  # Windows removes no open file; an unlocked one is not a lock
            self.path.unlink()
        os.close(handle)
        if self._made:
            with contextlib.suppress(OSError):  # a folder that was made for work that came to nothing
                self.path.parent.rmdir()

    def _try(self) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _lock(handle):
                raise self.error(f"{self.what} is in use by {_holder(handle)}. {self.cure}")
            if not _is_still(handle, self.path):  # whoever had it took the file away between our two calls
                return
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()}".encode())
            self._handle = handle
        finally:
            if self._handle != handle:
                os.close(handle)


def _lock(handle: int) -> bool:
    """Whether the file is ours now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_still(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _holder(handle: int) -> str:
    """Which process has the lock, as far as its file says."""
    try:
        said = os.read(handle, 40).decode("ascii", "replace")
    except OSError:
        said = ""
    if said == f"process {os.getpid()}":
        return "another part of this program"
    return f"another run ({said})" if said.removeprefix("process ").isdigit() else "another run"
