"""Whatever lies at a path, as a table: a folder of images, a table with their files, a description of annotations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from longspan.audio.audio_io import AUDIO_ENDINGS
from longspan.columns import Audio, Column, Image, Number
from longspan.data.annotations import read_coco
from longspan.data.annotations.faults import OnError
from longspan.data.annotations.files import IMAGE_ENDINGS, files_below
from longspan.data.readers.annotated_folder import coco_images, is_coco, read_annotated_folder, unread_annotations
from longspan.data.readers.box_columns import Corners, box_columns
from longspan.data.readers.box_rows import are_image_sizes, boxes_by_image, count_from_one
from longspan.data.readers.csv_files import Heading, head_of_table, read_csv
from longspan.data.readers.csv_lines import name_row
from longspan.data.readers.folder import read_folder
from longspan.data.readers.frames import read_json_lines
from longspan.data.readers.image_paths import ImagePaths, find_image_paths
from longspan.data.readers.json_lines import JSON_LINES
from longspan.data.readers.parquet_files import read_parquet
from longspan.data.readers.text_files import holds_texts, read_text_folder
from longspan.data.readers.yolo_project import read_yolo_project
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError, Fault, data_error, unknown_name
from longspan.storage.file_names import FileFinder
from longspan.storage.file_signatures import other_content

__all__ = ["TABLE_ENDINGS", "open_path"]

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".pq", *JSON_LINES)
_PARQUET = (".parquet", ".pq")
_TRANSCRIPTS = ("wav.scp", "*.trans.txt", "metadata.csv")
_MOST_FOLDERS = 1000
_CHARACTERS = (".csv", ".tsv", ".tab", ".txt")


def open_path(
    path: str | Path,
    columns: Mapping[str, Column] | None = None,
    *,
    image: str | None = None,
    images: bool = True,
    root: str | Path | None = None,
    suffix: str | None = None,
    boxes: bool | None = None,
    corners: Corners | None = None,
    instances: bool | None = None,
    on_error: OnError = "raise",
    heading: Heading = None,
    encoding: str | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> TableParts:
    """The rows of a folder, a table or a file of annotations.

    Args:
        path: A folder (see `read_annotated_folder` and `read_folder`); a data.yaml; COCO's JSON; or a table: .csv,
            .tsv, .txt, .jsonl or .parquet.
        columns: What columns of a table mean, where their values do not say it.
        image: Of a table the column with the images' files; else the name of the column of images. None: in a table
            the column whose cells name images.
        images: Whether a table may have such a column; False: its cells are what they are, whatever files there are.
        root: The folder that paths in a table or COCO file start from. None: that of the file; if the images are not
            there, the one folder below it in which they are.
        suffix: What is added to each cell of `image`, such as ".png". None: nothing; or what makes the cells files.
        boxes: Whether a table with a row for each box is read as one row for each image. None: if it has columns
            for boxes (see `box_columns`).
        corners: What the numbers of a box in a table or Pascal VOC's files are: its "edges"; first and last "pixels",
            counted from 1; "xywh", the upper left corner and the size; or "cxcywh", the centre and the size. None: in
            tables as the names of the columns say, in Pascal VOC's files pixels.
        instances: Whether there is a column of instances, where a format can have one; None: if there are any.
        on_error: "raise" refuses faulty annotations, all by name; "skip" leaves them out.
        heading: Of a CSV file: see `Table.from_csv`.
        encoding: Of a CSV file, or of text files in folders; None: UTF-8.
        tell: Called with a sentence about what was found.

    Raises:
        DataError: nothing there, or it cannot be read.
        ConfigError: the images of a table cannot be found, or in several places; or options that do not fit.
        UnknownNameError: a column that a table does not have.
    """
    path = Path(path)
    if heading is not None and (path.is_dir() or _ending(path) not in _CHARACTERS):
        raise ConfigError(f"heading= (--heading) is for .csv and .tsv files; leave it out for {path}.")
    if encoding is not None and not (holds_texts(path) if path.is_dir() else _ending(path) in _CHARACTERS):
        raise ConfigError(f"encoding= (--encoding) is for .csv and .tsv files and for texts; leave it out for {path}.")
    if path.is_dir():
        if root is not None or suffix is not None:
            raise ConfigError(f"root and suffix are for tables with paths; {path} is a folder.")
        found = read_annotated_folder(
            path, image=image or "image", corners=corners, instances=instances, on_error=on_error
        )
        if found is not None:
            tell(found[1])
            return found[0]
        if not files_below(path, IMAGE_ENDINGS):
            if files_below(path, AUDIO_ENDINGS):
                return _recordings(path, image or "audio", tell)
            if holds_texts(path):
                tell("a text in each file")
                return read_text_folder(path, encoding=encoding or "utf-8")
        tables = sorted(each.name for each in path.iterdir() if _lists_images(each))
        if tables:
            tell(f"labels from the folders alone; to read {tables[0]} instead, name it: {path / tables[0]}")
        parts = read_folder(path, image=image or "image")
        if (unread := unread_annotations(path)) is not None:
            said = f"{unread} annotation, which longspan does not read; export COCO, Pascal VOC or YOLO there"
            if len(parts.columns) == 1:
                raise DataError(f"{path} holds images without a class: {said}.")
            warnings.warn(f"{path}: {said}. The classes are those of the folders.", stacklevel=3)
        return parts
    if not path.is_file():
        raise DataError(f"There is no file or folder {path}.")
    ending = _ending(path)
    if ending in (".yaml", ".yml"):
        return read_yolo_project(path, image=image or "image", instances=instances, on_error=on_error)
    if ending == ".json":
        if not is_coco(path):
            raise DataError(
                f"{path} is not COCO's JSON: it should have images, annotations and categories. From labelme, Label "
                "Studio or the VGG Image Annotator: export COCO there."
            )
        folder = Path(root) if root is not None else coco_images(path)
        tell(f"COCO's JSON, with the images in {folder}")
        return read_coco(path, folder, image=image or "image", instances=instances, on_error=on_error)
    if ending not in TABLE_ENDINGS:
        with path.open("rb") as file:
            what = other_content(file.read(512))
        if what is not None:
            raise DataError(f"{path} is {what}.")
        raise DataError(
            f"{path} cannot be read as a table: its name ends in {ending or 'nothing'!r}. Give a folder, or a file "
            "that ends in .csv, .tsv, .jsonl, .parquet, .yaml or .json."
        )
    return _open_table(
        path,
        columns or {},
        image,
        root,
        suffix,
        boxes,
        corners,
        tell,
        images=images,
        heading=heading,
        encoding=encoding,
    )


def _recordings(path: Path, audio: str, tell: Callable[[str], None]) -> TableParts:
    """Recordings in a folder for each class."""
    listed = next((name for name in _TRANSCRIPTS if next(path.rglob(name), None) is not None), None)
    if listed is not None:
        raise DataError(
            f"{path} holds recordings and, in {listed}, what is said in them. Read both with --transcripts "
            "(Table.from_transcripts in Python)."
        )
    tell("recordings in a folder for each class")
    return read_folder(path, image=audio, endings=AUDIO_ENDINGS, holding="recording", column=Audio())


def _open_table(
    path: Path,
    columns: Mapping[str, Column],
    image: str | None,
    root: str | Path | None,
    suffix: str | None,
    boxes: bool | None,
    corners: Corners | None,
    tell: Callable[[str], None],
    *,
    images: bool,
    heading: Heading,
    encoding: str | None,
) -> TableParts:
    head = head_of_table(path, heading=heading, encoding=encoding)
    if image is not None and image not in head.columns:
        raise unknown_name(f"column (in {path})", image, head.columns)
    found = None if boxes is False else box_columns([name for name in head.columns if name not in columns])
    numbers = found.names if found is not None and found.form != "list" else ()
    unlikely = [name for name in head.columns if name in numbers or _counts_rows(head[name], name)]
    likely = head.drop(name for name in unlikely if name != image)
    files = _images_of(path, likely, columns, image, root, suffix) if images else None
    named: dict[str, Column] = dict(columns)
    if files is not None:
        given = columns.get(files.column)
        named[files.column] = given if given is not None and given.encodes_pixels else Image()
    if files is not None:
        named = {**dict.fromkeys(numbers, Number()), **named}
    start = files.root if files is not None else root
    if _ending(path) in _PARQUET:
        parts = read_parquet(path, named, root=start)
    elif _ending(path) in JSON_LINES:
        parts = read_json_lines(path, named, root=start)
    else:
        parts = read_csv(path, named, root=start, heading=heading, encoding=encoding, find=True)
    if files is None:
        return parts
    cells = parts.frame[files.column]
    if files.suffix or cells.dtype.is_integer():
        texts = cells.cast(pl.String) + files.suffix
        parts = replace(parts, frame=parts.frame.with_columns(texts.alias(files.column)))
    finder = FileFinder(files.root)
    parts = _as_spelled(parts, files.column, finder, tell)
    behind = f", with {files.suffix} added to each" if files.suffix else ""
    tell(f"images from column {files.column!r}, in {files.root}{behind}")
    if unlisted := _unlisted(parts.frame[files.column].drop_nulls().to_list(), files.root, finder):
        tell(
            f"{unlisted:,} image{'s' if unlisted > 1 else ''} beside those of the table "
            f"{'are' if unlisted > 1 else 'is'} not in it and left out"
        )
    if found is not None and corners is None and are_image_sizes(parts, files.column, found):
        found = None
    if boxes is True and found is None:
        raise DataError(
            f"{path} has no columns for boxes, such as xmin, ymin, xmax and ymax, or x, y, width and height, or bbox."
        )
    if found is not None:
        rows, from_one = parts.frame.height, corners is None and count_from_one(parts.frame, found)
        parts = boxes_by_image(parts, files.column, found, corners, tell)
        tell(
            f"boxes from {'columns' if len(found.names) > 1 else 'column'} {', '.join(found.names)}: "
            f"{_count(rows, 'line')} about {_count(parts.frame.height, 'image')}"
        )
        if not found.certain and corners is None:
            tell(
                f"{' and '.join(found.names[:2])} are taken as the upper left corner. If they are the centre: "
                "--corners cxcywh (corners='cxcywh' in Python)"
            )
        if from_one:
            tell(
                "they look like Pascal VOC's, whose pixels count from 1; here they are taken as edges, off by at most "
                "one pixel. If they are VOC's: --corners pixels (corners='pixels' in Python)"
            )
    return parts


def _lists_images(path: Path) -> bool:
    """Whether a file in a folder of images is a table that names images."""
    if path.suffix.lower() not in (".csv", ".tsv", ".parquet", *JSON_LINES) or not path.is_file():
        return False
    head = head_of_table(path, 5)
    cells = (str(cell) for name in head.columns for cell in head[name].drop_nulls().to_list())
    return any(PurePosixPath(cell.replace("\\", "/")).suffix.lower() in IMAGE_ENDINGS for cell in cells)


def _counts_rows(cells: pl.Series, name: str) -> bool:
    """Whether a column without a heading counts the rows, as the index of a data frame does."""
    return name.startswith("column_") and cells.to_list() in ([str(n + k) for n in range(len(cells))] for k in (0, 1))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _as_spelled(parts: TableParts, column: str, finder: FileFinder, tell: Callable[[str], None]) -> TableParts:
    """The table with the names of files as they are on the disk; see `FileFinder`.

    Raises:
        DataError: names that several files may have, all of them by line.
    """
    cells = parts.frame[column]
    if cells.dtype != pl.String:
        return parts
    spelled: dict[str, str] = {}
    faults: list[Fault] = []
    for row, cell in enumerate(cells.to_list()):
        if cell is None or cell in spelled:
            continue
        try:
            spelled[cell] = finder.find(cell) or cell
        except ValueError as error:
            faults.append(Fault(f"{parts.source}, {name_row(parts.lines, row)}, column {column!r}", str(error)))
    if faults:
        raise data_error("Some images cannot be found by their names:", faults)
    other = [cell for cell, found in spelled.items() if cell != found]
    if not other:
        return parts
    tell(
        f"{len(other):,} file{'s are' if len(other) > 1 else ' is'} spelled in another way than in the table, such as "
        f"{spelled[other[0]]!a} for {other[0]!a} (how letters are composed, the case of the ending, or "
        "backslashes); they are taken as the same"
    )
    names = [None if cell is None else spelled[cell] for cell in cells.to_list()]
    return replace(parts, frame=parts.frame.with_columns(pl.Series(column, names, dtype=pl.String)))


def _unlisted(cells: list[Any], root: Path, finder: FileFinder) -> int:
    """How many images lie in the folders of the table's images and are not in the table."""
    listed = {root / str(cell) for cell in cells}
    folders = {path.parent for path in listed}
    if len(folders) > _MOST_FOLDERS:
        return 0
    there = (folder / name for folder in folders for name in finder.names(folder))
    return sum(path.suffix.lower() in IMAGE_ENDINGS and path not in listed and path.name[0] != "." for path in there)


def _images_of(
    path: Path,
    head: pl.DataFrame,
    columns: Mapping[str, Column],
    image: str | None,
    root: str | Path | None,
    suffix: str | None,
) -> ImagePaths | None:
    """The column of images with folder and ending; None for a table without one.

    Raises:
        ConfigError: several would do, or what the caller says leads to no file.
    """
    declared = [name for name, column in columns.items() if column.encodes_pixels]
    if image is None and len(declared) == 1:
        image = declared[0]
    if image is None and declared:
        return None  # several inputs: paths as they are written
    others = [name for name in head.columns if name in columns and not columns[name].encodes_pixels]
    start = None if root is None else Path(root)
    if start is not None and not start.is_dir():
        raise ConfigError(f"root {start} (--root): there is no such folder.")
    found = find_image_paths(head.drop(others), path.parent, column=image, root=start, suffix=suffix)
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        places = "; ".join(
            f"{each.column!r} in {each.root}" + (f" with {each.suffix}" if each.suffix else "") for each in found[:6]
        )
        raise ConfigError(
            f"{path} may name its images in several ways: {places}. Choose with image= (--image), root= (--root) and "
            f"suffix= (--suffix); or, if {found[0].column!r} names none, say what it is (--column "
            f"{found[0].column}=number)."
        )
    if image is not None:
        # Bytes in Parquet, or files that are not there: reading them names each.
        return ImagePaths(image, start or path.parent, suffix or "")
    if root is not None or suffix is not None:
        raise ConfigError(
            f"No column of {path} names images below {start or path.parent}"
            + (f" with {suffix!r} after the name" if suffix else "")
            + f". Its columns begin {_begins(head)}. Say which column it is with image= (--image)."
        )
    return None


def _begins(head: pl.DataFrame) -> str:
    return ", ".join(f"{name}={head[name][0]!r}" for name in head.columns[:8]) if head.height else "with no row"


def _ending(path: Path) -> str:
    """The ending in small letters; of a packed file the one before .gz."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
