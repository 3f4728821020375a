"""YOLO's text files: one for each image; a line has a class number and a box or a polygon, in fractions of its sides.

Source: the data set format of Ultralytics YOLO (detection and segmentation), which is that of darknet with polygons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from longspan.columns import Boxes, Image, Instances
from longspan.data.annotations.annotation_series import boxes_cells, instances_cells
from longspan.data.annotations.class_lists import class_names
from longspan.data.annotations.faults import Faults, OnError, left_of
from longspan.data.annotations.files import ImageFiles, existing_folder, files_below, read_text, stem_of
from longspan.data.annotations.geometry import checked_box, checked_polygons, number_of
from longspan.data.table import Table
from longspan.errors import ConfigError, DataError

__all__ = ["read_yolo"]

_LIMIT_BYTES = 16 << 20
_MOST_CLASSES = 1 << 31  # above, a number is an accident
_NO_LABELS = ("classes.txt", "labels.txt", "readme.txt", "notes.txt")  # what annotating tools leave beside the labels


def read_yolo(
    annotations: str | Path,
    images: str | Path,
    names: str | Path | Sequence[str] | Mapping[int, str] | None = None,
    *,
    no_file: Literal["empty", "missing"] = "empty",
    image: str = "image",
    on_error: OnError = "raise",
) -> Table:
    """The images of a folder with the boxes, and where there are polygons the instances, in text files.

    Args:
        annotations: The folder of text files; `sub/a.txt` belongs to the image `sub/a.jpg`.
        images: The folder of images.
        names: Names by class number: a list, a dict, the data set's YAML file, or a text file with one a line. None:
            labels are the numbers.
        no_file: An image without a text file has no objects ("empty"), or nobody has looked ("missing"). An image
            whose file is empty has none.
        image: Name of the image column.
        on_error: "raise" refuses all and names every fault; "skip" leaves bad lines out and warns once. An image
            whose file cannot be read then has a missing value.

    Returns:
        A row for each image, sorted by name, with `image`, `boxes`, and `instances` if any line is a polygon; a box
        without a polygon in such a folder is a fault.

    Raises:
        DataError: folders that are not there, or faults; `faults` lists them all.
    """
    if no_file not in ("empty", "missing"):
        raise ConfigError(f"no_file must be 'empty' or 'missing', got {no_file!r}.")
    folder = existing_folder(annotations, "text files")
    name_of = None if names is None else class_names(names)
    faults = Faults(str(folder), on_error)
    pictures = ImageFiles(images)
    written = {stem_of(path): path for path in files_below(folder, (".txt",))}
    written = {k: v for k, v in written.items() if k in pictures.by_stem or v.rpartition("/")[2] not in _NO_LABELS}
    if not written:
        raise DataError(f"The folder {folder} holds no text file with labels.")
    for stem, path in written.items():
        found = pictures.by_stem.get(stem, [])
        if len(found) != 1:
            what = f"may be about {' or '.join(found)}" if found else f"there is no image {stem}.* in {pictures.folder}"
            faults.add(path, what, "Put it there, or delete the text file." if not found else "Keep one of them.")
    boxes: list[list[Any] | None] = []
    things: list[list[Any] | None] = []
    bare: list[tuple[str, str]] = []
    for picture in pictures.paths:
        text = written.get(stem_of(picture))
        if text is None:
            boxes.append([] if no_file == "empty" else None)
            things.append([] if no_file == "empty" else None)
            continue
        rows = _read(folder / text, text, picture, pictures, name_of, faults)
        boxes.append(None if rows is None else [row[1] for row in rows])
        outlined = [row[2] for row in rows or () if row[2] is not None]
        things.append(None if rows is None else left_of(outlined, len(rows) - len(outlined)))
        bare += [(row[0], picture) for row in rows or () if row[2] is None]
    polygons = any(things)
    for where, picture in bare if polygons else ():
        faults.add(f"{where} ({picture})", "it is a box, while other lines are polygons", "Make it one, or delete it.")
    faults.close()
    vocab = tuple(name_of.values()) if name_of is not None else ()
    frame = pl.DataFrame([pl.Series(image, map(pictures.full, pictures.paths)), boxes_cells("boxes", boxes)])
    columns: dict[str, Any] = {image: Image(), "boxes": Boxes(vocab=vocab)}
    if polygons:
        frame = frame.with_columns(instances_cells("instances", things))
        columns["instances"] = Instances(vocab=vocab)
    return Table(frame, columns, source=str(folder))


def _read(
    path: Path, text: str, picture: str, pictures: ImageFiles, name_of: dict[int, str] | None, faults: Faults
) -> list[tuple[str, dict[str, Any], dict[str, Any] | None]] | None:
    """Place, box and, where it is a polygon, instance of each line; None where file or all lines cannot be read."""
    try:
        lines = read_text(path, limit_bytes=_LIMIT_BYTES).splitlines()
        size = pictures.size_px(picture) if any(line.strip() for line in lines) else (1, 1)
    except ValueError as error:
        faults.add(f"{text} ({picture})", error)
        return None
    rows, bad = [], 0
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts:
            continue
        where = f"{text}, line {number}"
        try:
            rows.append((where, *_row(parts, size, name_of)))
        except ValueError as error:
            faults.add(f"{where} ({picture})", error)
            bad += 1
    return left_of(rows, bad)


def _row(
    parts: list[str], size: tuple[int, int], name_of: dict[int, str] | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Box and instance of one line."""
    key, values = number_of(parts[0]), [number_of(part) for part in parts[1:]]
    if not key.is_integer() or not 0 <= key < _MOST_CLASSES:
        raise ValueError(f"the class {parts[0]!r:.40} is no whole number from 0 on")
    if name_of is not None and int(key) not in name_of:
        raise ValueError(f"there is no class {int(key)}: the list has {len(name_of)}, {min(name_of)} to {max(name_of)}")
    label = int(key) if name_of is None else name_of[int(key)]
    height, width = size
    if len(values) == 4:
        x, y, w, h = values
        if w < 0 or h < 0:
            raise ValueError(f"width and height of the box are {w:g} and {h:g}, but cannot be below 0")
        corners = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
        return {"box": _fractions(corners, size, values), "label": label}, None
    if len(values) == 5:
        raise ValueError("five numbers behind the class: is the last a score? Labels have none")
    if len(values) % 2 or len(values) < 4:
        raise ValueError(f"{len(values)} numbers behind the class; a box has 4, a polygon x and y for each point")
    points = [value * (width, height)[i % 2] for i, value in enumerate(values)]
    try:
        (polygon,) = checked_polygons([points], size)
    except ValueError as error:
        raise _with_hint(error, values) from None
    box = checked_box([min(polygon[0::2]), min(polygon[1::2]), max(polygon[0::2]), max(polygon[1::2])], size)
    return {"box": box, "label": label}, {"polygons": [polygon], "label": label}


def _fractions(corners: list[float], size: tuple[int, int], values: list[float]) -> list[float]:
    try:
        return checked_box(corners, size)
    except ValueError as error:
        raise _with_hint(error, values) from None


def _with_hint(error: ValueError, values: list[float]) -> ValueError:
    if max(values) > 2:
        return ValueError(f"{error}. Numbers should be fractions of width and height, 0 to 1; these look like pixels")
    return error
