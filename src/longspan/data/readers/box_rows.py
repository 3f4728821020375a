"""Tables with a row for each box, as many tools write them: a file name, four numbers, a class.

What the numbers are, the names of the columns say: `xmin, ymin, xmax, ymax` are edges, so that xmin = 0, xmax = 3 are
three pixels; `x, y, width, height` are the upper left corner and the size; `x_center, y_center, width, height` the
centre and the size. Tables made from Pascal VOC's XML count pixels from 1 instead, and the last one belongs to the box
(xmin = 1, xmax = 3): `corners="pixels"` reads them. Numbers from 0 to 1 are fractions of an image's width and height.
"""

from __future__ import annotations

import posixpath
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, final

import numpy as np
import polars as pl

from longspan.columns import Boxes
from longspan.data.annotations.annotation_series import boxes_cells, warn_of_copies, without_copies
from longspan.data.readers.box_columns import BoxColumns, Corners, box_numbers, label_column, size_columns
from longspan.data.readers.csv_lines import name_row
from longspan.data.table_parts import TableParts
from longspan.errors import ConfigError, DataError, Fault, data_error
from longspan.vision.image_io import look

__all__ = ["are_image_sizes", "boxes_by_image", "count_from_one"]

_SLACK_PX = 1.0  # so far outside its image a box may reach
_FEW = 20
_PERCENT, _SPREAD = 100.0, 80.0  # the whole of an image, and how far boxes in percent will reach


def count_from_one(frame: pl.DataFrame, columns: BoxColumns) -> bool:
    """Whether boxes look like pixels counted from 1: some reach the first pixel and some the last, none lies outside.

    Only a table with the sizes of its images can show this: a box with xmin = 1 beside one with xmax = width, and no 0.
    """
    sizes = size_columns(frame.columns, columns)
    if columns.form != "edges" or sizes is None or not all(frame[name].dtype.is_numeric() for name in sizes):
        return False
    numbers, faults = box_numbers(frame, columns)
    if faults or np.isnan(numbers).all():
        return False
    width, height = (frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in sizes)
    ends = (numbers[:, 2] == width).any() or (numbers[:, 3] == height).any()
    return bool(np.nanmin(numbers[:, :2]) == 1 and ends)


def are_image_sizes(parts: TableParts, image: str, columns: BoxColumns) -> bool:
    """Whether columns called width and height hold the sizes of the images, beside x and y of something else."""
    if len(columns.names) != 4 or columns.form == "edges" or parts.root is None:
        return False
    numbers, _ = box_numbers(parts.frame.head(_FEW), columns)
    names = parts.frame[image].head(_FEW).to_list()
    sizes = _Sizes(parts)
    known = [(sizes(name), row) for name, row in zip(names, numbers, strict=True) if name is not None]
    known = [(size, row) for size, row in known if size is not None]
    same = all(size == (row[3], row[2]) for size, row in known)
    return bool(known) and same and any(row[0] or row[1] for _, row in known)


def boxes_by_image(
    parts: TableParts,
    image: str,
    columns: BoxColumns,
    corners: Corners | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> TableParts:
    """A row for each image with all its boxes, from a table with a row for each box.

    A row without numbers says that its image has no box. Columns that are the same in all rows of each image, such as
    a patient or a split, are kept.

    Args:
        parts: The rows, perhaps with a column that names the class.
        image: The column with the images' files.
        columns: The columns with the boxes.
        corners: What the numbers are, where the names of the columns leave it open.
        tell: Called with a sentence about what was found.

    Raises:
        DataError: numbers that are missing or not a box, all by line.
        ConfigError: it is unclear what the numbers are, or `corners` does not fit the columns.
    """
    frame = parts.frame
    names = [None if name is None else posixpath.normpath(str(name)) for name in frame[image].to_list()]
    sizes = _Sizes(parts)
    numbers, wrong = box_numbers(frame, columns)
    if _are_fractions(numbers):
        numbers, lost = _in_pixels(numbers, names, sizes)
        wrong = {**lost, **wrong}
        tell(f"numbers in {', '.join(columns.names)} are fractions of width and height")
    form = columns.form_for(corners) or ("edges" if wrong else _form_of_lists(parts, columns, numbers, names, sizes))
    if corners is None and not columns.certain and not wrong:
        _check_corners(parts, columns, numbers, names, sizes)
    edges = _edges(numbers, form)
    if _may_be_percentages(edges, names, sizes):
        warnings.warn(
            f"{parts.source}: all boxes lie within the first 100 pixels of larger images. If "
            f"{', '.join(columns.names)} are percentages, as Label Studio's are, divide them by 100.",
            stacklevel=5,
        )
    label = label_column([name for name in frame.columns if name not in columns.names])
    labels = frame[label].to_list() if label else ["object"] * frame.height
    if label is None and (other := [name for name in frame.columns if name not in (image, *columns.names)]):
        tell(
            f"no column is called class or label, so every box is an 'object'; if one of {', '.join(other[:8])} holds "
            "the class, call it label"
        )
    faults: list[Fault] = []
    rows: dict[str, list[dict[str, Any]]] = {}
    first: dict[str, int] = {}
    for row, (name, box) in enumerate(zip(names, edges.tolist(), strict=True)):
        where = f"{parts.source}, {name_row(parts.lines, row)}"
        if name is None:
            faults.append(Fault(where, f"column {image!r} is empty"))
            continue
        found = rows.setdefault(name, [])
        first.setdefault(name, row)
        what = wrong.get(row)
        if what is None and np.isnan(numbers[row]).all():
            continue
        what = what or _area_fault(numbers[row].tolist(), box, columns, form)
        if what is None and labels[row] is None:
            what = f"column {label!r} is empty"
        if what is not None:
            faults.append(Fault(f"{where} ({name})", what))
            continue
        found.append({"box": box, "label": labels[row]})
    faults += _size_faults(parts, image, columns)
    if faults:
        raise data_error(f"Boxes in {parts.source} cannot be used:", faults, "Correct these lines, or delete them.")
    if "boxes" in frame.columns:
        raise DataError(f"{parts.source} has a column 'boxes' beside {', '.join(columns.names)}; rename one.")
    frame = frame.with_columns(pl.Series(image, names, dtype=pl.String))
    others = [name for name in frame.columns if name not in (image, label, *columns.names)]
    same = frame.group_by(image, maintain_order=True).agg([pl.col(name).n_unique() for name in others])
    kept = [name for name in others if (same[name] == 1).all()]
    if left_out := [name for name in others if name not in kept]:
        warnings.warn(
            f"{parts.source}: left out {', '.join(map(repr, left_out))}, which "
            f"{'differs' if len(left_out) == 1 else 'differ'} between the boxes of one image.",
            stacklevel=5,
        )
    found_rows, copies = without_copies(list(rows.values()))
    if copies:
        warn_of_copies(parts.source, copies)
    at = np.array([first[name] for name in rows], np.int64)
    kinds = {image: parts.columns[image], "boxes": Boxes(), **{name: parts.columns[name] for name in kept}}
    grouped = frame[at].with_columns(boxes_cells("boxes", found_rows)).select(list(kinds))
    lines = None if parts.lines is None else parts.lines.take(at)
    return replace(parts, frame=grouped, columns=kinds, lines=lines)


@final
class _Sizes:
    """Height and width of images by their cells, read once each; None for one that cannot be read."""

    def __init__(self, parts: TableParts) -> None:
        self._root = parts.root
        self._known: dict[str, tuple[int, int] | None] = {}

    def __call__(self, name: str) -> tuple[int, int] | None:
        if name not in self._known:
            try:
                self._known[name] = look(name if self._root is None else self._root / name)[1]
            except (OSError, ValueError):
                self._known[name] = None  # reported when the rows are read
        return self._known[name]

    def of_all(self, names: list[str | None]) -> np.ndarray:
        """Width, height, width, height of each row's image, `(N, 4)`; NaN where it is not known."""
        found = [None if name is None else self(name) for name in names]
        return np.array([[np.nan] * 4 if s is None else [s[1], s[0], s[1], s[0]] for s in found], np.float64)


def _are_fractions(numbers: np.ndarray) -> bool:
    """Whether all numbers lie from 0 to 1, and not all are whole."""
    known = numbers[~np.isnan(numbers)]
    return bool(len(known) and known.min() >= 0 and known.max() <= 1 and (known % 1 != 0).any())


def _may_be_percentages(edges: np.ndarray, names: list[str | None], sizes: _Sizes) -> bool:
    """Whether boxes spread over 100 x 100 pixels and no further, though all images are larger."""
    known = edges[~np.isnan(edges).any(1)]
    if not len(known) or known.max() > _PERCENT or known.min() < 0 or (known.max(0)[2:] < _SPREAD).any():
        return False
    frames = sizes.of_all([name for name in names if name is not None])
    return bool((frames[~np.isnan(frames)] > _PERCENT * 1.2).all())


def _in_pixels(numbers: np.ndarray, names: list[str | None], sizes: _Sizes) -> tuple[np.ndarray, dict[int, str]]:
    frames = sizes.of_all(names)
    lost = np.flatnonzero(np.isnan(frames).any(1) & ~np.isnan(numbers).all(1))
    what = "fractions need the size of the image, which cannot be read"
    return numbers * np.where(np.isnan(frames), 1, frames), dict.fromkeys(lost.tolist(), what)


def _edges(numbers: np.ndarray, form: Corners) -> np.ndarray:
    """Left, upper, right and lower edge of each box, `(N, 4)`, in pixels."""
    start, end = numbers[:, :2], numbers[:, 2:]
    if form == "pixels":
        return np.concatenate([start - 1, end], 1)
    if form == "xywh":
        return np.concatenate([start, start + end], 1)
    return np.concatenate([start - end / 2, start + end / 2], 1) if form == "cxcywh" else numbers


def _fits(numbers: np.ndarray, form: Corners, frames: np.ndarray) -> bool:
    """Whether all boxes, read in a form, have an area and lie in their images, as far as these are known."""
    boxes = _edges(numbers, form)
    there = ~np.isnan(boxes).any(1)
    boxes, frames = boxes[there], np.where(np.isnan(frames[there]), np.inf, frames[there])
    areas = (boxes[:, 2:] > boxes[:, :2]).all()
    return bool(areas and (boxes >= -_SLACK_PX).all() and (boxes <= frames + _SLACK_PX).all())


def _form_of_lists(
    parts: TableParts, columns: BoxColumns, numbers: np.ndarray, names: list[str | None], sizes: _Sizes
) -> Corners:
    """What lists of four numbers are, if only one reading gives boxes that lie in their images.

    Raises:
        ConfigError: both do, or neither.
    """
    frames = sizes.of_all(names)
    forms: tuple[Corners, ...] = ("edges", "xywh")
    fitting: list[Corners] = [form for form in forms if _fits(numbers, form, frames)]
    if len(fitting) == 1:
        return fitting[0]
    both = "both fit" if fitting else "neither fits all of them"
    raise ConfigError(
        f"{parts.source}, column {columns.names[0]!r}: four numbers may be x0, y0, x1, y1 or x, y, width, height, and "
        f"{both}. Say which: --corners edges, or --corners xywh (corners='edges' or 'xywh' in Python)."
    )


def _check_corners(
    parts: TableParts, columns: BoxColumns, numbers: np.ndarray, names: list[str | None], sizes: _Sizes
) -> None:
    """Refuse x, y, width and height that lie in their images only if x and y are centres."""
    frames = sizes.of_all(names)
    if not _fits(numbers, "xywh", frames) and _fits(numbers, "cxcywh", frames):
        raise ConfigError(
            f"{parts.source}: with {', '.join(columns.names[:2])} as upper left corners, boxes reach beyond their "
            "images; as centres, all lie inside. Say which they are: --corners cxcywh for centres, --corners xywh for "
            "corners (corners='cxcywh' in Python)."
        )


def _area_fault(numbers: list[float], box: list[float], columns: BoxColumns, form: Corners) -> str | None:
    """What is wrong with a box; numbers as the file has them, and edges."""
    x0, y0, x1, y1 = box
    if x0 < x1 and y0 < y1:
        return None
    names = columns.names if len(columns.names) == 4 else ("x0", "y0", "x1", "y1")
    said = ", ".join(f"{each:g}" for each in numbers)
    if form in ("xywh", "cxcywh"):
        return f"the box {said} has no area: width and height must be above 0"
    low, high = (names[0], names[2]) if x0 >= x1 else (names[1], names[3])
    return f"the box {said} has no area: {high} must be above {low}"


def _size_faults(parts: TableParts, image: str, columns: BoxColumns) -> list[Fault]:
    """Images whose own size is not the one that the table states: boxes drawn on a larger copy would be wrong."""
    stated = size_columns(parts.frame.columns, columns)
    if stated is None or parts.root is None:
        return []
    width, height = stated
    frame = parts.frame.filter(pl.col(width).is_not_null() & pl.col(height).is_not_null())
    if not all(frame[name].dtype.is_numeric() for name in stated):
        return []
    if columns.form == "edges" and all(frame[name].dtype.is_numeric() for name in columns.names):
        x0, _, x1, _ = columns.names
        if (frame[width] == frame[x1] - frame[x0]).all():
            return []  # of the boxes, not of the images
    faults = []
    for name, several in frame.group_by(image, maintain_order=True).agg(pl.struct(width, height).unique()).iter_rows():
        try:
            real = look(parts.root / str(name))[1]
        except (OSError, ValueError):
            continue  # reported when the rows are read
        for each in several:
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
