"""File names as people and other systems write them: not in UTF-8, composed in another way, with backslashes.

macOS may write the letter \u00e9 as e and an accent (Unicode's form NFD), most other systems as one letter (NFC). Both
look alike and are two names on Linux.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import final

from longspan.errors import DataError, Fault, data_error

__all__ = ["FileFinder", "check_file_names", "composed", "readable_name"]


def composed(name: str) -> str:
    """A name in Unicode's composed form, in which names are compared.

    Example:
        >>> composed("cafe\u0301.png") == "caf\u00e9.png"
        True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


@final
class FileFinder:
    """Finds files below a folder by the names that a table or a file of annotations gives them.

    A file of just this name is found first; then one whose name differs only in how its letters are composed, in the
    case of its ending, or in backslashes for slashes. Each folder is listed once.
    """

    def __init__(self, root: Path) -> None:
        """Keep the folder that names start from."""
        self._root = root
        self._listed: dict[Path, frozenset[str]] = {}
        self._keyed: dict[Path, dict[str, list[str]]] = {}

    def names(self, folder: Path) -> frozenset[str]:
        """What lies in a folder; nothing if there is none."""
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):
                self._listed[folder] = frozenset()
        return self._listed[folder]

    def find(self, name: str) -> str | None:
        """The path below the folder of the file that is meant, None if there is none.

        Raises:
            ValueError: several differ from the name only in that; the message names them.
        """
        exact = PurePosixPath(name)
        if exact.name in self.names(self._root / exact.parent):
            return name
        slashed = PurePosixPath(name.replace("\\", "/"))
        place = self._root / slashed.anchor
        for part in slashed.relative_to(slashed.anchor).parts:
            found = [part] if part == ".." or part in self.names(place) else self._alike(place).get(_key(part), [])
            if len(found) > 1:
                raise ValueError(
                    f"{name!r} may be {' or '.join(ascii(each) for each in sorted(found))} in {place}, whose names "
                    "differ only in capitals of the ending or in how Unicode composes letters; rename one"
                )
            if not found:
                return None
            place = place / found[0]
        return place.as_posix() if slashed.anchor else place.relative_to(self._root).as_posix()

    def _alike(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._keyed:
            keyed: dict[str, list[str]] = {}
            for each in self.names(folder):
                keyed.setdefault(_key(each), []).append(each)
            self._keyed[folder] = keyed
        return self._keyed[folder]


def _key(name: str) -> str:
    stem, ending = os.path.splitext(composed(name))
    return stem + ending.lower()


def readable_name(path: object) -> str:
    r"""A path as text that can be printed and stored; bytes that are not UTF-8 become `\xe9`.

    Example:
        >>> readable_name(b"caf\xe9.png".decode("utf-8", "surrogateescape"))
        'caf\\xe9.png'
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def check_file_names(paths: Iterable[object]) -> None:
    """Refuse paths whose bytes are not UTF-8, all of them by name.

    Raises:
        DataError: there are such paths; `faults` lists them all.
    """
    faults = [
        Fault(readable_name(path), "the name is not UTF-8")
        for path in paths
        if any("\ud800" <= letter <= "\udfff" for letter in str(path))
    ]
    if faults:
        raise _names_error(faults)


def _names_error(faults: list[Fault]) -> DataError:
    several = len(faults) > 1
    return data_error(
        f"{len(faults)} file name{'s are' if several else ' is'} not UTF-8:",
        faults,
        "Rename the files or folders; `convmv -f latin1 -t utf-8 --notest -r FOLDER` converts names in Latin-1.",
    )
