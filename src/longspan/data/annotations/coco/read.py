"""COCO's JSON: images, categories, and annotations with boxes and masks.

Source: the format page of the COCO data set (object detection). `iscrowd` and `ignore` both mean: here is something
that is neither to be found nor wrong to be found. Results files (a bare list of boxes with scores) are refused.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from longspan.columns import Boxes, Image, Instances
from longspan.data.annotations.annotation_series import boxes_cells, instances_cells
from longspan.data.annotations.coco.file import categories_by_id, images_of, read_lists, some_categories
from longspan.data.annotations.faults import Faults, OnError, left_of
from longspan.data.annotations.files import ImageFiles
from longspan.data.annotations.geometry import (
    check_pixels,
    check_upright,
    checked_box,
    checked_polygons,
    flag_of,
    mask_box,
    numbers_of,
)
from longspan.data.table_parts import TableParts
from longspan.errors import DataError, unknown_name
from longspan.vision.rle import decode_runs, runs_of_string

__all__ = ["read_coco"]

_XYWH = "COCO's boxes are [x, y, width, height] in pixels."


def read_coco(
    annotations: str | Path,
    images: str | Path,
    *,
    labels: Sequence[str] | None = None,
    instances: bool | None = None,
    image: str = "image",
    on_error: OnError = "raise",
) -> TableParts:
    """Images that a COCO file lists, with their boxes and, where it has masks, instances.

    Every image's header is read: a file made for images of another size would silently give wrong boxes.

    Args:
        annotations: The JSON file.
        images: The folder that `file_name` starts from.
        labels: Only these categories, in this order; annotations of others are left out. None: all of the file.
        instances: Whether there is a column of instances; None: if any annotation has a segmentation.
        image: Name of the image column.
        on_error: "raise" refuses the file and names every fault; "skip" leaves bad annotations out and warns once. An
            image whose size is not the one in the file then has missing values, for all its boxes may be wrong; a
            file that is listed twice becomes one row with the objects of both.

    Returns:
        A row for each image, in the file's order, with `image`, `boxes` and `instances`. An image without
        annotations has empty lists.

    Raises:
        DataError: the file cannot be read, or has faults; `faults` lists them all.
        UnknownNameError: a label that no category has.
    """
    path = Path(annotations)
    faults = Faults(str(path), on_error)
    files = ImageFiles(images)
    content = read_lists(path)
    where = path.name
    label_of = categories_by_id(content["categories"], where, faults)
    vocab = tuple(dict.fromkeys(label_of.values()))
    for label in labels or ():
        if label not in vocab:
            raise unknown_name(f"category (in {path})", label, vocab)
    rows, row_of = images_of(content["images"], files, where, faults)
    records = content["annotations"]
    masks = instances is not False and any(isinstance(each, dict) and each.get("segmentation") for each in records)
    masks = masks or instances is True
    boxes: list[list[Any] | None] = [None if size is None else [] for _, size in rows]
    entries: list[list[Any] | None] = [None if size is None else [] for _, size in rows]
    bad_boxes, bad_objects = [0] * len(rows), [0] * len(rows)
    seen: dict[Any, Any] = {}
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            faults.add(f"{where}, annotation number {number}", f"{str(record)[:40]!r} is not an annotation")
            continue
        row = row_of.get(record.get("image_id"), -2) if isinstance(record.get("image_id"), Hashable) else -2
        here = f"{where}, annotation {str(record.get('id', f'number {number}'))[:40]}"
        if row == -2:
            faults.add(here, f"there is no image with the id {record.get('image_id')!r:.40}", "Correct image_id.")
            continue
        name, size = rows[row] if row >= 0 else ("", None)
        if size is None:  # its image is a fault of its own
            continue
        here += f" ({name})"
        category = record.get("category_id")
        if not isinstance(category, Hashable) or category not in label_of:
            faults.add(
                here, f"there is no category with the id {category!r:.40}", f"Known: {some_categories(label_of)}."
            )
            bad_boxes[row], bad_objects[row] = bad_boxes[row] + 1, bad_objects[row] + 1
            continue
        label = label_of[category]
        if labels is not None and label not in labels:
            continue
        key = record.get("id")
        if isinstance(key, int | str) and key in seen:
            same = seen[key] == (row, category, record.get("bbox"), record.get("segmentation"))
            what = "it repeats an annotation with the same id" if same else "another annotation has the same id"
            faults.add(here, what, "Delete the copy." if same else "Give each annotation an id of its own.")
            if same:  # left out with on_error="skip"; another object with the same id stays
                continue
        elif isinstance(key, int | str):
            seen[key] = (row, category, record.get("bbox"), record.get("segmentation"))
        try:
            marks = {"label": label, "ignore": _flag(record, "iscrowd") or _flag(record, "ignore")}
            mask = _segmentation(record.get("segmentation"), size)
            box = _box(record.get("bbox"), mask, size)
            if mask is None:
                attributes = record.get("attributes")
                check_upright(attributes.get("rotation") if isinstance(attributes, dict) else None)
        except ValueError as error:
            faults.add(here, error)
            bad_boxes[row], bad_objects[row] = bad_boxes[row] + 1, bad_objects[row] + 1
            continue
        boxes[row].append({"box": box, **marks})  # type: ignore[union-attr]
        if masks and mask is None:
            faults.add(
                here,
                "it has no segmentation, though others have",
                "Add one, or read boxes alone: instances=False (--target boxes).",
            )
            bad_objects[row] += 1
        elif masks:
            entries[row].append({**mask, **marks})  # type: ignore[union-attr, dict-item]
    faults.close()
    if not rows:
        raise DataError(f"{path} lists no image that is in {files.folder}.")
    boxes = [None if each is None else left_of(each, bad) for each, bad in zip(boxes, bad_boxes, strict=True)]
    entries = [None if each is None else left_of(each, bad) for each, bad in zip(entries, bad_objects, strict=True)]
    frame = pl.DataFrame([pl.Series(image, [files.full(name) for name, _ in rows]), boxes_cells("boxes", boxes)])
    vocab = vocab if labels is None else tuple(labels)
    columns: dict[str, Any] = {image: Image(), "boxes": Boxes(vocab=vocab)}
    if masks:
        frame = frame.with_columns(instances_cells("instances", entries))
        columns["instances"] = Instances(vocab=vocab)
    return TableParts(frame=frame, columns=columns, source=str(path))


def _segmentation(value: Any, size: tuple[int, int]) -> dict[str, Any] | None:
    """{"polygons": ...} or {"rle": ...}, None where there is none."""
    if not value:
        return None
    if isinstance(value, list):
        return {"polygons": checked_polygons([numbers_of(polygon) for polygon in value], size)}
    if not isinstance(value, dict) or "counts" not in value or "size" not in value:
        raise ValueError("its segmentation is neither a list of polygons nor runs with size and counts")
    if value["size"] != list(size):
        raise ValueError(
            f"its mask is for an image of {value['size']!r:.40} px (height, width), the image has {list(size)}"
        )
    counts = value["counts"]
    if isinstance(counts, str):
        counts = runs_of_string(counts)
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("the counts of its mask are not a list of whole numbers from 0 up")
    if sum(counts) != size[0] * size[1]:
        raise ValueError(f"the runs of its mask cover {sum(counts)} pixels, the image has {size[0] * size[1]}")
    if not sum(counts[1::2]):
        raise ValueError("its mask is empty")
    return {"rle": {"size": list(size), "counts": counts}}


def _flag(record: dict[str, Any], name: str) -> bool:
    try:
        return flag_of(record.get(name))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _box(value: Any, mask: dict[str, Any] | None, size: tuple[int, int]) -> list[float]:
    """The corners, from the file's own box if it has one, else from the mask."""
    if value is None and mask is None:
        raise ValueError("it has neither bbox nor segmentation")
    if value is not None:
        x, y, width, height = numbers_of(value, count=4)
        try:
            check_pixels([x, y, x + width, y + height], size)
            box = checked_box([x, y, x + width, y + height], size)
        except ValueError as error:
            raise ValueError(f"{error}. {_XYWH}") from None
        around = None if mask is None else _box_of_mask(mask, size)
        if around is not None and (
            around[0] >= box[2] or around[2] <= box[0] or around[1] >= box[3] or around[3] <= box[1]
        ):
            raise ValueError("its bbox and its segmentation do not overlap: one of them belongs to something else")
        return box
    assert mask is not None
    return _box_of_mask(mask, size)


def _box_of_mask(mask: dict[str, Any], size: tuple[int, int]) -> list[float]:
    """The box around a mask."""
    if "rle" in mask:
        return mask_box(decode_runs(mask["rle"]["counts"], size))
    xs = [x for polygon in mask["polygons"] for x in polygon[0::2]]
    ys = [y for polygon in mask["polygons"] for y in polygon[1::2]]
    return checked_box([min(xs), min(ys), max(xs), max(ys)], size)
