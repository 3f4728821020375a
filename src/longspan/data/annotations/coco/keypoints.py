"""COCO's key points: named points of one object in each image, with whether they can be seen.

Source: the format page of the COCO data set (keypoint detection): a category lists the names, an annotation has three
numbers for each point, x, y and v: 0 not labelled, 1 labelled but hidden, 2 visible.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from longspan.columns import Image, Keypoints
from longspan.data.annotations.coco.file import categories_by_id, images_of, read_lists, some_categories
from longspan.data.annotations.coco.write import write_annotations
from longspan.data.annotations.faults import Faults, OnError
from longspan.data.annotations.files import ImageFiles
from longspan.data.annotations.geometry import numbers_of
from longspan.data.table_parts import TableParts
from longspan.errors import DataError, check_names

__all__ = ["read_coco_keypoints", "write_coco_keypoints"]

_HIDDEN, _VISIBLE = 1, 2


def read_coco_keypoints(
    annotations: str | Path,
    images: str | Path,
    *,
    label: str | None = None,
    image: str = "image",
    on_error: OnError = "raise",
) -> TableParts:
    """Images that a COCO file lists, with the key points of the one object in each.

    Args:
        annotations: The JSON file.
        images: The folder that `file_name` starts from.
        label: The category; None: the only one that has key points.
        image: Name of the image column.
        on_error: "raise" refuses the file and names every fault; "skip" gives such images a missing value and warns.

    Returns:
        A row for each image, in the file's order, with `image` and `points`; a missing value where the file labels no
        point. Names that differ in "left" and "right" alone are pairs, which change places in a mirrored image.

    Raises:
        DataError: the file cannot be read, or has faults, among them several objects with points in one image.
        UnknownNameError: no category of the file is called `label`.
    """
    path = Path(annotations)
    where, faults, files = path.name, Faults(str(path), on_error), ImageFiles(images)
    content = read_lists(path)
    label_of = categories_by_id(content["categories"], where, faults)
    names_of = {
        record.get("id"): record.get("keypoints") for record in content["categories"] if isinstance(record, dict)
    }
    named = {label_of[key]: names for key, names in names_of.items() if names and key in label_of}
    if not named:
        raise DataError(f"{path}: no category lists names of key points; it has {some_categories(label_of)}.")
    if label is None and len(named) > 1:
        raise DataError(f"{path}: key points of {', '.join(named)}. Name one of them, label={next(iter(named))!r}.")
    label = next(iter(named)) if label is None else label
    check_names(f"category with key points (in {path})", [label], named)
    names: list[str] = named[label]
    if not isinstance(names, list) or not all(isinstance(each, str) and each for each in names):
        raise DataError(f"{path}, category {label!r}: keypoints should be a list of names, got {str(names)[:80]}.")
    rows, row_of = images_of(content["images"], files, where, faults)
    points: list[dict[str, Any] | None] = [None] * len(rows)
    bad: set[int] = set()
    for number, record in enumerate(content["annotations"], start=1):
        if not isinstance(record, dict):
            faults.add(f"{where}, annotation number {number}", f"{str(record)[:40]!r} is not an annotation")
            continue
        key, category = record.get("image_id"), record.get("category_id")
        if not isinstance(category, Hashable) or label_of.get(category) != label or not record.get("keypoints"):
            continue
        row = row_of.get(key, -2) if isinstance(key, Hashable) else -2
        here = f"{where}, annotation {str(record.get('id', f'number {number}'))[:40]}"
        if row == -2:
            faults.add(here, f"there is no image with the id {key!r:.40}", "Correct image_id.")
            continue
        if row < 0 or rows[row][1] is None:  # its image is a fault of its own
            continue
        name, size = rows[row]
        assert size is not None
        try:
            found = _points(record["keypoints"], names, size)
            if found and points[row] is not None:
                raise ValueError("another object of this image has key points, and Keypoints hold those of one")
        except ValueError as error:
            faults.add(f"{here} ({name})", error, "Crop the image to one object, or leave it out.")
            bad.add(row)
            continue
        points[row] = found or points[row]
    faults.close()
    if not rows:
        raise DataError(f"{path} lists no image that is in {files.folder}.")
    cells = pl.Series(
        "points",
        [
            None if row in bad or each is None else {name: each.get(name) for name in names}
            for row, each in enumerate(points)
        ],
        dtype=pl.Struct({name: pl.List(pl.Float64) for name in names}),
    )
    frame = pl.DataFrame([pl.Series(image, [files.full(name) for name, _ in rows]), cells])
    return TableParts(frame=frame, columns={image: Image(), "points": Keypoints(names=tuple(names))}, source=str(path))


def _points(value: Any, names: Sequence[str], size: tuple[int, int]) -> dict[str, list[float]]:
    """The labelled points by name; hidden ones with a third number.

    Raises:
        ValueError: not three numbers for each name, another flag, or a point outside its image.
    """
    numbers = np.asarray(numbers_of(value, count=3 * len(names)), np.float64).reshape(-1, 3)
    found: dict[str, list[float]] = {}
    for name, (x, y, visible) in zip(names, numbers.tolist(), strict=True):
        if visible not in (0, _HIDDEN, _VISIBLE):
            raise ValueError(f"the visibility of point {name!r} is {visible:g}; it is 0, 1 or 2")
        if visible == 0:
            continue
        if not (-1 <= x <= size[1] + 1 and -1 <= y <= size[0] + 1):
            raise ValueError(f"point {name!r} at ({x:g}, {y:g}) is outside its image of {size[1]} x {size[0]} px")
        found[name] = [x, y] if visible == _VISIBLE else [x, y, _HIDDEN]
    return found


def write_coco_keypoints(
    path: str | Path,
    image_paths: Sequence[str | Path],
    values: Sequence[Mapping[str, Any] | None],
    *,
    names: Sequence[str] | None = None,
    label: str = "object",
    images: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write key points of images as one COCO file, which `read_coco_keypoints` reads again.

    Args:
        path: The file to write.
        image_paths: Their paths; the sizes come from the headers.
        values: For each image the raw value of a `Keypoints` column; None leaves the image out.
        names: Names of the points in their order. None: those that occur.
        label: Name of the category.
        images: The folder that `file_name` is to start from; None writes bare file names.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ConfigError: numbers of images and values differ, or two images get one name.
        UnknownNameError: a value has a point that is not among `names`.
        DataError: an image cannot be opened, or the file is there or cannot be written.
    """
    if names is None:
        names = list(dict.fromkeys(name for value in values if value for name in value))
    for value in values:
        check_names("point", value or {}, names)
    category = {"id": 1, "name": label, "keypoints": list(names), "skeleton": []}

    def annotations_of(value: Mapping[str, Any], _: tuple[int, int]) -> list[dict[str, Any]]:
        known = {name: [float(each) for each in at] for name, at in value.items() if at is not None}
        numbers = [[*known[name], _VISIBLE][:3] if name in known else [0, 0, 0] for name in names]
        labelled = np.array([each[:2] for each in numbers if each[2]], np.float64).reshape(-1, 2)
        corner, extent = (labelled.min(0), np.ptp(labelled, axis=0)) if len(labelled) else (np.zeros(2), np.zeros(2))
        return [
            {
                "category_id": 1, "iscrowd": 0,
                "keypoints": [part for each in numbers for part in each], "num_keypoints": len(labelled),
                "bbox": [*corner.tolist(), *extent.tolist()], "area": float(extent.prod()),
            }
        ]  # fmt: skip

    return write_annotations(path, image_paths, values, [category], annotations_of, images=images, overwrite=overwrite)
