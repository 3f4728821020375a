"""File names that are not UTF-8: Linux allows any bytes, tables, JSON and most terminals do not."""

from __future__ import annotations

from collections.abc import Iterable

from longspan.errors import DataError, Fault, data_error

__all__ = ["check_file_names", "readable_name"]


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
