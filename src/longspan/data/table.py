"""Samples as rows, values as typed columns, read only when they are needed."""

from __future__ import annotations

import html
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, final, overload

import numpy as np
import polars as pl

from longspan.columns import Column, Features, Number
from longspan.data.annotations import (
    read_coco,
    read_coco_keypoints,
    read_instance_masks,
    read_masks,
    read_voc,
    read_wider,
    read_yolo,
)
from longspan.data.choose_features import choose_features
from longspan.data.combine import concat_rows, join_columns
from longspan.data.lags import lag_columns
from longspan.data.readers.captions import read_captions
from longspan.data.readers.csv_files import Heading, read_csv
from longspan.data.readers.csv_lines import RowLines, name_row
from longspan.data.readers.files_by_pattern import read_files
from longspan.data.readers.folder import read_folder
from longspan.data.readers.frames import read_arrays, read_frame
from longspan.data.readers.idx_files import read_idx
from longspan.data.readers.open_path import open_path
from longspan.data.readers.parquet_files import read_parquet, scan_parquet
from longspan.data.readers.series import cells_of
from longspan.data.readers.text_files import read_parallel, read_text_folder
from longspan.data.readers.transcripts import Layout, read_transcripts
from longspan.data.readers.yolo_project import read_yolo_project
from longspan.data.scanned_rows import ScannedRows
from longspan.data.splits.split import Split, make_split
from longspan.data.splits.time_split import Gap
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError, unknown_name
from longspan.randomness import permutation

if TYPE_CHECKING:
    from longspan.data.annotations.faults import OnError
    from longspan.data.readers.box_columns import Corners

__all__ = ["Table"]

_ROW = "longspan: row"  # of the whole table, while a filter is applied
_PART = 1 << 16
"""Cells that are looked at at a time."""


@final
class Table:
    """Rows with typed columns. Every method gives a new table; files and arrays are never copied or written to.

    A cell of an `Image` or `Mask` column is a path, or the row number of an image in `arrays[name]`. One of a column
    that stays in a file (see `scan`) is the position of its row there. Any cell may be missing: None, or NaN where a
    data frame has nothing else for it.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        columns: Mapping[str, Column],
        *,
        arrays: Mapping[str, np.ndarray | ScannedRows] | None = None,
        root: Path | None = None,
        source: str = "table",
        lines: RowLines | None = None,
    ) -> None:
        """Wrap a frame of raw cells; the class methods below are the usual way in.

        Args:
            frame: One row per sample; every name in `columns` is one of its columns, but for those that are made of
                others (`Column.sources`).
            columns: What each value means.
            arrays: Images held in memory, uint8 `(N, H, W)` or `(N, H, W, C)`, or rows of a file; the cell is the
                position in it.
            root: Folder that relative image paths start from.
            source: Where the rows come from, for messages.
            lines: In which lines of a file the rows stand, for messages.
        """
        there = set(frame.columns)  # polars makes the list anew each time it is asked
        for name, column in columns.items():
            if column.sources and name not in (arrays or {}):
                frame = _together(frame, name, column.sources, source)
            elif name not in there:
                raise unknown_name("column", name, frame.columns)
        self.frame = frame
        self.columns = dict(columns)
        self.arrays = dict(arrays or {})
        self.root = root
        self.source = source
        self.lines = lines

    @classmethod
    def of(cls, parts: TableParts) -> Self:
        """The table whose parts a reader gave."""
        return cls(
            parts.frame, parts.columns, arrays=parts.arrays, root=parts.root, source=parts.source, lines=parts.lines
        )

    # --- from files, frames and arrays ----------------------------------------------------------------------------

    @classmethod
    def read(
        cls,
        path: str | Path,
        columns: Mapping[str, Column] | None = None,
        *,
        image: str | None = None,
        root: str | Path | None = None,
        suffix: str | None = None,
        corners: Corners | None = None,
        heading: Heading = None,
        encoding: str | None = None,
    ) -> Table:
        """Whatever lies at a path, read as `longspan train PATH` reads it.

        A folder for each class; a folder with annotations of YOLO, COCO, Pascal VOC or masks; a data.yaml; COCO's JSON;
        a .csv, .tsv, .jsonl or .parquet file with paths of images, or with a row for each box. Where folders (or the
        file) say which part an image is in, there is a column `split`: `table.split(column="split")`.

        Args:
            path: The folder or file.
            columns: What columns of a table mean, where their values do not say it.
            image: Of a table the column with the images' files; else the name of the column of images.
            root: The folder that paths in a table start from. None: that of the file, or the one below it that has
                them.
            suffix: What stands after each path, such as ".png"; None: nothing, or what makes the cells files.
            corners: What the numbers of a box in a table or VOC's file are: its "edges", or its first and last "pixels"
                counted from 1. None: edges in tables, pixels in VOC's files.
            heading: Of a .csv or .tsv file; see `from_csv`.
            encoding: Of a .csv or .tsv file, or of text files in folders, as Python names it, such as "cp1252"; None:
                UTF-8.

        Raises:
            DataError: there is nothing, or it cannot be read.
            ConfigError: the images of a table may be read in several ways.
        """
        return cls.of(
            open_path(
                path, columns, image=image, root=root, suffix=suffix, corners=corners, heading=heading,
                encoding=encoding,
            )
        )  # fmt: skip

    @classmethod
    def from_files(cls, folder: str | Path, pattern: str, *, image: str = "image") -> Table:
        r"""Images or recordings below a folder whose paths match `pattern` as a whole; named groups become columns.

        Args:
            folder: Looked through with everything below it; hidden files are left out.
            pattern: A regular expression for the path with forward slashes: `r"(?P<breed>.+)_\d+\.jpg"`, or
                `r"(?P<digit>\d)/.*\.png"` where the folder says the class.
            image: Name of the image column. Where all files that match are sound, the column is called audio instead,
                unless another name is given.

        Raises:
            DataError: the folder does not exist, or nothing in it matches; the message shows what is there.
        """
        return cls.of(read_files(folder, pattern, image=image))

    @classmethod
    def from_folder(
        cls, folder: str | Path, *, image: str = "image", label: str = "label", split: str = "split"
    ) -> Table:
        """Images in a folder for each class, perhaps below folders train, valid (or val) and test.

        Args:
            folder: Looked through with everything below it; hidden files are left out.
            image: Name of the column of images.
            label: Name of the column of classes; there is none where the images lie in no folders.
            split: Name of the column that says which part an image is in, where folders do:
                `table.split(column="split")`.

        Raises:
            DataError: the folder does not exist or holds no image.
        """
        return cls.of(read_folder(folder, image=image, label=label, split=split))

    @classmethod
    def from_texts(
        cls,
        folder: str | Path,
        *,
        text: str = "text",
        label: str = "label",
        split: str = "split",
        encoding: str = "utf-8",
    ) -> Table:
        """Text files in a folder for each class, perhaps below folders train, valid and test.

        Args:
            folder: Looked through with everything below it; hidden files are left out.
            text: Name of the column of texts.
            label: Name of the column of classes.
            split: Name of the column that says which part a text is in, where folders do.
            encoding: Of the files, as Python names it, such as "latin-1".

        Raises:
            DataError: the folder holds no text file, or some are in another encoding, all of them by name.
        """
        return cls.of(read_text_folder(folder, text=text, label=label, split=split, encoding=encoding))

    @classmethod
    def from_parallel(cls, files: Mapping[str, str | Path], *, encoding: str = "utf-8") -> Table:
        """Text files of equally many lines, such as `{"en": "train.en", "fr": "train.fr"}`: a column for each.

        Args:
            files: By name of the column.
            encoding: Of the files, as Python names it, such as "latin-1".

        Raises:
            DataError: a file is not there, is not UTF-8, or has another number of lines.
        """
        return cls.of(read_parallel(files, encoding=encoding))

    @classmethod
    def from_captions(
        cls,
        path: str | Path,
        *,
        root: str | Path | None = None,
        on_error: OnError = "raise",
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> Table:
        """Images and captions in files of Flickr8k or COCO; see `longspan.data.readers.captions.read_captions`."""
        return cls.of(read_captions(path, root=root, on_error=on_error, tell=tell))

    @classmethod
    def from_transcripts(
        cls,
        path: str | Path,
        layout: Layout | None = None,
        *,
        root: str | Path | None = None,
        on_error: OnError = "raise",
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> Table:
        """Recordings and texts in a layout of speech data; see `longspan.data.readers.transcripts.read_transcripts`."""
        return cls.of(read_transcripts(path, layout, root=root, on_error=on_error, tell=tell))

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        columns: Mapping[str, Column] | None = None,
        *,
        root: str | Path | None = None,
        delimiter: str | None = None,
        heading: Heading = None,
        encoding: str | None = None,
    ) -> Table:
        """Rows of a CSV file. Columns not named in `columns` are typed by their values: numbers, else categories.

        Texts have to be named (`{"plate": Text()}`): then "007" keeps its zeros. Cells of `Boxes` and `Instances` are
        JSON: `[{"box": [x0, y0, x1, y1], "label": "cat"}]`, or bare boxes.

        Args:
            path: The file, which may be packed with gzip.
            columns: What columns mean, by name, where their values do not say it.
            root: The folder that the paths of images start from. None: the folder of the CSV file.
            delimiter: What stands between cells. None: a comma, in .tsv files a tab; a file whose heading has something
                else between its cells is refused by name (`Table.read` finds out). With semicolons 1,5 is one and a
                half.
            heading: True: the first line names the columns. False: it is a row, and the columns are called column_0,
                column_1 and so on; or their names: `["x", "y", "target"]`. None: it names the columns, and a line that
                looks like a row is refused.
            encoding: Of the file, as Python names it, such as "cp1252" or "utf-16"; None: UTF-8.

        Raises:
            DataError: the file does not exist, cannot be read, or has no rows.
        """
        return cls.of(read_csv(path, columns, root=root, delimiter=delimiter, heading=heading, encoding=encoding))

    @classmethod
    def from_parquet(
        cls, path: str | Path, columns: Mapping[str, Column] | None = None, *, root: str | Path | None = None
    ) -> Table:
        """Rows of a Parquet file; see `from_csv`."""
        return cls.of(read_parquet(path, columns, root=root))

    @classmethod
    def scan(
        cls,
        path: str | Path,
        keep: str | Sequence[str],
        columns: Mapping[str, Column] | None = None,
        *,
        leave_out: Sequence[str] | None = None,
        name: str = "features",
        **options: Any,
    ) -> Table:
        """Rows of a Parquet file that may be larger than memory: most of its columns stay in the file.

        The columns in `keep` are read; all others that can be features become one column of `Features`, whose rows are
        read some at a time: for statistics, and for encoded values, which go into memory, a file of the cache folder,
        or neither, as `Task` has it. Rows then train in an order of shuffled blocks (see `epoch_order`).

        Args:
            path: The file. Its row groups should be small: one of them must fit in memory.
            keep: Targets, and columns that the rows are split, grouped or weighed by.
            columns: What columns mean, by name, where their values do not say it.
            leave_out: Columns that are not features. None: those in `keep`.
            name: Of the column of features.
            **options: Of `Features`; see `with_features`.

        Raises:
            DataError: the file cannot be read, has no rows, or no column can be a feature.
            UnknownNameError: a column that it does not have.

        Example:
            >>> import tempfile
            >>> rows = pl.DataFrame({"age": [20, 30, 40, 50], "job": ["a", "b"] * 2, "rich": ["no", "yes"] * 2})
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     rows.write_parquet(f"{folder}/people.parquet")
            ...     table = ls.Table.scan(f"{folder}/people.parquet", keep="rich")
            ...     table, table.value(3, "features")
            (Table(4 rows; rich: Category, features: Features), {'age': 50, 'job': 'b'})
        """
        kept = (keep,) if isinstance(keep, str) else tuple(keep)
        if not kept:
            raise ConfigError("Table.scan needs columns to keep: the target at least.")

        def choose(frame: pl.DataFrame, meant: Mapping[str, Column]) -> Features:
            return choose_features(frame, meant, kept if leave_out is None else tuple(leave_out), **options)

        return cls.of(scan_parquet(path, kept, columns, name=name, choose=choose))

    @classmethod
    def from_frame(
        cls, frame: Any, columns: Mapping[str, Column] | None = None, *, root: str | Path | None = None
    ) -> Table:
        """Rows of any data frame that narwhals knows (polars, pandas, pyarrow, ...); see `from_csv`."""
        return cls.of(read_frame(frame, columns, root=root))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], columns: Mapping[str, Column]) -> Table:
        """Equally long arrays or lists; images as uint8 `(N, H, W)` or `(N, H, W, C)`."""
        return cls.of(read_arrays(arrays, columns))

    @classmethod
    def from_idx(
        cls, images: str | Path, labels: str | Path | None = None, *, image: str = "image", label: str = "label"
    ) -> Table:
        """MNIST's own format, gzipped or not: images, and if given their labels."""
        return cls.of(read_idx(images, labels, image=image, label=label))

    @classmethod
    def from_coco(
        cls,
        annotations: str | Path,
        images: str | Path,
        *,
        labels: Sequence[str] | None = None,
        instances: bool | None = None,
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images of a COCO JSON file with boxes and instances; see `longspan.data.annotations.read_coco`."""
        return cls.of(
            read_coco(annotations, images, labels=labels, instances=instances, image=image, on_error=on_error)
        )

    @classmethod
    def from_coco_keypoints(
        cls,
        annotations: str | Path,
        images: str | Path,
        *,
        label: str | None = None,
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images of a COCO JSON file with key points; see `longspan.data.annotations.read_coco_keypoints`."""
        return cls.of(read_coco_keypoints(annotations, images, label=label, image=image, on_error=on_error))

    @classmethod
    def from_voc(
        cls,
        annotations: str | Path,
        images: str | Path,
        *,
        labels: Sequence[str] | None = None,
        only: str | Path | Iterable[str] | None = None,
        no_file: Literal["empty", "missing"] = "empty",
        corners: Literal["pixels", "edges"] = "pixels",
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images with the boxes of Pascal VOC's XML files; see `longspan.data.annotations.read_voc`."""
        return cls.of(read_voc(
            annotations, images, labels=labels, only=only, no_file=no_file, corners=corners, image=image,
            on_error=on_error,
        ))  # fmt: skip

    @classmethod
    def from_yolo(
        cls,
        annotations: str | Path,
        images: str | Path,
        names: str | Path | Sequence[str] | Mapping[int, str] | None = None,
        *,
        instances: bool | None = None,
        kpt_shape: tuple[int, int] | None = None,
        no_file: Literal["empty", "missing"] = "empty",
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images with the boxes or polygons of YOLO's text files; see `longspan.data.annotations.read_yolo`."""
        return cls.of(read_yolo(
            annotations, images, names, instances=instances, kpt_shape=kpt_shape, no_file=no_file, image=image,
            on_error=on_error,
        ))  # fmt: skip

    @classmethod
    def from_yolo_project(
        cls,
        path: str | Path,
        *,
        instances: bool | None = None,
        image: str = "image",
        split: str = "split",
        on_error: OnError = "raise",
    ) -> Table:
        """All parts of a data set by Ultralytics or Roboflow, from its data.yaml.

        See `longspan.data.readers.yolo_project.read_yolo_project`. The column `split` says which part an image is in:
        `table.split(column="split")`.
        """
        return cls.of(read_yolo_project(path, instances=instances, image=image, split=split, on_error=on_error))

    @classmethod
    def from_masks(
        cls,
        images: str | Path,
        masks: str | Path,
        *,
        mask_name: str = "{stem}.png",
        pattern: str = r"(?P<stem>.+)\.[^./]+",
        codes: str | Path | Sequence[str] | Mapping[int, str] | None = None,
        colours: str | Path | Sequence[Sequence[int]] | None = None,
        ignored: Sequence[int | str] | None = None,
        image: str = "image",
        mask: str = "mask",
        on_error: OnError = "raise",
    ) -> Table:
        """Images with a mask of classes for each; see `longspan.data.annotations.read_masks`."""
        return cls.of(read_masks(
            images, masks, mask_name=mask_name, pattern=pattern, codes=codes, colours=colours, ignored=ignored,
            image=image, mask=mask, on_error=on_error,
        ))  # fmt: skip

    @classmethod
    def from_instance_masks(
        cls,
        images: str | Path,
        masks: str | Path,
        *,
        label: str = "object",
        mask_name: str = "{stem}.png",
        pattern: str = r"(?P<stem>.+)\.[^./]+",
        ignored: tuple[int, ...] = (),
        image: str = "image",
        on_error: OnError = "raise",
    ) -> Table:
        """Images with a mask of numbered objects for each; see `longspan.data.annotations.read_instance_masks`."""
        return cls.of(read_instance_masks(
            images, masks, label=label, mask_name=mask_name, pattern=pattern, ignored=ignored, image=image,
            on_error=on_error,
        ))  # fmt: skip

    @classmethod
    def from_wider(
        cls, annotations: str | Path, images: str | Path, *, image: str = "image", on_error: OnError = "raise"
    ) -> Table:
        """Images with the faces that a text file of WIDER FACE lists; see `longspan.data.annotations.read_wider`."""
        return cls.of(read_wider(annotations, images, image=image, on_error=on_error))

    # --- looking -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of rows."""
        return self.frame.height

    @overload
    def __getitem__(self, rows: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, rows: str) -> list[Any]: ...
    @overload
    def __getitem__(self, rows: slice) -> Table: ...

    def __getitem__(self, rows: int | str | slice) -> dict[str, Any] | list[Any] | Table:
        """One row, as raw values by column name; all values of one column, by its name; or a table of some rows.

        Raises:
            IndexError: there is no such row.
            UnknownNameError: there is no such column.

        Example:
            >>> table = ls.Table.from_arrays({"x": [1, 2, 3]}, {"x": ls.Number()})
            >>> table[-1], table["x"], table[:2]["x"]
            ({'x': 3}, [1, 2, 3], [1, 2])
        """
        if isinstance(rows, str):
            return self.column_values(rows)
        if isinstance(rows, slice):
            return self.take(np.arange(len(self))[rows])
        row = operator.index(rows)
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of a table with {len(self)} rows")
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
        if isinstance(self.arrays.get(name), ScannedRows):
            return [row for part in self.cell_parts(name, np.arange(len(self))) for row in part.to_list()]
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

    def cell_parts(self, name: str, rows: np.ndarray) -> Iterator[pl.Series]:
        """The cells of some rows of a column, in this order, at most 65,536 at a time; read where they lie in a file.

        Args:
            name: Of the column.
            rows: Row numbers, int64.
        """
        cells, held = self.frame[name], self.arrays.get(name)
        for at in range(0, len(rows), _PART):
            some = cells.gather(rows[at : at + _PART])
            yield held.cells(some.to_numpy().astype(np.int64)) if isinstance(held, ScannedRows) else some

    def where(self, row: int, name: str) -> str:
        """Where a value stands, for messages: the file of an image; else line, or the row's only file, and column."""
        cell = self.frame[name][row]
        if isinstance(cell, str) and self.columns[name].in_files:
            return str(self._path(cell))
        if self.lines is None and name in self.columns:
            files = [each for each, column in self.columns.items() if column.in_files]
            file = self.frame[files[0]][row] if len(files) == 1 else None
            if isinstance(file, str):
                return f"{self._path(file)}, column {name!r}"
        return f"{self.source}, {self.row_name(row)}, column {name!r}"

    def row_name(self, row: int) -> str:
        """A row in messages: its line in the file that it comes from; else its number, from 0 as in Python."""
        return name_row(self.lines, row)

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
            column: What the values mean; `Features` puts columns of this table together.
            values: A function of a row (a dict of raw values), or one value per row. None keeps the cells. Images are
                paths, or arrays or Pillow images of one size.

        Raises:
            DataError: the function raises, or the values are too few, too many or of several types.
        """
        for other, rows in self.arrays.items():
            if isinstance(rows, ScannedRows) and name in rows.names:
                raise ConfigError(
                    f"{name!r} is read from {rows.path} as a part of {other!r}. Write the new column to a Parquet file "
                    f"with the others, or keep this one: keep=[..., {name!r}]."
                )
        if values is None:
            if not column.sources:
                self.column(name)
            return self._with(self.frame, columns={**self.columns, name: column})
        given = self._apply(values, f"the function for column {name!r}") if callable(values) else values
        series, pixels = cells_of(name, column, given)
        if len(series) != len(self):
            raise DataError(f"Column {name!r} has {len(series)} values for {len(self)} rows.")
        arrays = {k: v for k, v in self.arrays.items() if k != name}
        if pixels is not None:
            arrays[name] = pixels
        # What was put together from the old cells is put together anew.
        frame = self.frame.with_columns(series)
        stale = [
            other
            for other, kind in self.columns.items()
            if name in kind.sources and other in frame.columns and set(kind.sources) <= set(frame.columns)
        ]
        return self._with(frame.drop(stale), columns={**self.columns, name: column}, arrays=arrays)

    def with_lags(
        self,
        column: str,
        *,
        time: str,
        group: str | None = None,
        lags: Sequence[Gap] = (),
        means: Sequence[Gap] = (),
        horizon: Gap,
    ) -> Table:
        """This table with columns of the past: what `column` was some time before, and its mean over a stretch.

        Args:
            column: A number, often the target.
            time: When each row was: dates, ISO 8601 text or numbers.
            group: Rows of one store, sensor or person have a past of their own.
            lags: How long before, such as "7d", "24h", or numbers in the unit of `time`; each adds a column. Missing
                where there is no row at that moment.
            means: Lengths of stretches that end `horizon` before the row; each adds a column with the mean over it.
            horizon: How long before a row its past is known. A shorter lag is refused: it is a leak.

        Raises:
            ConfigError: a lag below the horizon, or nothing to add.
            DataError: two rows of one group at one moment, or values that are not numbers.
            SplitError: values of `time` that have no order.
        """
        found = lag_columns(self, column, time=time, group=group, lags=lags, means=means, horizon=horizon)
        table = self
        for name, values in found.items():
            table = table.with_column(name, Number(), values)
        return table

    def with_features(self, targets: str | Sequence[str], name: str = "features", **options: Any) -> Table:
        """This table with one more column that puts all columns together that can be features, but for the targets.

        `print(table.columns[name].describe())` shows what was decided for each column, and why.

        Args:
            targets: What will be predicted, and whatever else must not be read.
            name: Of the new column.
            **options: Of `Features`, such as `scaling="quantile"`; `numbers`, `categories` and `dates` say what columns
                are, where their values do not.

        Raises:
            UnknownNameError: a target that the table does not have.
            DataError: no column can be a feature.

        Example:
            >>> rows = {"age": [20, 30, 40, 50], "job": ["a", "b", "a", "b"], "rich": ["no", "yes"] * 2}
            >>> table = Table.from_frame(pl.DataFrame(rows)).with_features("rich")
            >>> print(table.columns["features"].describe())
            age: number, 20 to 50
            job: category of 2 labels
            rich: left out, as asked
        """
        left_out = (targets,) if isinstance(targets, str) else tuple(targets)
        for each in left_out:
            self.column(each)
        return self.with_column(name, choose_features(self.frame, self.columns, left_out, **options))

    def select(self, *names: str) -> Table:
        """Only these columns."""
        columns = {name: self.column(name) for name in names}
        arrays = {k: v for k, v in self.arrays.items() if k in columns}
        cells = [each for name in names for each in (*(() if name in arrays else columns[name].sources), name)]
        return self._with(self.frame.select(list(dict.fromkeys(cells))), columns=columns, arrays=arrays)

    def filter(self, keep: Callable[[dict[str, Any]], bool] | pl.Expr) -> Table:
        """The rows for which a function of the row, or a polars expression over the raw cells, is true."""
        if isinstance(keep, pl.Expr):
            try:
                kept = self.frame.with_row_index(_ROW).filter(keep)
                return self._with(kept.drop(_ROW), rows=kept[_ROW].to_numpy())
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
        numbers = numbers.astype(np.int64)
        return self._with(self.frame[numbers], rows=numbers)

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
        return Table.of(concat_rows(self, other))

    def join(self, other: Table, *, on: str) -> Table:
        """Each row with the columns of the row of `other` that has the same value in `on`; missing where none has.

        Raises:
            DataError: `other` has a value of `on` twice, so that rows would multiply; or both have another column
                of one name.
        """
        return Table.of(join_columns(self, other, on=on))

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
        gap: Gap | None = None,
    ) -> Split:
        """Which rows train, validate and test; see `longspan.data.splits.split.make_split`."""
        return make_split(
            self, valid=valid, test=test, seed=seed, stratify=stratify, time=time, group=group, column=column, gap=gap
        )

    # --- helpers -------------------------------------------------------------------------------------------------

    def _with(
        self,
        frame: pl.DataFrame,
        *,
        columns: Mapping[str, Column] | None = None,
        arrays: Mapping[str, np.ndarray | ScannedRows] | None = None,
        rows: np.ndarray | None = None,
    ) -> Table:
        lines = self.lines if self.lines is None or rows is None else self.lines.take(rows)
        return Table(
            frame,
            self.columns if columns is None else columns,
            arrays=self.arrays if arrays is None else arrays,
            root=self.root,
            source=self.source,
            lines=lines,
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
                    f"{self.source}, {self.row_name(row)}: {what} raised {type(error).__name__}: {error}. The row is "
                    f"{shown!r}."
                ) from error
        return results


def _together(frame: pl.DataFrame, name: str, sources: Sequence[str], where: str) -> pl.DataFrame:
    """The frame with a column of structs made of others; one that is there already stays."""
    there = frame.schema.get(name)
    if isinstance(there, pl.Struct) and {field.name for field in there.fields} >= set(sources):
        return frame
    names = set(frame.columns)
    lacking = [each for each in sources if each not in names]
    if lacking:
        there = ", ".join(map(repr, frame.columns))
        raise DataError(
            f"{where} has no column {', '.join(map(repr, lacking))}, which {name!r} is made of; it has {there}."
        )
    return frame.with_columns(pl.struct(sources).alias(name))
