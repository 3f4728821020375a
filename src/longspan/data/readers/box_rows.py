"""Tables with a row for each box, as many tools write them: a file name, four numbers, a class.

The numbers are the edges of the box, so that xmin = 0, xmax = 3 are three pixels. Tables made from Pascal VOC's XML
count pixels from 1 instead, and the last one belongs to the box (xmin = 1, xmax = 3): `corners="pixels"` reads them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import polars as pl

from longspan.columns import Boxes
from longspan.data.annotations.annotation_series import boxes_cells, warn_of_copies, without_copies
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError, Fault, data_error
from longspan.vision.image_io import look

__all__ = ["Corners", "box_columns", "boxes_by_image", "count_from_one"]

Corners = Literal["edges", "pixels"]
"""What the four numbers of a box are: its edges, or its first and last pixel, counted from 1."""

_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
)
_SIZES = (("width", "height"), ("image_width", "image_height"), ("img_width", "img_height"))
_LABELS = ("class", "label", "name", "category", "class_name", "classname")


def box_columns(names: Sequence[str]) -> tuple[str, str, str, str] | None:
    """The columns with the left, upper, right and lower edge of a box; None if there are none."""
    by_small = {name.strip().lower(): name for name in names}
    for corners in _CORNERS:
        if all(corner in by_small for corner in corners):
            x0, y0, x1, y1 = (by_small[corner] for corner in corners)
            return x0, y0, x1, y1
    return None


def count_from_one(frame: pl.DataFrame) -> bool:
    """Whether boxes look like pixels counted from 1: some reach the first pixel and some the last, none lies outside.

    Only a table with the sizes of its images can show this: a box with xmin = 1 beside one with xmax = width, and no 0.
    """
    corners = box_columns(frame.columns)
    by_small = {name.strip().lower(): name for name in frame.columns}
    if corners is None or not {"width", "height"} <= set(by_small):
        return False
    x0, y0, x1, y1 = (frame[name] for name in corners)
    width, height = frame[by_small["width"]], frame[by_small["height"]]
    if not all(each.dtype.is_numeric() for each in (x0, y0, x1, y1, width, height)):
        return False
    least = min((float(each) for each in (x0.min(), y0.min()) if each is not None), default=0.0)  # type: ignore[arg-type]
    return least == 1 and bool((x1 == width).any() or (y1 == height).any())


def boxes_by_image(parts: TableParts, image: str, corners: Corners = "edges") -> TableParts:
    """A row for each image with all its boxes, from a table with a row for each box.

    A row without numbers says that its image has no box. Columns that are the same in all rows of each image, such as
    a patient or a split, are kept.

    Args:
        parts: The rows, with the columns that `box_columns` finds, and perhaps one that names the class.
        image: The column with the images' files.
        corners: "edges", or "pixels" counted from 1.

    Raises:
        DataError: numbers that are missing or no box, all by row.
    """
    if corners not in ("edges", "pixels"):
        raise ConfigError(f"corners must be 'edges' or 'pixels', got {corners!r}.")
    edges = box_columns(parts.frame.columns)
    assert edges is not None
    label = next((name for small in _LABELS for name in parts.frame.columns if name.strip().lower() == small), None)
    frame = parts.frame
    faults: list[Fault] = []
    rows: dict[str, list[dict[str, Any]]] = {}
    cells = frame.select([*edges, *([label] if label else [])]).to_dict(as_series=False)
    for row, name in enumerate(frame[image].to_list()):
        if name is None:
            faults.append(Fault(f"{parts.source}, row {row}", f"column {image!r} is empty"))
            continue
        box = [cells[corner][row] for corner in edges]
        if corners == "pixels":
            box = [each - 1 if place < 2 and isinstance(each, int | float) else each for place, each in enumerate(box)]
        found = rows.setdefault(name, [])
        if all(edge is None for edge in box):
            continue
        what = _fault(box)
        if what is None and label is not None and cells[label][row] is None:
            what = f"column {label!r} is empty"
        if what is not None:
            faults.append(Fault(f"{parts.source}, row {row} ({name})", what))
            continue
        found.append({"box": [float(edge) for edge in box], "label": "object" if label is None else cells[label][row]})
    faults += _size_faults(parts, image, edges)
    if faults:
        raise data_error(f"Boxes in {parts.source} cannot be used:", faults, "Correct these rows, or delete them.")
    if "boxes" in frame.columns:
        raise DataError(f"{parts.source} has a column 'boxes' beside those of {', '.join(edges)}; rename one.")
    others = [name for name in frame.columns if name not in (image, label, *edges)]
    same = frame.group_by(image, maintain_order=True).agg([pl.col(name).n_unique() for name in others])
    kept = [name for name in others if (same[name] == 1).all()]
    if left_out := [name for name in others if name not in kept]:
        warnings.warn(
            f"{parts.source}: left out {', '.join(map(repr, left_out))}, which "
            f"{'differs' if len(left_out) == 1 else 'differ'} between the boxes of one image.",
            stacklevel=5,
        )
    found_rows, copies = without_copies([rows[name] for name in first_of(frame, image)])
    if copies:
        warn_of_copies(parts.source, copies)
    first = frame.group_by(image, maintain_order=True).agg([pl.col(name).first() for name in kept])
    boxes = boxes_cells("boxes", found_rows)
    columns = {image: parts.columns[image], "boxes": Boxes(), **{name: parts.columns[name] for name in kept}}
    return replace(parts, frame=first.with_columns(boxes).select(list(columns)), columns=columns)


def first_of(frame: pl.DataFrame, image: str) -> list[Any]:
    """The images in the order in which they first occur."""
    return frame[image].unique(maintain_order=True).to_list()


def _size_faults(parts: TableParts, image: str, edges: Sequence[str]) -> list[Fault]:
    """Images whose own size is not the one that the table states: boxes drawn on a larger copy would be wrong."""
    by_small = {name.strip().lower(): name for name in parts.frame.columns}
    names = next((pair for pair in _SIZES if set(pair) <= set(by_small)), None)
    if names is None or parts.root is None:
        return []
    width, height = (by_small[name] for name in names)
    frame = parts.frame.filter(pl.col(width).is_not_null() & pl.col(height).is_not_null())
    if not all(frame[name].dtype.is_numeric() for name in (width, height, *edges)):
        return []
    if (frame[width] == frame[edges[2]] - frame[edges[0]]).all():
        return []  # of the boxes, not of the images
    faults = []
    for name, stated in frame.group_by(image, maintain_order=True).agg(pl.struct(width, height).unique()).iter_rows():
        try:
            real = look(parts.root / str(name))[1]
        except (OSError, ValueError):
            continue  # reported when the rows are read
        for each in stated:
            if (each[height], each[width]) != real:
                faults.append(
                    Fault(
                        f"{parts.source} ({name})",
                        f"the image is {real[1]} x {real[0]} px, but the table says {each[width]:g} x {each[height]:g}",
                        "Were images resized or turned after they were annotated? Scale the boxes too, or pass the "
                        "original images.",
                    )
                )
    return faults


def _fault(box: Sequence[Any]) -> str | None:
    """What is wrong with four edges."""
    if not all(isinstance(edge, int | float) for edge in box):
        return f"{box} are not four numbers"
    x0, y0, x1, y1 = box
    if not (x0 < x1 and y0 < y1):
        return f"the box {box} has no area; it should be left, top, right, bottom"
    return None
