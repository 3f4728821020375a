"""Files of text: one in a folder for each class, and files whose lines are translations of each other."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from longspan.columns import Column, Text
from longspan.data.annotations.files import existing_folder, files_below, lines_of, read_text
from longspan.data.readers.folder import read_folder
from longspan.data.table_parts import TableParts
from longspan.errors import DataError, Fault, data_error

__all__ = ["TEXT_ENDINGS", "holds_texts", "read_parallel", "read_text_folder"]

TEXT_ENDINGS = frozenset((".txt",))
_LARGEST_TEXT = 1 << 24
_LARGEST_FILE = 1 << 32


def read_text_folder(
    folder: str | Path, *, text: str = "text", label: str = "label", split: str = "split", encoding: str = "utf-8"
) -> TableParts:
    """Text files in a folder for each class, perhaps below folders train, valid and test; see `read_folder`.

    Args:
        folder: Looked through with everything below it; hidden files are left out.
        text: Name of the column of texts.
        label: Name of the column of classes.
        split: Name of the column that says which part a text is in.
        encoding: Of the files, as Python names it, such as "latin-1".

    Raises:
        DataError: the folder holds no text file, or some are in another encoding or larger than 16 MiB, all of them by
            name.
        ConfigError: two columns would have one name.
    """
    existing_folder(folder, "texts")
    parts = read_folder(folder, image=text, label=label, split=split, endings=TEXT_ENDINGS, holding="text file")
    assert parts.root is not None
    texts: list[str] = []
    faults: list[Fault] = []
    for name in parts.frame[text].to_list():
        path = Path(parts.root) / name
        try:
            texts.append(_checked(read_text(path, limit_bytes=_LARGEST_TEXT, encoding=encoding)).strip())
        except ValueError as error:
            faults.append(Fault(str(path), str(error)))
    if faults:
        raise data_error(f"{len(faults)} text files cannot be read:", faults, "Mend or remove them.")
    frame = parts.frame.with_columns(pl.Series(text, texts, dtype=pl.String))
    return TableParts(frame=frame, columns={**parts.columns, text: Text()}, source=parts.source)


def read_parallel(files: Mapping[str, str | Path], *, encoding: str = "utf-8") -> TableParts:
    """Files of equally many lines, in which lines of one number mean the same: a column of texts for each.

    A line that is empty in one of the files is missing there, and a warning counts them.

    Args:
        files: By name of the column, such as `{"en": "train.en", "fr": "train.fr"}`.
        encoding: Of the files, as Python names it, such as "latin-1".

    Raises:
        DataError: a file is not there, is in another encoding, or has another number of lines than the first.
    """
    cells: dict[str, list[str | None]] = {}
    for name, path in files.items():
        try:
            lines = lines_of(_checked(read_text(Path(path), limit_bytes=_LARGEST_FILE, encoding=encoding)))
        except ValueError as error:
            raise DataError(f"{path}: {error}.") from None
        cells[name] = [line.strip() or None for line in lines]
    counts = {name: len(lines) for name, lines in cells.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{files[name]} {count:,}" for name, count in counts.items())
        raise DataError(f"Parallel files need equally many lines, one sentence in each, but these have: {told}.")
    if not next(iter(counts.values()), 0):
        raise DataError(f"{', '.join(map(str, files.values()))} are empty.")
    empty = sum(any(line is None for line in row) for row in zip(*cells.values(), strict=True))
    if empty:
        warnings.warn(
            f"{', '.join(map(str, files.values()))}: {empty:,} line{'s are' if empty > 1 else ' is'} empty in at least "
            "one file and count as missing.",
            stacklevel=4,
        )
    columns: dict[str, Column] = dict.fromkeys(cells, Text())
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    return TableParts(frame=frame, columns=columns, source=", ".join(map(str, files.values())))


def holds_texts(folder: Path) -> bool:
    """Whether a folder holds text files below other folders, as classes of texts lie."""
    return any("/" in path for path in files_below(folder, TEXT_ENDINGS))


def _checked(text: str) -> str:
    """The text; ValueError for one with NUL bytes, which is none."""
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"line {line} holds a NUL byte; this is not a text file")
    return text
