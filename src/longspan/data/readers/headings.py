"""The first line of a CSV file: a heading, not a row of data; and lines in which nothing is written."""

from __future__ import annotations

import re
import warnings
from pathlib import Path, PurePosixPath

import polars as pl

from longspan.data.annotations.files import IMAGE_ENDINGS
from longspan.data.readers.csv_lines import blank_rows
from longspan.errors import DataError

__all__ = ["check_heading", "named_columns", "without_blank_lines", "without_blanks"]

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_AGAIN = re.compile(r"_duplicated_\d+$")


def check_heading(path: Path, frame: pl.DataFrame) -> None:
    """Refuse a file whose first line is a row like the others: as a heading it would be lost, silently.

    Such a line names a file that ends as images do, above other such files; or it consists of numbers alone that do not
    count the columns (0, 1, 2, as a data frame without names is written) or years; or of numbers above numbers and of
    words that occur again as cells of their own columns.

    Raises:
        DataError: with the line, and what to do.
    """
    names = [_AGAIN.sub("", name) for name in frame.columns]
    file = next((name for name in frame.columns if _is_file(name) and _files(frame[name])), None)
    numbers = [name for name in names if name]
    alone = len(numbers) > 1 and all(map(_NUMBER.fullmatch, numbers)) and not _counts(numbers)
    again = None if file is not None or alone else _cell_again(frame)
    if file is None and not alone and again is None:
        return
    found = f"{file!r} is the name of a file" if file is not None else "it holds numbers alone"
    if again is not None:
        found = f"it holds numbers, and {again!r} is also a cell of its column"
    raise DataError(
        f"{path}: the first line ({', '.join(names[:6])}{', ...' if len(names) > 6 else ''}) looks like a row, not "
        f"like a heading: {found}. Write a first line with the names of the columns, such as "
        f"{'file,label' if file is not None else 'x,y,target'}."
    )


def _cell_again(frame: pl.DataFrame) -> str | None:
    """A heading that occurs as a cell of its column, where all others do too or are numbers above numbers."""
    words = [name for name in frame.columns if not _NUMBER.fullmatch(name)]
    if len(words) == frame.width or not words or not frame.height:
        return None
    numbers = [name for name in frame.columns if name not in words]
    above = all(_NUMBER.fullmatch(cell) for name in numbers for cell in frame[name].drop_nulls().head(20).to_list())
    return words[0] if above and all((frame[name] == name).any() for name in words) else None


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


def named_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without empty columns that have no heading, as a delimiter at the end of each line makes them.

    Another column without a heading, such as the index of a data frame, is called column_0 or the like by its place.
    """
    empty = [name for name in frame.columns if not _AGAIN.sub("", name) and frame[name].null_count() == frame.height]
    names = [name or f"column_{place}" for place, name in enumerate(frame.columns)]
    return frame.rename(dict(zip(frame.columns, names, strict=True))).drop(names[frame.columns.index(e)] for e in empty)


def without_blanks(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    """Headings and cells without the blanks around them, where a whole column has them, as in `a.png, cat`.

    Some cells with blanks among others without are left as they are: they may be meant.
    """
    names = {name: name.strip() for name in frame.columns if name != name.strip() and name.strip()}
    if len({names.get(name, name) for name in frame.columns}) == frame.width:
        frame = frame.rename(names)
    else:
        names = {}
    cells = []
    for series in frame:
        there = series.drop_nulls()
        if len(there) and there.dtype == pl.String and there.str.contains(r"^\s\S|\S\s$").all():
            cells.append(series.name)
    if cells or names:
        frame = frame.with_columns(pl.col(cells).str.strip_chars(" \t"))
        warnings.warn(
            f"{source}: blanks around {'headings and ' if names else ''}cells are left out, in the columns "
            f"{', '.join(map(repr, dict.fromkeys([*names.values(), *cells])))}.",
            stacklevel=4,
        )
    return frame


def without_blank_lines(frame: pl.DataFrame, content: Path | bytes, delimiter: str) -> pl.DataFrame:
    """The rows without blank lines; in a single column a blank line is a missing value and stays, and so does `,,`."""
    empty = pl.all_horizontal(pl.all().is_null())
    if frame.width < 2 or not frame.select(empty.any()).item():
        return frame
    blank = blank_rows(content, frame.height, delimiter)
    return frame if blank is None else frame.filter(~pl.Series(blank))
