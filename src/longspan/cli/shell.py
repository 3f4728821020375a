"""What all commands share: lines of output, errors, interruption, files that must not be lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from longspan.cli.launching import first_to_say, is_launched
from longspan.errors import ConfigError

__all__ = ["fail", "interruptible", "label", "new_file", "new_files", "print_table", "writing"]


def fail(message: str, *, mark: str = "error: ") -> int:
    """Print `message` on standard error and give the exit code of a mistake of the user's.

    Of several processes that train together and have the same to say, one says it.
    """
    if not is_launched() or first_to_say(message):
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


def new_file(path: str | Path, option: str, *, force: bool | None) -> Path:
    """`path`, if a file can be written there without losing one; checked before the work that it is for.

    Args:
        path: The file.
        option: That names it, for messages.
        force: Whether an existing file may be replaced; None where the command has no --force.

    Raises:
        ConfigError: it exists and may not be replaced, it is a folder, or its folder cannot be written to.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a folder. Name a file in it, for example {path / _example(option)}.")
    if path.exists() and not force:
        cure = "Name another file, or replace it with --force."
        if force is None:
            cure = "Move it away, or name another folder."
        raise ConfigError(f"{option} {path} exists already. {cure}")
    _check_writable(path.absolute().parent, f"{option} {path}", "Name a file in a folder that can.")
    return path


def new_files(
    folder: str | Path, images: Sequence[str], ending: str, option: str, *, force: bool, beside: Sequence[str] = ()
) -> list[Path]:
    """The file in `folder` of each image, if none is lost by writing them; checked before the work they are for.

    Args:
        folder: It need not be there yet.
        images: Files; each gives its name, with `ending` in place of its own.
        ending: Such as ".png".
        option: For messages.
        force: Whether existing files may be replaced; the images themselves never are.
        beside: Names of further files that will be written there.

    Raises:
        ConfigError: two files would have one name, some exist, or the folder is none or cannot be written to.
    """
    folder = Path(folder).expanduser()
    files = [folder / Path(image).with_suffix(ending).name for image in images]
    owner: dict[Path, str] = {folder / name: name for name in beside}
    for file, image in zip(files, images, strict=True):
        if file in owner:
            raise ConfigError(
                f"{option} {folder}: {owner[file]} and {image} would both be {file}. Write them with two calls, each "
                "to its own folder."
            )
        owner[file] = image
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{option} {folder} is a file. Name a folder; it need not exist yet.")
    own = {Path(image).resolve() for image in images}
    there = [file for file in owner if file.exists()]
    if lost := next((file for file in there if file.resolve() in own), None):
        raise ConfigError(f"{option} {folder}: {lost} is one of the images themselves. Name another folder.")
    if there and not force:
        more = f" and {len(there) - 1} more exist" if len(there) > 1 else " exists"
        raise ConfigError(f"{option} {folder}: {there[0]}{more} already. Name another folder, or add --force.")
    _check_writable(folder.absolute(), f"{option} {folder}", "Name a folder that can.")
    return files


@contextmanager
def writing(path: Path, option: str) -> Iterator[None]:
    """Turn what the system says about a full or locked disk into a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{option} {path} could not be written: {reason}. Choose another place or free some space."
        ) from error


@contextmanager
def interruptible(kept: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C, say in one line what is kept, and end with exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        fail(f"interrupted. {kept()}", mark="")
        raise SystemExit(130) from None


def _check_writable(folder: Path, what: str, cure: str) -> None:
    """Refuse a folder that cannot be made or written to."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        why = "cannot be written to" if folder.is_dir() else "is a file, not a folder"
        raise ConfigError(f"{what}: {folder} {why}. {cure}")


def _example(option: str) -> str:
    return {"--out": "model.safetensors", "--report": "report.html"}.get(option, "file")
