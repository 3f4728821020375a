"""What the cells of a CSV column are, all of which are texts: whole numbers, numbers, true or false, or text.

A column becomes numbers only if nothing that is written is lost: 007 and 20-digit ids stay text, and so do dates.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import polars as pl

from longspan.columns import Column
from longspan.data.readers.cell_remarks import (
    remark_on_labels,
    remark_on_numbers,
    remark_on_shortened,
    remark_on_words,
)

__all__ = ["typed_cells"]

_MINUS_ZERO = r"^\s*-0*\.?0*\s*$"
_WHOLE = r"^-?(0|[1-9][0-9]{0,17})$"
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$|^\s*[+-]?(?i:inf|infinity)\s*$"
_PLAIN = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$"
_PADDED = r"^\s*[+-]?0[0-9]"
_LONG = r"^\s*[+-]?[0-9]{19,}\s*$"
_POWER = r"^[0-9]+[eE][0-9]+$"
_LARGEST_EXPONENT = 30
_WHOLE_FLOAT = r"^-?(0|[1-9][0-9]*)\.0$"
_MISSING_NUMBER = (
    "nan", "n/a", "n.a.", "na", "<na>", "nat", "nil", "none", "null", r"\n", "#n/a", "#na", "#value!", "#ref!",
    "#div/0!", "#num!", "#name?", "#null!", "-", "--", "?", ".", "",
)  # fmt: skip
_DIALLED = r"^\s*\+[0-9]{7,}\s*$"
_BOOLEAN = ("true", "false")
_TRUE, _FALSE = ("true", "yes", "y", "t", "on", "1"), ("false", "no", "n", "f", "off", "0")


def typed_cells(
    series: pl.Series, column: Column | None, source: str, where: Callable[[int], str] = "row {}".format
) -> pl.Series:
    """A column of text as what it holds.

    Args:
        series: The cells as they are written; empty ones are "" or None.
        column: What a person says the column means, which decides; None: the cells do.
        source: The file, for warnings.
        where: What a row is called in them, by its number.

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
        remark_on_words(cells, source)
        if kind is None:
            remark_on_labels(present, source, where)
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
    ids = ids or (not declared and cells.str.contains(_DIALLED).all())  # +4915112345678 is no quantity
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
        remark_on_numbers(whole := known.cast(pl.Int64), source)
        return whole
    numbers = known.str.strip_chars().str.strip_prefix("+").cast(pl.Float64)
    if not declared:
        texts = cells.unique(maintain_order=True)
        texts = texts.filter(~texts.str.contains(_MINUS_ZERO))  # rounded, as -0.0 is, not named
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
    remark_on_numbers(numbers, source)
    remark_on_shortened(cells, source)
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
