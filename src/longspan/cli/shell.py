"""What all commands share: lines of output, errors, interruption, files that must not be lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from longspan.errors import ConfigError

__all__ = ["fail", "interruptible", "label", "new_file", "print_table", "writing"]


def fail(message: str, *, mark: str = "error: ") -> int:
    """Print `message` on standard error and give the exit code of a mistake of the user's."""
    print(f"longspan: {mark}{message}", file=sys.stderr)
    return 2


def label(name: str, text: str) -> str:
    """A line of a summary: what it is about, and what there is to say, further lines below the first."""
    return f"{name:<10}" + text.replace("\n", "\n" + " " * 10)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Columns under their names, as wide as they need to be; those numbered in `right` stand to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def new_file(path: str | Path, option: str, *, force: bool) -> Path:
    """`path`, if a file can be written there without losing one; checked before the work that it is for.

    Raises:
        ConfigError: it exists and `force` is not given, it is a folder, or its folder cannot be written to.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a folder. Name a file in it, for example {path / _example(option)}.")
    if path.exists() and not force:
        raise ConfigError(f"{option} {path} exists already. Name another file, or replace it with --force.")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "cannot be written to" if folder.is_dir() else "is a file, not a folder"
        raise ConfigError(f"{option} {path}: {folder} {what}. Name a file in a folder that can.")
    return path


@contextmanager
def writing(path: Path, option: str) -> Iterator[None]:
    """Turn what the system says about a full or locked disk into a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{option} {path} could not be written: {reason}. Name another place or make room."
        ) from error


@contextmanager
def interruptible(kept: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C, say in one line what is kept, and end with exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        fail(f"interrupted. {kept()}", mark="")
        raise SystemExit(130) from None


def _example(option: str) -> str:
    return {"--out": "model.safetensors", "--report": "report.html"}.get(option, "file")
