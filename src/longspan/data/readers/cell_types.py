"""What the cells of a CSV column are, all of which are texts: whole numbers, numbers, true or false, or text.

A column becomes numbers only if nothing that is written is lost: 007 and 20-digit ids stay text, and so do dates.
"""

from __future__ import annotations

import warnings

import polars as pl

from longspan.columns import Column

__all__ = ["typed_cells"]

_WHOLE = r"^-?(0|[1-9][0-9]{0,17})$"
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$|^\s*[+-]?(?i:inf|infinity)\s*$"
_PLAIN = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$"
_PADDED = r"^\s*[+-]?0[0-9]"
_LONG = r"^\s*[+-]?[0-9]{19,}\s*$"
_POWER = r"^[0-9]+[eE][0-9]+$"
_LARGEST_EXPONENT = 30
_WHOLE_FLOAT = r"^-?(0|[1-9][0-9]*)\.0$"
_MISSING_NUMBER = ("nan", "n/a", "na", "none", "null", "#n/a", "#na", "#value!", "-", "--", "?", ".", "")
_MISSING_LABEL = ("nan", "n/a", "n.a.", "#n/a", "#na", "<na>", "na", "none", "null", "?", "--", "#value!", "#ref!")
_WRITTEN_NUMBER = r"^\s*\(?[€$£]?\s*[+\-\u2212\u2013]?[0-9][0-9.,' ]*\s*([%€$£]|[A-Za-z°µ]{1,4}\.?)?\)?\s*$"
_WRITTEN_SIGNS = r"[,%€$£'\u2212\u2013°µ()]|[0-9] [0-9]"
_DAY_FIRST_OR_MONTH = r"^\s*[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}([0-9]{2})?(\s.*)?$"
_ISO_DATE = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$"
_UNIT = r"([A-Za-z]{1,4})\.?\s*$"
_MOSTLY, _FEW_CELLS = 0.8, 10
_SENTINELS = (-999, -9999, -99999, -999.0, -9999.0, -99999.0)
_BOOLEAN = ("true", "false")
_TRUE, _FALSE = ("true", "yes", "y", "t", "on", "1"), ("false", "no", "n", "f", "off", "0")


def typed_cells(series: pl.Series, column: Column | None, source: str) -> pl.Series:
    """A column of text as what it holds.

    Args:
        series: The cells as they are written; empty ones are "" or None.
        column: What a person says the column means, which decides; None: the cells do.
        source: The file, for warnings.

    Returns:
        Text, whole numbers, numbers or booleans; empty cells are missing. Text that is declared `Text` keeps quoted
        empty cells.
    """
    kind = None if column is None else column.kind
    if kind == "text":
        return series
    present = series.set(series == "", None) if (series == "").any() else series
    present = _without_blank_cells(present, source)
    cells = present.drop_nulls()
    if not len(cells) or (column is not None and (column.in_files or column.json_cells)):
        return present
    if kind in ("number", None):
        numbers = _numbers(present, source, declared=kind == "number")
        if numbers is not None:
            return numbers
    elif kind == "category" and cells.str.contains(_WHOLE).all() and not (cells == "-0").any():
        return present.cast(pl.Int64)
    elif kind == "category" and cells.str.contains(_WHOLE_FLOAT).all():  # whole numbers beside missing ones in pandas
        return present.cast(pl.Float64)
    if kind in ("category", None):
        small = cells.str.to_lowercase()
        if small.is_in(_BOOLEAN).all():
            return present.str.to_lowercase() == "true"
        flag = _spelled_truth(present, column, source)
        if flag is not None:
            return flag
        _warn_of_words(series.name, small, cells, source)
        if kind is None:
            _warn_of_number_words(str(series.name), cells, source)
    return present


def _without_blank_cells(present: pl.Series, source: str) -> pl.Series:
    """Cells that hold nothing but blanks are missing, as empty ones are."""
    blank = present.str.contains(r"^\s+$").fill_null(False)
    if not blank.any():
        return present
    warnings.warn(
        f"{source}, column {present.name!r}: {int(blank.sum())} cell{'s' if blank.sum() > 1 else ''} of blanks alone "
        f"{'are' if blank.sum() > 1 else 'is'} read as missing.",
        stacklevel=4,
    )
    return present.set(blank, None)


def _spelled_truth(present: pl.Series, column: Column | None, source: str) -> pl.Series | None:
    """True and false where one of them is written in several ways, such as yes, Yes, TRUE and 1; None otherwise.

    A column of yes and no, each always spelled alike, keeps its words as labels.
    """
    if any(not isinstance(label, bool) for label in getattr(column, "vocab", ())):
        return None  # a saved model knows its labels
    spellings = present.drop_nulls().unique(maintain_order=True).to_list()
    plain = [spelling.strip().lower() for spelling in spellings]
    if not set(plain) <= {*_TRUE, *_FALSE} or set(plain) <= {"0", "1"}:
        return None
    yes = [spelling for spelling, word in zip(spellings, plain, strict=True) if word in _TRUE]
    no = [spelling for spelling, word in zip(spellings, plain, strict=True) if word in _FALSE]
    if not yes or not no or len(spellings) == 2:
        return None
    warnings.warn(
        f"{source}, column {present.name!r}: {', '.join(map(repr, yes))} are read as true and "
        f"{', '.join(map(repr, no))} as false. If they mean several classes, give each a word of its own.",
        stacklevel=4,
    )
    return present.str.strip_chars().str.to_lowercase().is_in(_TRUE)


def _numbers(present: pl.Series, source: str, *, declared: bool) -> pl.Series | None:
    """The numbers of a column in which other words mean that nothing is there; None if it is not one of numbers."""
    if present.str.contains(_PLAIN).all():  # nothing of what follows is in doubt; of ten thousand columns most are so
        return _as_numbers(present, present.drop_nulls(), source, declared=declared)
    words = present.str.strip_chars().str.to_lowercase().is_in(_MISSING_NUMBER).fill_null(False)
    known = present.set(words, None) if words.any() else present
    cells = known.drop_nulls()
    if not len(cells):
        return known.cast(pl.Float64, strict=False) if declared else None
    if not cells.str.contains(_NUMBER).all():
        return known if declared else None  # declared: each cell that is not a number is a fault with its row
    ids = not declared and (cells.str.contains(_PADDED).any() or cells.str.contains(_LONG).any())
    if ids or (not declared and _powers_are_names(str(present.name), cells, source)):
        return None
    spelled = present.filter(words).unique().to_list()
    unusual = sorted(word for word in spelled if word.strip().lower() != "nan")
    if unusual:
        warnings.warn(
            f"{source}, column {present.name!r}: {', '.join(map(repr, unusual[:5]))} ({words.sum()} "
            f"cell{'s' if words.sum() > 1 else ''}) among numbers is read as missing.",
            stacklevel=5,
        )
    return _as_numbers(known, cells, source, declared=declared)


def _as_numbers(known: pl.Series, cells: pl.Series, source: str, *, declared: bool) -> pl.Series:
    """Cells that are all numbers or missing, as numbers; `cells` are those that are there."""
    if cells.str.contains(_WHOLE).all():
        _warn_of_sentinel(whole := known.cast(pl.Int64), source)
        return whole
    numbers = known.str.strip_chars().str.strip_prefix("+").cast(pl.Float64)
    if not declared:
        texts = cells.unique(maintain_order=True)
        values = texts.str.strip_chars().str.strip_prefix("+").cast(pl.Float64, strict=False)
        again = texts.filter(values.is_duplicated()).to_list()
        if again:
            one, *_ = again
            other = next(text for text in again[1:] if float(text) == float(one))
            warnings.warn(
                f"{source}, column {known.name!r}: some cells, such as {one} and {other}, are different texts and "
                "one number; they are read as numbers. If they are names, say Category() or Text() (--column "
                "NAME=text).",
                stacklevel=6,
            )
    _warn_of_sentinel(numbers, source)
    return numbers


def _powers_are_names(name: str, cells: pl.Series, source: str) -> bool:
    """Whether cells such as 3e4 are names and not 30,000; either is said, because the file does not tell.

    They are names where all cells look so, or where one of them would be too large for a quantity; beside other whole
    numbers they are numbers. With decimal points or signs in the column nothing is in doubt.
    """
    powers = cells.str.contains(_POWER)
    if not powers.any() or not (powers | cells.str.contains(_WHOLE)).all():
        return False
    exponents = cells.filter(powers).str.extract(r"(?i)e([0-9]+)$").cast(pl.Float64)
    names = bool(powers.all()) or float(exponents.max()) > _LARGEST_EXPONENT  # type: ignore[arg-type]
    read = "text" if names else "numbers"
    other = "numbers are meant, say Number() (--column NAME=number)"
    if not names:
        other = "they are names, say Category() or Text() (--column NAME=text)"
    warnings.warn(
        f"{source}, column {name!r}: cells such as {cells.filter(powers)[0]} ({int(powers.sum()):,}) are read as "
        f"{read}. If {other}.",
        stacklevel=6,
    )
    return names


def _warn_of_sentinel(numbers: pl.Series, source: str) -> None:
    """Say that -999 and the like count as quantities, where they probably mean that nothing was measured."""
    least = numbers.min()
    if least in _SENTINELS:
        rest, times = numbers.filter(numbers != least), int((numbers == least).sum())
        if times > 1 and len(rest) and float(rest.min()) > float(least) / 10:  # type: ignore[arg-type]
            warnings.warn(
                f"{source}, column {numbers.name!r}: {least:g} ({times} cells) is read as a quantity, far below all "
                "others. If it means that the value is missing, leave those cells empty.",
                stacklevel=6,
            )


def _warn_of_number_words(name: str, cells: pl.Series, source: str) -> None:
    """Say that cells such as 1,5 or 10 % or 12 kg are read as labels, or that a few texts stand among numbers."""
    few = cells.head(1000)
    units = few.str.extract(_UNIT)  # 1st, 2nd, 7a and 7b are labels
    one_unit = units.n_unique() == 1 and units.null_count() == 0
    signs = few.str.contains(_WRITTEN_SIGNS) | one_unit
    lettered = not one_unit and units.null_count() < len(few)
    if few.str.contains(_WRITTEN_NUMBER).all() and signs.any() and not lettered and len(few) > 1:
        warnings.warn(
            f"{source}, column {name!r}: cells such as {few.filter(signs)[0]!r} look like numbers, but commas, signs "
            "and units make them labels. Write plain numbers with a point; if labels are meant, say Category() "
            "(--column NAME=category).",
            stacklevel=5,
        )
        return
    iso = few.str.contains(_ISO_DATE)
    if iso.any() and not iso.all() and (iso | few.str.contains(_DAY_FIRST_OR_MONTH)).all():
        warnings.warn(
            f"{source}, column {name!r}: dates are written in two ways, such as {few.filter(iso)[0]} and "
            f"{few.filter(~iso)[0]}; they are read as labels. Write all of them as 2026-01-31.",
            stacklevel=5,
        )
        return
    if few.str.contains(_DAY_FIRST_OR_MONTH).all():
        warnings.warn(
            f"{source}, column {name!r}: cells such as {few[0]!r} look like dates, but do not say whether the day or "
            "the month comes first; they are read as labels. Write dates as 2026-01-31.",
            stacklevel=5,
        )
        return
    numbers = cells.str.contains(_NUMBER) & ~cells.str.contains(_PADDED)
    count = int(numbers.sum())
    mostly = len(cells) >= _FEW_CELLS and _MOSTLY * len(cells) <= count < len(cells)
    if mostly or (count and name in cells):
        odd = cells.filter(~numbers).unique(maintain_order=True)
        heading = f", the heading itself ({name!r} again: were files joined?)" if name in odd else ""
        warnings.warn(
            f"{source}, column {name!r}: {count:,} of {len(cells):,} cells are numbers, but others, such as "
            f"{odd[0]!r}{heading}, make all of them labels. Correct these rows, or say what is meant: --column "
            f"NAME=category or NAME=number.",
            stacklevel=5,
        )


def _warn_of_words(name: str, small: pl.Series, cells: pl.Series, source: str) -> None:
    """Say which labels look like words for a missing value: 'None' may also be a class."""
    words = small.is_in(_MISSING_LABEL)
    if words.any() and not words.all():
        found = cells.filter(words)
        warnings.warn(
            f"{source}, column {name!r}: {', '.join(map(repr, sorted(found.unique().to_list())[:5]))} ({len(found)} "
            f"cell{'s' if len(found) > 1 else ''}) is read as a label. If it means that there is no label, leave those "
            "cells empty.",
            stacklevel=5,
        )
