"""Which columns of a table hold boxes, and what their numbers are: edges, corner and size, or centre and size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final, get_args

import numpy as np
import polars as pl

from longspan.errors import ConfigError

__all__ = ["BOX_FORMS", "BoxColumns", "Corners", "box_columns", "box_numbers", "label_column", "size_columns"]

Corners = Literal["edges", "pixels", "xywh", "cxcywh"]
"""What the four numbers of a box are: its edges; its first and last pixel, counted from 1; its upper left corner, width
and height; or its centre, width and height."""
BOX_FORMS: tuple[str, ...] = get_args(Corners)

_EDGES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"),
    *((f"{b}_xmin", f"{b}_ymin", f"{b}_xmax", f"{b}_ymax") for b in ("bbox", "box")),
    *((f"{b}_x1", f"{b}_y1", f"{b}_x2", f"{b}_y2") for b in ("bbox", "box")),
)
_SIDES = (("width", "height"), ("w", "h"), ("box_width", "box_height"), ("bbox_width", "bbox_height"))
_CORNERS = (("x", "y"), ("xmin", "ymin"), ("x_min", "y_min"), ("left", "top"), ("bbox_x", "bbox_y"), ("box_x", "box_y"))
_CENTRES = (
    ("x_center", "y_center"), ("xcenter", "ycenter"), ("center_x", "center_y"), ("x_centre", "y_centre"),
    ("centre_x", "centre_y"), ("cx", "cy"), ("xc", "yc"),
)  # fmt: skip
_LISTS = ("bbox", "box", "bndbox", "bounding_box")
_BOX_SIDES = {"bbox_x": (("bbox_w", "bbox_h"), ("bbox_width", "bbox_height")), "box_x": (("box_w", "box_h"),)}
_SIZES = (("width", "height"), ("image_width", "image_height"), ("img_width", "img_height"), ("img_w", "img_h"))
_LABELS = (
    "class", "label", "name", "category", "class_name", "classname", "label_name", "labelname", "class_label",
    "category_name", "object", "species", "labels", "classes", "tag", "cls", "class_id", "label_id", "category_id",
)  # fmt: skip
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_LIST = re.compile(rf"\s*[\[(]?\s*({_NUMBER})[\s,;]+({_NUMBER})[\s,;]+({_NUMBER})[\s,;]+({_NUMBER})\s*[\])]?\s*")


@final
@dataclass(frozen=True, slots=True)
class BoxColumns:
    """Four columns of numbers, or one with lists of four."""

    names: tuple[str, ...]
    """The columns, in the order of the numbers."""
    form: Literal["edges", "xywh", "cxcywh", "list"]
    """What the numbers are by the names of the columns; of a list no name says it."""
    certain: bool = True
    """Whether the names leave no doubt: `x, y, width, height` may also be a centre and a size."""

    def form_for(self, corners: Corners | None) -> Corners | None:
        """What the numbers are: what a person says, else what the names say; None for a list of which nobody says it.

        Raises:
            ConfigError: no such form, or the names of the columns say something else.
        """
        if corners is None:
            return None if self.form == "list" else self.form
        if corners not in BOX_FORMS:
            raise ConfigError(f"corners must be {', '.join(map(repr, BOX_FORMS))}, got {corners!r}.")
        fits: tuple[str, ...] = {
            "edges": ("edges", "pixels"),
            "xywh": ("xywh",) if self.certain else ("xywh", "cxcywh"),
            "cxcywh": ("cxcywh",),
            "list": BOX_FORMS,
        }[self.form]
        if corners not in fits:
            raise ConfigError(
                f"corners={corners!r} (--corners {corners}) does not fit the columns {', '.join(self.names)}, which "
                f"can be read as {' or '.join(map(repr, fits))}."
            )
        return corners


def box_columns(names: Sequence[str]) -> BoxColumns | None:
    """The columns with boxes, by their names in any case; None if there are none."""
    by_small = {name.strip().lower(): name for name in reversed(names)}
    for edges in _EDGES:
        if all(each in by_small for each in edges):
            return BoxColumns(tuple(by_small[each] for each in edges), "edges")
    for form, starts in (("cxcywh", _CENTRES), ("xywh", _CORNERS)):
        for start in starts:
            for sides in (*_BOX_SIDES.get(start[0], ()), *_SIDES):
                if all(each in by_small for each in (*start, *sides)):
                    found = tuple(by_small[each] for each in (*start, *sides))
                    return BoxColumns(found, form, certain=start != ("x", "y"))  # type: ignore[arg-type]
    found = next((by_small[each] for each in _LISTS if each in by_small), None)
    return None if found is None else BoxColumns((found,), "list")


def label_column(names: Sequence[str]) -> str | None:
    """The column with the class of each box."""
    return next((name for small in _LABELS for name in names if name.strip().lower() == small), None)


def size_columns(names: Sequence[str], columns: BoxColumns) -> tuple[str, str] | None:
    """The columns with width and height of each image; None if there are none."""
    by_small = {name.strip().lower(): name for name in names if name not in columns.names}
    pair = next((pair for pair in _SIZES if set(pair) <= set(by_small)), None)
    return None if pair is None else (by_small[pair[0]], by_small[pair[1]])


def box_numbers(frame: pl.DataFrame, columns: BoxColumns) -> tuple[np.ndarray, dict[int, str]]:
    """The numbers of each row, `(N, 4)`, NaN where a cell is empty, and what is wrong by row."""
    faults: dict[int, str] = {}
    numbers = np.full((frame.height, 4), np.nan)
    if len(columns.names) == 1:
        (name,) = columns.names
        for row, cell in enumerate(frame[name].to_list()):
            if cell is None or (isinstance(cell, str) and cell.strip() in ("", "[]")):
                continue
            match = _LIST.fullmatch(cell) if isinstance(cell, str) else None
            parts = cell if match is None else match.groups()
            if not isinstance(parts, tuple | list) or len(parts) != 4 or not all(map(_is_number, parts)):
                faults[row] = f"column {name!r}: {cell!r:.60} is not a list of four numbers"
            else:
                numbers[row] = [float(part) for part in parts]
        return numbers, faults
    for place, name in enumerate(columns.names):
        for row, cell in enumerate(frame[name].to_list()):
            if cell is None or cell == "":
                continue
            if _is_number(cell):
                numbers[row, place] = float(cell)
            else:
                faults.setdefault(row, f"column {name!r}: {cell!r:.60} is not a number")
    for row in np.flatnonzero(np.isnan(numbers).any(1) & ~np.isnan(numbers).all(1)).tolist():
        name = columns.names[int(np.flatnonzero(np.isnan(numbers[row]))[0])]
        faults.setdefault(row, f"column {name!r} is empty")
    return numbers, faults


def _is_number(cell: Any) -> bool:
    if isinstance(cell, bool):
        return False
    try:
        return bool(np.isfinite(float(cell)))
    except (TypeError, ValueError):
        return False
