"""Progress of a download: a bar on terminals and in notebooks, else one line at the start and one at the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["DownloadProgress", "megabytes"]

_QUIET_BELOW = 1_000_000


def megabytes(size: float) -> str:
    """A size in words: "37.7 MB", "1.5 GB"."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


@final
class DownloadProgress:
    """Shows how much of one file has arrived; a context manager.

    Writes to standard error, and nothing at all for files below a megabyte or when `shown` is false.
    """

    def __init__(self, name: str, total: int, *, shown: bool = True) -> None:
        """`total` is the expected size in bytes."""
        self._name, self._total = name, total
        self._shown = shown and total >= _QUIET_BELOW
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._started, self._done, self._first = time.monotonic(), 0, 0

    def __enter__(self) -> DownloadProgress:
        """Open the bar."""
        if not self._shown:
            return self
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

        console = Console(stderr=True)
        if console.is_terminal or console.is_jupyter:
            columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=self._total)
        else:
            print(f"Downloading {self._name} ({megabytes(self._total)})", file=sys.stderr, flush=True)
        return self

    def resume(self, done: int) -> None:
        """So many bytes were already there."""
        self._done = self._first = done
        if done and self._shown and self._bar is None:
            print(f"Resuming {self._name} at {megabytes(done)}", file=sys.stderr, flush=True)
        self._update()

    def advance(self, count: int) -> None:
        """So many bytes more have arrived."""
        self._done += count
        self._update()

    def _update(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bar; say what arrived and how fast."""
        if self._bar is not None:
            self._bar.stop()
        if self._shown and kind is None:
            seconds = max(time.monotonic() - self._started, 1e-3)
            speed = megabytes((self._done - self._first) / seconds)
            print(
                f"Downloaded {self._name}: {megabytes(self._done)} in {seconds:.0f} s ({speed}/s)",
                file=sys.stderr,
                flush=True,
            )
