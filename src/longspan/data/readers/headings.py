"""The first line of a CSV file: a heading, not a row of data; and lines in which nothing is written."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import polars as pl

from longspan.data.annotations.files import IMAGE_ENDINGS
from longspan.data.readers.csv_lines import blank_rows
from longspan.errors import DataError

__all__ = ["check_heading", "without_blank_lines"]

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_AGAIN = re.compile(r"_duplicated_\d+$")


def check_heading(path: Path, frame: pl.DataFrame) -> None:
    """Refuse a file whose first line is a row like the others: as a heading it would be lost, silently.

    Such a line names a file that ends as images do, above other such files; or it consists of numbers alone that do not
    count the columns (0, 1, 2, as a data frame without names is written) or years.

    Raises:
        DataError: with the line, and what to do.
    """
    names = [_AGAIN.sub("", name) for name in frame.columns]
    file = next((name for name in frame.columns if _is_file(name) and _files(frame[name])), None)
    numbers = [name for name in names if name]
    if file is None and (len(numbers) < 2 or not all(map(_NUMBER.fullmatch, numbers)) or _counts(numbers)):
        return
    found = f"{file!r} is the name of a file" if file is not None else "it holds numbers alone"
    raise DataError(
        f"{path}: the first line ({', '.join(names[:6])}{', ...' if len(names) > 6 else ''}) looks like a row, not "
        f"like a heading: {found}. Write a first line with the names of the columns, such as "
        f"{'file,label' if file is not None else 'x,y,target'}."
    )


def _counts(numbers: list[str]) -> bool:
    """Whether these are whole numbers in a row, such as 2019, 2020, 2021."""
    if not all(number.strip().isdigit() for number in numbers):
        return False
    whole = [int(number) for number in numbers]
    return whole == list(range(whole[0], whole[0] + len(whole)))


def _is_file(name: str) -> bool:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower() in IMAGE_ENDINGS


def _files(cells: pl.Series) -> bool:
    few = cells.drop_nulls().head(20).to_list()
    return bool(few) and all(map(_is_file, few))


def without_blank_lines(frame: pl.DataFrame, content: Path | bytes, delimiter: str) -> pl.DataFrame:
    """The rows without blank lines; in a single column a blank line is a missing value and stays, and so does `,,`."""
    empty = pl.all_horizontal(pl.all().is_null())
    if frame.width < 2 or not frame.select(empty.any()).item():
        return frame
    blank = blank_rows(content, frame.height, delimiter)
    return frame if blank is None else frame.filter(~pl.Series(blank))
