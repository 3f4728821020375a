"""The first line of a CSV file: a heading, not a row of data; and lines in which nothing is written."""

from __future__ import annotations

import re
import warnings
from pathlib import Path, PurePosixPath

import polars as pl

from longspan.audio.audio_io import AUDIO_ENDINGS
from longspan.data.annotations.files import IMAGE_ENDINGS
from longspan.data.readers.csv_lines import blank_rows
from longspan.errors import DataError

__all__ = ["check_heading", "named_columns", "without_blank_lines", "without_blanks"]

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_DATE = re.compile(
    r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
    r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?\s*"
)
_AGAIN = re.compile(r"_duplicated_\d+$")
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]")
_HINT = re.compile(r"(?i)sep=.?")
_LOOKED_AT = 20  # cells of a column
_OFTEN = 2  # cells equal to their heading


def check_heading(path: Path, frame: pl.DataFrame) -> None:
    """Refuse a file whose first line is a row like the others: as a heading it would be lost, silently.

    Such a line names a file that ends as images do, above other such files; or it consists of numbers and dates alone,
    above others in its columns, that do not count the columns (0, 1, 2, as a data frame without names is written) or
    years; or of numbers above numbers and of words that occur again as cells of their own columns; or it occurs again
    as a whole. Where that may be a coincidence, as in files of a single column, a warning says how the line was read.

    Raises:
        DataError: with the line, and what to do.
    """
    names = [_AGAIN.sub("", name) for name in frame.columns]
    if _HINT.fullmatch(names[0]) and not any(names[1:]):
        raise DataError(f"{path}: the first line ({names[0]}) is a hint for Excel, not a heading; delete it.")
    if names[0].startswith(("[", "{")) and names[0].lstrip("[{ ")[:1] in ('"', ""):
        raise DataError(f"{path} looks like JSON by its first line. JSON Lines end in .jsonl; else write a table.")
    found = _looks_like_a_row(frame, names)
    first = f"the first line ({', '.join(names[:6])}{', ...' if len(names) > 6 else ''})"
    if found is not None:
        if frame.width == 1 and " " in names[0].strip():
            raise DataError(
                f"{path}: {first} looks like a row of cells with blanks between them. Read it in Python with "
                "Table.from_csv(path, delimiter=' ', heading=['file', 'label']), or write commas for the blanks."
            )
        files = any(_is_file(name) for name in frame.columns)
        example = "file,label" if files else "x,y,target" if frame.width > 1 else "x"
        raise DataError(
            f"{path}: {first} looks like a row, not like a heading: {found}. Write a line with the names of the "
            f"columns above it; or give them as heading=[...] (--heading {example}). If it is a heading: heading=True "
            "(--heading yes)."
        )
    again = _line_again(frame) if all(names) else None
    if again is not None and frame.width > 1:
        raise DataError(
            f"{path}: {first} stands there again {again + 1} lines below. If files were joined, delete it there. If "
            "the file has no heading: heading=False (--heading no). If the row is meant: heading=True (--heading yes)."
        )
    counts = frame.select((pl.col(name) == name).sum() for name in frame.columns).row(0)
    often = next((name for name, count in zip(names, counts, strict=True) if count >= _OFTEN), None)
    alone = frame.width == 1 and (again is not None or (names[0] == "0" and _kinds(frame[names[0]]) == {"number"}))
    if often is not None or alone:
        name = often or names[0]
        warnings.warn(
            f"{path}: the first line is taken as the names of the columns, though {name!r} looks like a cell of its "
            "column. If that line is a row: heading=False (--heading no).",
            stacklevel=4,
        )


def _looks_like_a_row(frame: pl.DataFrame, names: list[str]) -> str | None:
    """Why the first line must be a row; None if it need not be."""
    file = next((name for name in frame.columns if _names_file(name) and _files(frame[name])), None)
    if file is not None:
        return f"{file!r} is the name of a file"
    written = [name for name in names if name]
    if len(written) > 1 and all(map(_NUMBER.fullmatch, written)):
        return None if _counts(written) else "it holds numbers alone"
    plain = {_kind(name) for name in written} <= {"number", "date"}
    alike = all(_kinds(cells) == {_kind(name)} for name, cells in zip(names, frame, strict=True) if name)
    if written and plain and alike and not (len(written) == 1 and written[0] == "0"):
        what = " and ".join(sorted({_kind(name) + "s" for name in written}, reverse=True))
        return f"it holds {what} alone, above others"
    again = _cell_again(frame)
    return None if again is None else f"it holds numbers, and {again!r} is also a cell of its column"


def _kind(cell: str) -> str:
    """What a cell is written as: "number", "date" or "word"."""
    return "number" if _NUMBER.fullmatch(cell) else "date" if _DATE.fullmatch(cell) else "word"


def _kinds(cells: pl.Series) -> set[str]:
    """What the first cells of a column are written as."""
    return {_kind(cell) for cell in cells.drop_nulls().head(_LOOKED_AT).to_list()}


def _line_again(frame: pl.DataFrame) -> int | None:
    """The first row whose cells are the headings."""
    same = pl.all_horizontal(pl.col(name) == _AGAIN.sub("", name) for name in frame.columns)
    found = frame.select(pl.arg_where(same)).to_series()
    return int(found[0]) if len(found) else None


def _cell_again(frame: pl.DataFrame) -> str | None:
    """A heading that occurs as a cell of its column, where all others do too or are numbers above numbers."""
    words = [name for name in frame.columns if not _NUMBER.fullmatch(name)]
    if len(words) == frame.width or not words or not frame.height:
        return None
    numbers = [name for name in frame.columns if name not in words]
    above = all(_kinds(frame[name]) <= {"number"} for name in numbers)
    return words[0] if above and all((frame[name] == name).any() for name in words) else None


def _counts(numbers: list[str]) -> bool:
    """Whether these are whole numbers in a row, such as 2019, 2020, 2021."""
    if not all(number.strip().isdigit() for number in numbers):
        return False
    whole = [int(number) for number in numbers]
    return whole == list(range(whole[0], whole[0] + len(whole)))


def _is_file(name: str) -> bool:
    return PurePosixPath(name.replace("\\", "/")).suffix.lower() in (*IMAGE_ENDINGS, *AUDIO_ENDINGS)


def _names_file(cell: str) -> bool:
    """Whether a cell is the name of a file, or has one among words with blanks between them: `a.png 3`."""
    return _is_file(cell) or any(map(_is_file, cell.split()))


def _files(cells: pl.Series) -> bool:
    few = cells.drop_nulls().head(_LOOKED_AT).to_list()
    return bool(few) and all(map(_names_file, few))


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
    names = {name: plain for name in frame.columns if (plain := _INVISIBLE.sub("", name).strip()) not in (name, "")}
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
        what = "blanks and invisible characters" if any(map(_INVISIBLE.search, names)) else "blanks"
        frame = frame.with_columns(pl.col(cells).str.strip_chars(" \t"))
        warnings.warn(
            f"{source}: {what} around {'headings and ' if names else ''}cells are left out, in the columns "
            f"{', '.join(map(repr, dict.fromkeys([*names.values(), *cells])))}.",
            stacklevel=4,
        )
    return frame


def without_blank_lines(
    frame: pl.DataFrame, content: Path | bytes, delimiter: str, *, heading: bool = True
) -> pl.DataFrame:
    """The rows without blank lines; in a single column a blank line is a missing value and stays, and so does `,,`."""
    empty = pl.all_horizontal(pl.all().is_null())
    if frame.width < 2 or not frame.select(empty.any()).item():
        return frame
    blank = blank_rows(content, frame.height, delimiter, heading=heading)
    return frame if blank is None else frame.filter(~pl.Series(blank))
