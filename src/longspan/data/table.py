"""Samples as rows, values as typed columns, read only when they are needed."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import polars as pl

from longspan.columns import Category, Column, Image, MultiLabel, Number, Raw
from longspan.data.readers.series import cells_of
from longspan.data.readers.table_sources import TableSources
from longspan.errors import ConfigError, DataError, unknown_name
from longspan.randomness import permutation

if TYPE_CHECKING:
    from longspan.data.splits.split import Split

__all__ = ["Table"]


@final
class Table(TableSources):
    """Rows with typed columns. Every method gives a new table; files and arrays are never copied or written to.

    A cell of an `Image` or `Mask` column is a path, or the row number of an image in `arrays[name]`. Any cell may be
    missing: None, or NaN where a data frame has nothing else for it.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        columns: Mapping[str, Column],
        *,
        arrays: Mapping[str, np.ndarray] | None = None,
        root: Path | None = None,
        source: str = "table",
    ) -> None:
        """Wrap a frame of raw cells; the class methods below are the usual way in.

        Args:
            frame: One row per sample; every name in `columns` is one of its columns.
            columns: What each value means.
            arrays: Images held in memory, uint8 `(N, H, W)` or `(N, H, W, C)`; the cell is the position in it.
            root: Folder that relative image paths start from.
            source: Where the rows come from, for messages.
        """
        for name in columns:
            if name not in frame.columns:
                raise unknown_name("column", name, frame.columns)
        self.frame = frame
        self.columns = dict(columns)
        self.arrays = dict(arrays or {})
        self.root = root
        self.source = source

    # --- looking -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of rows."""
        return self.frame.height

    def __getitem__(self, row: int) -> dict[str, Any]:
        """One row: raw values by column name."""
        return {name: self.value(row, name) for name in self.columns}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows in order."""
        return (self[row] for row in range(len(self)))

    def column(self, name: str) -> Column:
        """The column called `name`; UnknownNameError with the nearest name if there is none."""
        if name not in self.columns:
            raise unknown_name("column", name, self.columns)
        return self.columns[name]

    def column_values(self, name: str) -> list[Any]:
        """All raw values of one column, None where missing; images as paths or arrays."""
        self.column(name)
        cells = self.frame[name].to_list()
        if name in self.arrays:
            return [None if cell is None else self.arrays[name][cell] for cell in cells]
        if self.columns[name].in_files:
            return [self._path(cell) for cell in cells]
        return cells

    def value(self, row: int, name: str) -> Any:
        """One raw value, None where missing."""
        self.column(name)
        cell = self.frame[name][row]
        if cell is None:
            return None
        if name in self.arrays:
            return self.arrays[name][cell]
        if isinstance(cell, pl.Series):
            return cell.to_list()
        return self._path(cell) if self.columns[name].in_files else cell

    def where(self, row: int, name: str) -> str:
        """Where a value stands, for messages: the file of an image, else row and column."""
        cell = self.frame[name][row]
        if isinstance(cell, str) and self.columns[name].in_files:
            return str(self._path(cell))
        return f"{self.source}, row {row}, column {name!r}"

    def __repr__(self) -> str:
        """Rows and columns in one line."""
        columns = ", ".join(f"{name}: {type(column).__name__}" for name, column in self.columns.items())
        return f"Table({len(self)} rows; {columns})"

    def _repr_html_(self) -> str:
        """The first rows with their images, for notebooks."""
        shown = range(min(len(self), 8))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{self._cell_html(row, name)}</td>" for name in self.columns) + "</tr>"
            for row in shown
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{len(self):,} rows</p>"

    def _cell_html(self, row: int, name: str) -> str:
        value = self.value(row, name)
        return "<i>missing</i>" if value is None else self.columns[name].show_html(value)

    def _path(self, cell: Any) -> Any:
        if isinstance(cell, str) and self.root is not None:
            return str(self.root / cell)
        return cell

    # --- other tables from this one ------------------------------------------------------------------------------

    def with_column(
        self, name: str, column: Column, values: Callable[[dict[str, Any]], Any] | Iterable[Any] | None = None
    ) -> Table:
        """This table with one more column, or with another meaning for one it has.

        Args:
            name: New, or that of a column to replace.
            column: What the values mean.
            values: A function of a row (a dict of raw values), or one value per row. None keeps the cells. Images are
                paths, or arrays or Pillow images of one size.

        Raises:
            DataError: the function raises, or the values are too few, too many or of several types.
        """
        if values is None:
            self.column(name)
            return self._with(self.frame, columns={**self.columns, name: column})
        given = self._apply(values, f"the function for column {name!r}") if callable(values) else values
        series, pixels = cells_of(name, column, given)
        if len(series) != len(self):
            raise DataError(f"Column {name!r} has {len(series)} values for {len(self)} rows.")
        arrays = {k: v for k, v in self.arrays.items() if k != name}
        if pixels is not None:
            arrays[name] = pixels
        return self._with(self.frame.with_columns(series), columns={**self.columns, name: column}, arrays=arrays)

    def select(self, *names: str) -> Table:
        """Only these columns."""
        columns = {name: self.column(name) for name in names}
        arrays = {k: v for k, v in self.arrays.items() if k in columns}
        return self._with(self.frame.select(names), columns=columns, arrays=arrays)

    def filter(self, keep: Callable[[dict[str, Any]], bool] | pl.Expr) -> Table:
        """The rows for which a function of the row, or a polars expression over the raw cells, is true."""
        if isinstance(keep, pl.Expr):
            try:
                return self._with(self.frame.filter(keep))
            except pl.exceptions.PolarsError as error:
                raise DataError(f"filter({keep}) cannot be computed: {str(error).splitlines()[0]}.") from error
        return self.take(np.flatnonzero([bool(kept) for kept in self._apply(keep, "the filter")]))

    def take(self, rows: Sequence[int] | np.ndarray) -> Table:
        """These rows, in this order; or the rows where a mask, one True or False per row, is true."""
        numbers = np.asarray(rows)
        if numbers.dtype == bool:
            if numbers.shape != (len(self),):
                raise ConfigError(f"take() got a mask {numbers.shape} for {len(self)} rows.")
            numbers = np.flatnonzero(numbers)
        return self._with(self.frame[numbers.astype(np.int64)])

    def sample(self, n: int, *, seed: int = 0) -> Table:
        """`n` rows at random, without repeats, in their old order; the same `seed` always gives the same rows."""
        if not 0 <= n <= len(self):
            raise ConfigError(f"sample(n={n}) from a table of {len(self)} rows; n must be between 0 and {len(self)}.")
        return self.take(np.sort(permutation(seed, "sample", 0, len(self))[:n].numpy()))

    def concat(self, other: Table) -> Table:
        """The rows of both; a column that only one of them has is missing in the other's rows.

        Raises:
            DataError: a column means, or holds, something else in the other table.
        """
        both = self.columns.keys() & other.columns.keys()
        for name in sorted(both):
            if self.columns[name].kind != other.columns[name].kind:
                raise DataError(
                    f"Column {name!r} is {self.columns[name].kind} in one table and {other.columns[name].kind} in the "
                    "other; give one of them another meaning with with_column, or another name."
                )
        mine, theirs = self._absolute(), other._absolute()
        arrays = {**theirs.arrays, **mine.arrays}
        for name in mine.arrays.keys() & theirs.arrays.keys():
            if mine.arrays[name].shape[1:] != theirs.arrays[name].shape[1:]:
                raise DataError(
                    f"Images in {name!r} have shape {mine.arrays[name].shape[1:]} and {theirs.arrays[name].shape[1:]}"
                    "; bring them to one size first."
                )
            arrays[name] = np.concatenate([mine.arrays[name], theirs.arrays[name]])
            shifted = theirs.frame.with_columns(pl.col(name) + len(mine.arrays[name]))
            theirs = theirs._with(shifted)
        mixed = [n for n in both if (n in mine.arrays) != (n in theirs.arrays)]
        if mixed:
            raise DataError(f"Images in {mixed[0]!r} are files in one table and arrays in the other; use one form.")
        for name in sorted(both):
            held = [_sort(table.frame[name].dtype) for table in (mine, theirs)]
            if held[0] != held[1] and "nothing" not in held:
                raise DataError(f"Column {name!r} holds {held[0]} in one table and {held[1]} in the other.")
        try:
            frame = pl.concat([mine.frame, theirs.frame], how="diagonal_relaxed")
        except pl.exceptions.PolarsError as error:
            raise DataError(f"The tables do not fit together: {str(error).splitlines()[0]}.") from error
        source = self.source if self.source == other.source else f"{self.source} + {other.source}"
        return Table(frame, _merged(self.columns, other.columns), arrays=arrays, source=source)

    def join(self, other: Table, *, on: str) -> Table:
        """Each row with the columns of the row of `other` that has the same value in `on`; missing where none has.

        Raises:
            DataError: `other` has a value of `on` twice, so that rows would multiply; or both have another column
                of one name.
        """
        for table in (self, other):
            table.column(on)
        twice = other.frame[on].drop_nulls()
        if twice.n_unique() != len(twice):
            repeated = twice.filter(twice.is_duplicated())[0]
            raise DataError(f"Cannot join on {on!r}: the second table has several rows with {repeated!r}.")
        clash = (self.columns.keys() & other.columns.keys()) - {on}
        if clash:
            raise DataError(f"Both tables have columns {sorted(clash)}; select or rename before joining on {on!r}.")
        mine, theirs = self._absolute(), other._absolute()
        try:
            frame = mine.frame.join(theirs.frame, on=on, how="left", maintain_order="left")
        except pl.exceptions.PolarsError as error:
            raise DataError(f"Cannot join on {on!r}: {str(error).splitlines()[0]}.") from error
        columns, arrays = _merged(self.columns, other.columns), {**theirs.arrays, **mine.arrays}
        return Table(frame, columns, arrays=arrays, source=self.source)

    def split(
        self,
        valid: float | int = 0.2,
        test: float | int = 0.0,
        *,
        seed: int = 0,
        stratify: str | None = "auto",
        time: str | None = None,
        group: str | None = None,
        column: Any = None,
    ) -> Split:
        """Which rows train, validate and test; see `longspan.data.splits.split.make_split`."""
        from longspan.data.splits.split import make_split

        return make_split(
            self, valid=valid, test=test, seed=seed, stratify=stratify, time=time, group=group, column=column
        )

    # --- helpers -------------------------------------------------------------------------------------------------

    def _with(
        self,
        frame: pl.DataFrame,
        *,
        columns: Mapping[str, Column] | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> Table:
        return Table(
            frame,
            self.columns if columns is None else columns,
            arrays=self.arrays if arrays is None else arrays,
            root=self.root,
            source=self.source,
        )

    def _apply(self, function: Callable[[dict[str, Any]], Any], what: str) -> list[Any]:
        """A user's function of every row; an error in it names the row."""
        results = []
        for row, sample in enumerate(self):
            try:
                results.append(function(sample))
            except Exception as error:
                shown = {name: f"<image {v.shape}>" if isinstance(v, np.ndarray) else v for name, v in sample.items()}
                raise DataError(
                    f"{self.source}, row {row}: {what} raised {type(error).__name__}: {error}. The row is {shown!r}."
                ) from error
        return results

    def _absolute(self) -> Table:
        """The same table with image paths that need no root, so that tables from two folders can stand together."""
        if self.root is None:
            return self
        frame = self.frame
        for name, column in self.columns.items():
            if column.in_files and name not in self.arrays and frame[name].dtype == pl.String:
                frame = frame.with_columns(pl.Series(name, [self._path(c) for c in frame[name]], dtype=pl.String))
        return Table(frame, self.columns, arrays=self.arrays, source=self.source)


def _merged(mine: Mapping[str, Column], theirs: Mapping[str, Column]) -> dict[str, Column]:
    """The columns of both in order; where both have one, the first table's meaning holds."""
    return {**mine, **{name: column for name, column in theirs.items() if name not in mine}}


def _sort(dtype: pl.DataType) -> str:
    if dtype == pl.Null:
        return "nothing"
    if dtype.is_numeric():
        return "numbers"
    return {pl.String: "text", pl.Boolean: "true or false", pl.List: "lists"}.get(dtype.base_type(), str(dtype))


def infer_column(series: pl.Series) -> Column:
    """What the values of a frame's column mean when nobody says: numbers, lists of labels, other lists, categories."""
    if series.dtype.is_numeric():
        return Number()
    if isinstance(series.dtype, pl.Struct):
        return Raw()
    if series.dtype == pl.Binary:
        return Image()
    if isinstance(series.dtype, pl.List):
        return Raw() if series.dtype.inner.is_nested() else MultiLabel()
    return Category()
