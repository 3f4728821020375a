"""What is told of the cells of a CSV column that look like something else than they are read as."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import polars as pl

from longspan.columns.feature_values import read_dates
from longspan.data.readers.odd_rows import TOTAL
from longspan.data.splits.timestamps import epoch_units

__all__ = ["remark_on_labels", "remark_on_numbers", "remark_on_shortened", "remark_on_words"]

_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$|^\s*[+-]?(?i:inf|infinity)\s*$"
_PADDED = r"^\s*[+-]?0[0-9]"
_MISSING_LABEL = (
    "nan", "n/a", "n.a.", "#n/a", "#na", "<na>", "na", "nat", "nil", "none", "null", "?", "--", r"\n",
    "#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!",
)  # fmt: skip
_BLANK = "\u00a0\u2007\u2009\u202f"
"""Blanks that do not break lines, which part thousands in French, Russian and others."""
_CURRENCY = r"[€$£¥₹]|[A-Z]{3}"
_WRITTEN_NUMBER = (
    rf"^\s*\(?(?:{_CURRENCY})?\s*[+\-\u2212\u2013]?\p{{Nd}}[\p{{Nd}}.,'\u2019 {_BLANK}]*\s*"
    r"((±|\+/-)\s*[0-9.,]+\s*)?(-|[%‰€$£¥₹]|[A-Za-z°µ]{1,4}\.?)?\)?\s*$"
)
_WRITTEN_SIGNS = (
    rf"[,%‰€$£¥₹'\u2019\u2212\u2013°µ()±{_BLANK}]|[0-9] [0-9]|[0-9]-\s*$|^\s*[A-Z]{{3}}\s*[0-9]|[^\P{{Nd}}0-9]"
)
_DAY_FIRST_OR_MONTH = r"^\s*[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}([0-9]{2})?(\s.*)?$"
_ISO_DATE = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$"
_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_NAMED_MONTH = (
    rf"^\s*[0-9]{{1,2}}\.?[ -]{_MONTH}[a-z]*\.?,?[ -][0-9]{{2,4}}(\s.*)?$"
    rf"|^\s*{_MONTH}[a-z]*\.? [0-9]{{1,2}},? [0-9]{{4}}(\s.*)?$"
)
_MADE_DATE = rf"^\s*([0-9]{{1,2}}-{_MONTH}|{_MONTH}-[0-9]{{2}})\s*$"
_DAY_COUNT = r"^\s*[2-6][0-9]{4}(\.[0-9]+)?\s*$"
_SCALES = ("k", "K", "M", "G", "T", "B", "kB", "KB", "MB", "GB")
_UNIT = r"([A-Za-z]{1,4})\.?\s*$"
_MOSTLY, _FEW_CELLS = 0.8, 10
_SHORTENED = r"^\s*[0-9](\.[0-9]{1,5})?E\+(1[1-9]|20)\s*$"
_CLOCK = r"^\s*-?[0-9]{1,3}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?\s*([AaPp]\.?[Mm]\.?)?\s*$"
_FAR = 1000
_NAMED_ROWS = 5
_SENTINELS = (-999, -9999, -99999, -999.0, -9999.0, -99999.0)


def remark_on_numbers(numbers: pl.Series, source: str) -> None:
    """Warn of numbers that probably mean something else: -999 for nothing, moments counted in two units."""
    least = numbers.min()
    if least in _SENTINELS:
        rest, times = numbers.filter(numbers != least), int((numbers == least).sum())
        if times > 1 and len(rest) and float(rest.min()) > float(least) / 10:  # type: ignore[arg-type]
            _tell(
                numbers,
                source,
                f"{least:g} ({times} cells) is read as a quantity, far below all others. If it means that the value is "
                "missing, leave those cells empty.",
            )
    known = numbers.drop_nulls()
    most, next_most = known.top_k(2).to_list() if len(known) >= _FEW_CELLS else (0, 0)
    if next_most > 0 and next_most * _FAR <= most < float("inf"):
        _tell(
            numbers,
            source,
            f"{most:,.15g} is more than {_FAR:,} times the next number, {next_most:,.15g}. Is it a slip, or in another "
            "unit?",
        )
    units = epoch_units(known.to_numpy())
    if len(units) > 1:
        _tell(
            numbers,
            source,
            f"the numbers look like moments since 1970, some in {' and others in '.join(units)}. They are read as they "
            "are: write all of them in one unit.",
        )


def remark_on_shortened(cells: pl.Series, source: str) -> None:
    """Warn of numbers such as 1.23E+11, as which spreadsheets show, and save, long identifiers."""
    short = cells.str.contains(_SHORTENED)
    if 2 * int(short.sum()) > len(cells):
        _tell(
            cells,
            source,
            f"cells such as {cells.filter(short)[0]} ({int(short.sum()):,}) are what a spreadsheet makes of long "
            "numbers such as identifiers; their last digits are lost. Export the column as text if it names something.",
        )


def remark_on_words(cells: pl.Series, source: str) -> None:
    """Warn of labels that look like words for a missing value: 'None' may also be a class."""
    words = cells.str.to_lowercase().is_in(_MISSING_LABEL)
    if words.any() and not words.all():
        found = cells.filter(words)
        _tell(
            cells,
            source,
            f"{', '.join(map(repr, sorted(found.unique().to_list())[:5]))} ({len(found)} cell"
            f"{'s' if len(found) > 1 else ''}) is read as a label. If it means that there is no label, leave those "
            "cells empty.",
        )


def remark_on_labels(present: pl.Series, source: str, where: Callable[[int], str]) -> None:
    """Warn of labels that look like numbers or dates: 1,5 and 10 % and 12 kg, a few texts among numbers, 2/3/24.

    Args:
        present: The cells of a column; missing ones are None.
        source: The file.
        where: What a row is called, by its number.
    """
    cells = present.drop_nulls()
    said = _like_numbers(cells) or _like_dates(cells) or _like_others(cells) or _mostly_numbers(present, where)
    if said:
        _tell(cells, source, said)


def _like_numbers(cells: pl.Series) -> str:
    few = cells.head(1000)
    units = few.str.extract(_UNIT)  # 1st, 2nd, 7a and 7b are labels
    one_unit = units.n_unique() == 1 and units.null_count() == 0
    signs = few.str.contains(_WRITTEN_SIGNS) | few.str.contains(r"[0-9]\s*[A-Za-z]{1,4}\.?\s*$")
    scaled = units.is_in(_SCALES) | units.is_null()
    parts = few.str.contains(r"[0-9][.,][0-9]").any() or (scaled.all() and units.n_unique() > 1)  # 12.5N, 1k and 3M
    lettered = not one_unit and not parts and units.null_count() < len(few)
    if not few.str.contains(_WRITTEN_NUMBER).all() or not signs.any() or lettered or len(few) < 2:
        return ""
    return (
        f"cells such as {few.filter(signs)[0]!r} look like numbers, but commas, signs and units make them labels. "
        "Write plain numbers with a point; if labels are meant, say Category() (--column NAME=category)."
    )


def _like_dates(cells: pl.Series) -> str:
    few = cells.head(1000)
    iso, other = few.str.contains(_ISO_DATE), few.str.contains(_DAY_FIRST_OR_MONTH) | few.str.contains(_NAMED_MONTH)
    days = few.str.contains(_DAY_COUNT)
    if iso.any() and not iso.all() and (iso | other).all():
        return (
            f"dates are written in two ways, such as {few.filter(iso)[0]} and {few.filter(~iso)[0]}; they are read as "
            "labels. Write all of them as 2026-01-31."
        )
    if days.any() and (iso | other).any() and (iso | other | days).all():
        return (
            f"some cells are dates, such as {few.filter(~days)[0]}, and others numbers, such as {few.filter(days)[0]}, "
            "with which spreadsheets count days; all are read as labels. Write all of them as 2026-01-31."
        )
    if iso.all():
        wrong = cells.filter(cells.str.contains(_ISO_DATE) & read_dates(cells).is_null())
        if len(wrong) and not wrong.str.contains("[T ]").any():
            return f"{wrong[0]} ({len(wrong):,} such cells) is not in the calendar; all are read as labels."
        return ""
    if few.str.contains(_DAY_FIRST_OR_MONTH).all():
        return (
            f"cells such as {few[0]!r} look like dates, but do not say whether the day or the month comes first; they "
            "are read as labels. Write dates as 2026-01-31."
        )
    if other.all():
        return f"cells such as {few[0]!r} look like dates; they are read as labels. Write dates as 2026-01-31."
    made = cells.str.contains(_MADE_DATE)
    if made.any() and not made.all():
        return (
            f"cells such as {cells.filter(made)[0]!r} ({int(made.sum()):,}) among other labels look like names that a "
            "spreadsheet has turned into dates, as MARCH1 becomes 1-Mar. Correct them where the names come from."
        )
    return ""


def _like_others(cells: pl.Series) -> str:
    few = cells.head(1000)
    if few.str.starts_with("=").all():
        return f"cells such as {few[0]!r} are formulas, not their values. Save the sheet with values."
    if few.str.contains(_CLOCK).all():
        return (
            f"cells such as {few[0]!r} look like times or durations; they are read as labels. As numbers: write hours "
            "or seconds. With a date: 2026-01-31T12:30."
        )
    return ""


def _mostly_numbers(present: pl.Series, where: Callable[[int], str]) -> str:
    cells = present.drop_nulls()
    numbers = cells.str.contains(_NUMBER) & ~cells.str.contains(_PADDED)
    count, name = int(numbers.sum()), str(cells.name)
    mostly = len(cells) >= _FEW_CELLS and _MOSTLY * len(cells) <= count < len(cells)
    unit = count > 1 and count == len(cells) - 1 and not numbers[0]  # a row of units below the heading
    if not mostly and not unit and not (count and name in cells):
        return ""
    odd = cells.filter(~numbers).unique(maintain_order=True)
    if len(odd) == 1 and TOTAL.fullmatch(odd[0]) and not numbers[-1]:
        return ""  # told of the whole row
    heading = f", the heading itself ({name!r} again: were files joined?)" if name in odd else ""
    words = ~(present.str.contains(_NUMBER) & ~present.str.contains(_PADDED)).fill_null(True)
    rows = [where(row) for row in words.arg_true().head(_NAMED_ROWS).to_list()]
    more = ", ..." if len(cells) - count > len(rows) else ""
    return (
        f"{count:,} of {len(cells):,} cells are numbers, but others, such as {odd[0]!r}{heading} "
        f"({', '.join(rows)}{more}), make all of them labels. Correct these rows, or say what is meant: --column "
        "NAME=category or NAME=number."
    )


def _tell(cells: pl.Series, source: str, what: str) -> None:
    warnings.warn(f"{source}, column {cells.name!r}: {what}", stacklevel=7)
