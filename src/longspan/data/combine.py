"""Two tables as one: the rows of both, or the columns of both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from longspan.columns import Column
from longspan.data.scanned_rows import ScannedRows
from longspan.data.table_parts import TableParts
from longspan.data.table_view import TableView
from longspan.errors import DataError

__all__ = ["concat_rows", "join_columns"]


def concat_rows(first: TableView, second: TableView) -> TableParts:
    """See `Table.concat`."""
    both = first.columns.keys() & second.columns.keys()
    for name in sorted(both):
        if first.columns[name].kind != second.columns[name].kind:
            raise DataError(
                f"Column {name!r} is {first.columns[name].kind} in one table and {second.columns[name].kind} in the "
                "other; give one of them another meaning with with_column, or another name."
            )
        _check_same_meaning(name, first.columns[name], second.columns[name])
    frames = [_absolute(first), _absolute(second)]
    mine, theirs = first.arrays, second.arrays
    arrays = {**theirs, **mine}
    for name in mine.keys() & theirs.keys():
        ours, others = mine[name], theirs[name]
        if isinstance(ours, ScannedRows) or isinstance(others, ScannedRows):
            raise DataError(
                f"The rows of {name!r} stay in files, and a table has one of them. Write both files as one Parquet "
                "file, and scan that."
            )
        if ours.shape[1:] != others.shape[1:]:
            raise DataError(
                f"Images in {name!r} have shape {ours.shape[1:]} and {others.shape[1:]}; bring them to one size first."
            )
        arrays[name] = np.concatenate([ours, others])
        frames[1] = frames[1].with_columns(pl.col(name) + len(ours))
    mixed = [n for n in both if (n in mine) != (n in theirs)]
    if mixed:
        raise DataError(f"Images in {mixed[0]!r} are files in one table and arrays in the other; use one form.")
    for name in sorted(both):
        held = [_sort(frame[name].dtype) for frame in frames]
        if held[0] != held[1] and "nothing" not in held:
            raise DataError(f"Column {name!r} holds {held[0]} in one table and {held[1]} in the other.")
        if first.columns[name].sources and set(first.columns[name].sources) != set(second.columns[name].sources):
            raise DataError(
                f"Column {name!r} is made of {', '.join(first.columns[name].sources)} in one table and of "
                f"{', '.join(second.columns[name].sources)} in the other."
            )
    try:
        frame = pl.concat(frames, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The tables do not fit together: {str(error).splitlines()[0]}.") from error
    source = first.source if first.source == second.source else f"{first.source} + {second.source}"
    return TableParts(frame=frame, columns=_merged(first.columns, second.columns), arrays=arrays, source=source)


def join_columns(first: TableView, second: TableView, *, on: str) -> TableParts:
    """See `Table.join`."""
    for table in (first, second):
        table.column(on)
    twice = second.frame[on].drop_nulls()
    if twice.n_unique() != len(twice):
        repeated = twice.filter(twice.is_duplicated())[0]
        raise DataError(f"Cannot join on {on!r}: the second table has several rows with {repeated!r}.")
    clash = (first.columns.keys() & second.columns.keys()) - {on}
    if clash:
        raise DataError(f"Both tables have columns {sorted(clash)}; select or rename before joining on {on!r}.")
    mine, theirs = _absolute(first), _absolute(second)
    try:
        frame = mine.join(theirs, on=on, how="left", maintain_order="left")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"Cannot join on {on!r}: {str(error).splitlines()[0]}.") from error
    columns, arrays = _merged(first.columns, second.columns), {**second.arrays, **first.arrays}
    return TableParts(frame=frame, columns=columns, arrays=arrays, source=first.source)


def _absolute(table: TableView) -> pl.DataFrame:
    """The cells with paths that need no root, so that tables from two folders can stand together."""
    frame = table.frame
    if table.root is None:
        return frame
    for name, column in table.columns.items():
        if column.in_files and name not in table.arrays and frame[name].dtype == pl.String:
            paths = [None if cell is None else str(table.root / cell) for cell in frame[name]]
            frame = frame.with_columns(pl.Series(name, paths, dtype=pl.String))
    return frame


def _merged(mine: Mapping[str, Column], theirs: Mapping[str, Column]) -> dict[str, Column]:
    """The columns of both in order; where both have one, the first table's meaning holds."""
    return {**mine, **{name: column for name, column in theirs.items() if name not in mine}}


def _sort(dtype: pl.DataType) -> str:
    if dtype == pl.Null:
        return "nothing"
    if dtype.is_numeric():
        return "numbers"
    kinds = {pl.String: "text", pl.Boolean: "true or false", pl.List: "lists", pl.Struct: "values by name"}
    return kinds.get(dtype.base_type(), str(dtype))


def _check_same_meaning(name: str, mine: Column, theirs: Column) -> None:
    """See that the cells of both columns can be read by the first one's settings.

    What is learned from training rows, or is the same by default, does not matter: only settings of both that differ.

    Raises:
        DataError: units, separators, stored numbers, colours or classes differ.
    """
    for setting in ("unit", "separator", "values", "ignored", "colours"):
        ours, others = getattr(mine, setting, None), getattr(theirs, setting, None)
        if ours != others:
            raise DataError(
                f"Column {name!r} has {setting}={ours!r} in one table and {setting}={others!r} in the other, so the "
                "same cell means two things. Convert one of them with with_column before joining them."
            )
    ours, others = tuple(getattr(mine, "vocab", ())), tuple(getattr(theirs, "vocab", ()))
    if ours and others and mine.kind == "mask" and ours != others:  # its cells are numbers, by place in the list
        raise DataError(
            f"Column {name!r} has the classes {', '.join(map(str, ours))} in one table and "
            f"{', '.join(map(str, others))} in the other, so the same number means two classes. "
            "Convert the masks of one of them."
        )
    if ours and others and set(ours) != set(others):
        only = sorted(set(ours) ^ set(others), key=str)
        raise DataError(
            f"Column {name!r} has other classes in one table than in the other: {', '.join(map(repr, only[:5]))}. Give "
            "both the same vocab with with_column."
        )
