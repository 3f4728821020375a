"""YOLO's text files: one for each image; a line has a class number and a box or a polygon, in fractions of its sides.

Source: the data set format of Ultralytics YOLO (detection and segmentation), which is that of darknet with polygons.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from longspan.columns import Boxes, Image, Instances
from longspan.data.annotations.annotation_series import boxes_cells, instances_cells, warn_of_copies
from longspan.data.annotations.class_lists import class_names, warn_of_other_lists, warn_of_shift
from longspan.data.annotations.faults import Faults, OnError, left_of
from longspan.data.annotations.files import ImageFiles, existing_folder, files_below, lines_of, read_text, stem_of
from longspan.data.annotations.yolo.lines import (
    YoloLine,
    keypoints_message,
    looks_like_keypoints,
    numbers_in,
    read_line,
)
from longspan.data.annotations.yolo.yaml_file import read_yaml
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError

__all__ = ["read_yolo"]

_LIMIT_BYTES = 16 << 20
_NO_LABELS = ("classes.txt", "labels.txt", "readme.txt", "notes.txt")  # what annotating tools leave beside the labels


def read_yolo(
    annotations: str | Path,
    images: str | Path,
    names: str | Path | Sequence[str] | Mapping[int, str] | None = None,
    *,
    instances: bool | None = None,
    kpt_shape: tuple[int, int] | None = None,
    no_file: Literal["empty", "missing"] = "empty",
    image: str = "image",
    on_error: OnError = "raise",
    is_whole: bool = True,
) -> TableParts:
    """The images of a folder with the boxes, and where there are polygons the instances, in text files.

    Args:
        annotations: The folder of text files; `sub/a.txt` belongs to the image `sub/a.jpg`.
        images: The folder of images.
        names: Names by class number: a list, a dict, the data set's YAML file, or a text file whose line n names class
            n - 1. None: the numbers are the labels.
        instances: Whether there is a column of instances. False reads the boxes of all lines, also around polygons.
            None: if any line is a polygon; a box among polygons is then a fault, for it has no outline.
        kpt_shape: (number of key points, 2 or 3 numbers each), as in the YAML file of a pose data set, where it is
            found without this argument. The boxes of such lines are read and their key points left out, with a
            warning. (0, 0): lines are polygons, whatever they look like.
        no_file: An image without a text file has no objects ("empty"), or was not annotated ("missing"). An image
            whose file is empty has none.
        image: Name of the image column.
        on_error: "raise" refuses all and names every fault; "skip" leaves bad lines out and warns once. An image
            whose file cannot be read then has a missing value.
        is_whole: Whether this folder is the whole data set, so that a class which never occurs says something.

    Returns:
        A row for each image, sorted by name, with `image`, `boxes` and perhaps `instances`.

    Raises:
        DataError: folders that do not exist, or faults; `faults` lists them all. Lines that look like key points of
            unknown shape are refused, because as polygons they would give wrong boxes.
        DependencyError: `names` is a YAML file, and PyYAML is not installed.
    """
    if no_file not in ("empty", "missing"):
        raise ConfigError(f"no_file must be 'empty' or 'missing', got {no_file!r}.")
    folder = existing_folder(annotations, "text files")
    name_of = None if names is None else class_names(names, colours=False)
    keypoints = _keypoint_shape(names) if kpt_shape is None else _checked_shape("kpt_shape", kpt_shape)
    faults = Faults(str(folder), on_error)
    files = ImageFiles(images)
    written = {stem_of(path): path for path in files_below(folder, (".txt",))}
    written = {k: v for k, v in written.items() if k in files.by_stem or v.rpartition("/")[2].lower() not in _NO_LABELS}
    if not written:
        raise DataError(f"The folder {folder} holds no text file with labels.")
    for stem, path in written.items():
        found = files.by_stem.get(stem, [])
        if len(found) != 1:
            what = f"may be about {' or '.join(found)}" if found else f"there is no image {stem}.* in {files.folder}"
            faults.add(path, what, "Put it there, or delete the text file." if not found else "Keep one of them.")
    read: list[list[YoloLine] | None] = []
    for name in files.paths:
        text = written.get(stem_of(name))
        if text is None:
            read.append([] if no_file == "empty" else None)
        else:
            read.append(_read(folder / text, text, name, files, name_of, keypoints, faults))
    read, copies = _without_copies(read)
    if copies:
        warn_of_copies(str(folder), copies)
    lines = [line for row in read for line in row or ()]
    if keypoints is None and looks_like_keypoints([line.values for line in lines]):
        raise DataError(keypoints_message(folder, lines[0]))
    if keypoints and keypoints[0] and any(line.box and len(line.values) > 5 for line in lines):
        count = sum(line.box is not None for line in lines)
        warnings.warn(
            f"{folder}: the boxes of {count} lines are read; their {keypoints[0]} key points are left out.",
            stacklevel=3,
        )
    polygons = instances is True or (instances is None and any(line.instance is not None for line in lines))
    for line in lines if polygons else ():
        if line.instance is None:
            faults.add(
                line.where,
                "it is a box, while other lines are polygons",
                "Make it one, or read the boxes of all lines: instances=False (--target boxes).",
            )
    faults.close()
    if name_of is not None:
        warn_of_other_lists(name_of, folder, names)
        if is_whole:
            warn_of_shift(name_of, {line.number for line in lines}, str(folder))
    vocab = tuple(name_of.values()) if name_of is not None else ()
    boxes = [None if row is None else left_of([line.box for line in row if line.box], _bad(row)) for row in read]
    frame = pl.DataFrame([pl.Series(image, map(files.full, files.paths)), boxes_cells("boxes", boxes)])
    columns: dict[str, Any] = {image: Image(), "boxes": Boxes(vocab=vocab)}
    if polygons:
        outlined = [
            None if row is None else left_of([i for line in row if (i := line.instance)], _bad(row, outlines=True))
            for row in read
        ]
        frame = frame.with_columns(instances_cells("instances", outlined))
        columns["instances"] = Instances(vocab=vocab)
    return TableParts(frame=frame, columns=columns, source=str(folder))


def _without_copies(read: list[list[YoloLine] | None]) -> tuple[list[list[YoloLine] | None], int]:
    """The lines of each file without those that say the same as another one; how many were."""
    kept: list[list[YoloLine] | None] = []
    for row in read:
        seen: dict[str, YoloLine] = {}
        for line in row or ():
            found = line.box or line.instance
            seen.setdefault(f"{found['label']} {line.values}" if found else line.where, line)
        kept.append(None if row is None else list(seen.values()))
    return kept, sum(len(row or ()) for row in read) - sum(len(row or ()) for row in kept)


def _bad(row: list[YoloLine], *, outlines: bool = False) -> int:
    """How many lines of a file give no box, or no outline."""
    return sum((line.instance if outlines else line.box) is None for line in row)


def _keypoint_shape(names: object) -> tuple[int, int] | None:
    """`kpt_shape` of the data set's YAML file; None without one."""
    if not isinstance(names, str | Path) or Path(names).suffix.lower() not in (".yaml", ".yml"):
        return None
    value = read_yaml(Path(names)).get("kpt_shape")
    if value is None:
        return None
    parts = [each.text or "" for each in value.items()]
    where = f"{names}, line {value.line}: kpt_shape"
    return _checked_shape(where, [int(part) if part.strip().isdecimal() else -1 for part in parts])


def _checked_shape(where: str, shape: Sequence[int]) -> tuple[int, int]:
    if len(shape) == 2 and (shape[1] in (2, 3) or tuple(shape) == (0, 0)) and 0 <= shape[0] <= 10_000:
        return shape[0], shape[1]
    raise ConfigError(f"{where} is (number of key points, 2 or 3 numbers for each), got {list(shape)!r}.")


def _read(
    path: Path,
    text: str,
    name: str,
    files: ImageFiles,
    name_of: dict[int, str] | None,
    keypoints: tuple[int, int] | None,
    faults: Faults,
) -> list[YoloLine] | None:
    """The lines of a file; None if it or its image cannot be read. A bad line has neither box nor outline."""
    try:
        lines = lines_of(read_text(path, limit_bytes=_LIMIT_BYTES))
        size = files.size_px(name) if any(line.strip() for line in lines) else (1, 1)
    except ValueError as error:
        faults.add(f"{text} ({name})", error)
        return None
    rows = []
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts:
            continue
        where = f"{text}, line {number} ({name})"
        try:
            rows.append(read_line(where, parts, size, name_of, keypoints))
        except ValueError as error:
            faults.add(where, error)
            rows.append(YoloLine(where, numbers_in(parts[1:])))
    return rows
