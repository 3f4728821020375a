"""COCO's JSON from boxes, instances or key points: targets, or predictions with their scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from longspan.data.annotations.geometry import mask_box
from longspan.data.annotations.writing import check_overwrite, labels_of, names_below, objects_of, plain, write_bytes
from longspan.errors import ConfigError, DataError, Fault, data_error
from longspan.vision.image_io import look
from longspan.vision.rle import decode_runs, fill_polygons

__all__ = ["write_annotations", "write_coco"]

_Value = TypeVar("_Value")


def write_coco(
    path: str | Path,
    image_paths: Sequence[str | Path],
    values: Sequence[Sequence[Any] | None],
    *,
    labels: Sequence[Any] | None = None,
    images: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write boxes or instances of images as one COCO file, which `Table.from_coco` reads again.

    Args:
        path: The file to write.
        image_paths: Their paths; the sizes come from the headers.
        values: For each image the raw value of a `Boxes` or `Instances` column, with "score" or without. None leaves
            the image out: COCO has no word for images that nobody has looked at.
        labels: The categories in the order of their ids, which begin at 1. None: those that occur, by name.
        images: The folder that `file_name` is to start from; None writes bare file names.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ConfigError: numbers of images and values differ, or two images get one name.
        DataError: an image cannot be opened, an object has neither box nor mask, or the file is there or cannot be
            written.

    Example:
        >>> write_coco("boxes.json", table.column_values("image"), table.column_values("boxes"))  # doctest: +SKIP
    """
    ids = {label: place + 1 for label, place in labels_of(values, labels).items()}

    def annotations_of(value: Sequence[Any], size_px: tuple[int, int]) -> list[dict[str, Any]]:
        found = []
        for entry in objects_of(value):
            record = _shape(entry, size_px)
            record |= {"iscrowd": int(bool(entry.get("ignore"))), "category_id": ids[entry["label"]]}
            found.append(record | ({"score": float(entry["score"])} if "score" in entry else {}))
        return found

    categories = [{"id": number, "name": str(label)} for label, number in ids.items()]
    return write_annotations(path, image_paths, values, categories, annotations_of, images=images, overwrite=overwrite)


def write_annotations(
    path: str | Path,
    image_paths: Sequence[str | Path],
    values: Sequence[_Value | None],
    categories: Sequence[Mapping[str, Any]],
    annotations_of: Callable[[_Value, tuple[int, int]], list[dict[str, Any]]],
    *,
    images: str | Path | None,
    overwrite: bool,
) -> Path:
    """Write a COCO file; `annotations_of(value, size_px)` gives an image's annotations without their ids.

    Raises:
        ConfigError: numbers of images and values differ, or two images get one name.
        DataError: an image cannot be opened, `annotations_of` raises ValueError, no image has a value, or the file is
            there or cannot be written.
    """
    path = Path(path)
    if len(image_paths) != len(values):
        raise ConfigError(
            f"There are {len(image_paths)} images and {len(values)} values; give one value for each image."
        )
    check_overwrite([path], overwrite)
    names = names_below(image_paths, images)
    records: list[dict[str, Any]] = []
    listed: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for number, (image, name, value) in enumerate(zip(image_paths, names, values, strict=True), 1):
        if value is None:
            continue
        try:
            size = look(image)[1]
            found = annotations_of(value, size)
        except ValueError as error:
            faults.append(Fault(str(image), str(error)))
            continue
        listed.append({"id": number, "file_name": name, "height": size[0], "width": size[1]})
        records += [{"id": len(records) + 1 + place, "image_id": number, **each} for place, each in enumerate(found)]
    if faults:
        raise data_error(f"{path} is not written:", faults)
    if not listed:
        raise DataError(f"{path} is not written: no image has a value.")
    content = {
        "info": {"description": "written by longspan"},
        "images": listed,
        "categories": list(categories),
        "annotations": records,
    }
    write_bytes(path, json.dumps(content, allow_nan=False).encode())
    return path


def _shape(entry: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """bbox, area and segmentation; the box of a mask is the tight one."""
    if "rle" in entry or "polygons" in entry:
        if "rle" in entry:
            counts = plain(entry["rle"]["counts"])
            mask, segmentation = decode_runs(counts, size), {"size": list(size), "counts": counts}
        else:
            segmentation = plain(entry["polygons"])
            mask = fill_polygons(segmentation, size)
        x0, y0, x1, y1 = mask_box(mask) if mask.any() else (0.0, 0.0, 0.0, 0.0)
        return {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": int(mask.sum()), "segmentation": segmentation}
    if "box" not in entry:
        raise ValueError(f"an object labelled {entry['label']!r} has neither box nor mask")
    x0, y0, x1, y1 = (float(each) for each in entry["box"])
    return {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "segmentation": []}
