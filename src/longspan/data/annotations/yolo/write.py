"""YOLO's text files from boxes, or from instances that are polygons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longspan.data.annotations.files import lines_of
from longspan.data.annotations.writing import (
    beside,
    check_overwrite,
    labels_of,
    names_below,
    objects_of,
    plain,
    write_bytes,
)
from longspan.errors import ConfigError, DataError, Fault, data_error
from longspan.vision.image_io import look

__all__ = ["write_yolo"]


def write_yolo(
    folder: str | Path,
    image_paths: Sequence[str | Path],
    values: Sequence[Sequence[Any] | None],
    *,
    labels: Sequence[Any] | None = None,
    images: str | Path | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write boxes or polygons of images as YOLO files, which `Table.from_yolo` reads again.

    YOLO has no mark for what is to be ignored: such objects are left out. Scores are not written.

    Args:
        folder: Where the files go: `sub/a.txt` for the image `sub/a.jpg`, and `classes.txt` with the names.
        image_paths: Their paths; the sizes come from the headers.
        values: For each image the raw value of a `Boxes` column, or of an `Instances` column whose objects are each
            one polygon. An empty list writes an empty file, None writes none.
        labels: The classes in the order of their numbers, from 0. None: those that occur, by name.
        images: The folder that images' names are to start from; None takes bare file names.
        overwrite: Whether files that are there may be replaced.

    Returns:
        The files written, `classes.txt` last.

    Raises:
        ConfigError: numbers of images and values differ, or two images get one name.
        DataError: an image cannot be opened, an object is neither a box nor one polygon, or files are there or cannot
            be written.
    """
    if len(image_paths) != len(values):
        raise ConfigError(
            f"write_yolo got {len(image_paths)} images and {len(values)} values; give one value for each image."
        )
    names = names_below(image_paths, images)
    wanted = [(Path(p), n, v) for p, n, v in zip(image_paths, names, values, strict=True) if v is not None]
    files = [*(beside(Path(folder), name, ".txt") for _, name, _ in wanted), Path(folder) / "classes.txt"]
    if len(set(files)) < len(files):
        raise ConfigError("Two images differ in their ending only, or one is called classes: one name for two files.")
    check_overwrite(files, overwrite)
    place_of = labels_of(values, labels)
    for label in place_of:
        if not str(label).strip() or str(label) != str(label).strip() or lines_of(str(label)) != [str(label)]:
            raise DataError(
                f"The label {label!r} cannot be a line of classes.txt: it is empty, begins or ends with a blank, or "
                "has a line break. Rename it, or use write_coco."
            )
    faults: list[Fault] = []
    texts: list[str] = []
    for image, _, value in wanted:
        try:
            size = look(image)[1]
            lines = [_line(entry, size, place_of) for entry in objects_of(value) if not entry.get("ignore")]
            texts.append("".join(line + "\n" for line in lines))
        except ValueError as error:
            faults.append(Fault(str(image), str(error)))
    if faults:
        raise data_error(f"Nothing was written to {folder}:", faults)
    texts.append("".join(f"{label}\n" for label in place_of))
    for file, text in zip(files, texts, strict=True):
        write_bytes(file, text.encode())
    return files


def _line(entry: dict[str, Any], size: tuple[int, int], place_of: dict[Any, int]) -> str:
    height, width = size
    if "polygons" in entry:
        polygons = plain(entry["polygons"])
        if len(polygons) != 1:
            raise ValueError(
                f"a {entry['label']!r} has {len(polygons)} polygons; YOLO holds one for each object: write_coco"
            )
        fractions = [each / (width, height)[i % 2] for i, each in enumerate(polygons[0])]
    elif "box" in entry and "rle" not in entry:
        x0, y0, x1, y1 = (float(each) for each in entry["box"])
        fractions = [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height]
    else:
        raise ValueError(f"a {entry['label']!r} is neither box nor polygon; YOLO holds no masks: write_coco does")
    return " ".join([str(place_of[entry["label"]]), *(f"{fraction:.8g}" for fraction in fractions)])
