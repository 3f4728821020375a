"""The mask of one object, as a list of objects writes it: runs or polygons."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from longspan.errors import ShapeError
from longspan.vision.annotation_values import are_numbers, shown
from longspan.vision.rle import decode_runs, fill_polygons, runs_of_string

__all__ = ["mask_of", "outline_faults", "size_of"]

_SLACK_PX = 1.0  # so far outside its image a polygon may reach


def mask_of(entry: dict[str, Any], size_px: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The mask `(H, W)` of an object without faults in an image of `size_px`.

    Raises:
        ShapeError: its runs are of another size.
    """
    if "polygons" in entry:
        return fill_polygons(entry["polygons"], size_px)
    height, width = (int(side) for side in entry["rle"]["size"])
    if (height, width) != size_px:
        raise ShapeError(
            f"The mask of an object is {height} px high and {width} px wide, its image {size_px[0]} high and "
            f"{size_px[1]} wide: bring it into the pixels of that image first (to_source)."
        )
    return decode_runs(_counts(entry["rle"]), size_px)


def size_of(entries: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Height and width of an image in which these objects have room: as their runs say, else up to the last corner."""
    for entry in entries:
        if "rle" in entry:
            return (int(entry["rle"]["size"][0]), int(entry["rle"]["size"][1]))
    polygons = [polygon for entry in entries for polygon in entry["polygons"]]
    return (
        ceil(max((max(polygon[1::2]) for polygon in polygons), default=1)),
        ceil(max((max(polygon[0::2]) for polygon in polygons), default=1)),
    )


def outline_faults(entry: dict[str, Any], source_px: tuple[int, int] | None) -> list[str]:
    """What is wrong with the mask of an object; with `source_px`, also what does not fit its image."""
    given = [key for key in ("rle", "polygons") if key in entry]
    if len(given) != 1:
        return [f"its mask is 'rle' or 'polygons', {'it has both' if given else 'it has neither'}"]
    if given == ["rle"]:
        return _rle_faults(entry["rle"], source_px)
    polygons = entry["polygons"]
    if not isinstance(polygons, list | tuple | np.ndarray) or len(polygons) == 0:
        return [f"'polygons' is {shown(polygons)}; it must be a list of [x, y, x, y, ...]"]
    if len(polygons) > 0 and are_numbers(polygons):
        return ["'polygons' is one polygon, not a list of polygons"]
    faults = []
    for number, polygon in enumerate(polygons):
        fault = _polygon_fault(polygon, source_px)
        if fault is not None:
            faults.append(f"polygon {number} {fault}")
    if not faults and not any(_area(polygon) > 0 for polygon in polygons):
        faults.append("its polygons have no area")
    return faults


def _polygon_fault(polygon: Any, source_px: tuple[int, int] | None) -> str | None:
    if not isinstance(polygon, list | tuple | np.ndarray) or not are_numbers(polygon):
        return f"is {shown(polygon)}; it must be finite numbers x, y, x, y, ..."
    if len(polygon) % 2:
        return f"has {len(polygon)} numbers; x and y must take turns"
    if len(polygon) < 6:
        return f"has {len(polygon) // 2} points; at least 3 make an area"
    if source_px is None:
        return None
    height, width = source_px
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    (left, top), (right, bottom) = points.min(0), points.max(0)
    beyond = {"left": -left, "top": -top, "right": right - width, "bottom": bottom - height}
    far = [f"{by:g} px beyond the {edge}" for edge, by in beyond.items() if by > _SLACK_PX]
    if far:
        return f"reaches {' and '.join(far)} of its image, which is {height} px high and {width} px wide"
    return None


def _rle_faults(rle: Any, source_px: tuple[int, int] | None) -> list[str]:
    if not isinstance(rle, dict) or rle.get("size") is None or rle.get("counts") is None:
        return [f"'rle' is {shown(rle)}; it must be a dict with 'size' [h, w] and 'counts'"]
    size = rle["size"]
    if not isinstance(size, list | tuple | np.ndarray) or len(size) != 2 or not _are_whole(size) or min(size) < 1:
        return [f"'size' of its runs is {shown(size)}; it must be [height, width]"]
    height, width = int(size[0]), int(size[1])
    faults = []
    if source_px is not None and (height, width) != source_px:
        lying = ": one of them lies on its side" if (width, height) == source_px else ""
        faults.append(
            f"its mask is {height} px high and {width} px wide, its image {source_px[0]} px high and "
            f"{source_px[1]} px wide{lying}"
        )
    try:
        counts = _counts(rle)
    except ValueError as error:
        return [*faults, str(error)]
    if min(counts, default=0) < 0:
        faults.append(f"its runs hold {min(counts)}; a length is at least 0")
    elif sum(counts) != height * width:
        faults.append(f"its runs sum up to {sum(counts)} pixels, its mask of {height} x {width} has {height * width}")
    elif not any(counts[1::2]):
        faults.append("its mask has no pixel")
    return faults


def _counts(rle: dict[str, Any]) -> list[int]:
    """The runs, from COCO's string or from a list of whole numbers."""
    counts = rle["counts"]
    if isinstance(counts, str | bytes):
        return runs_of_string(counts)
    if not isinstance(counts, list | tuple | np.ndarray) or not _are_whole(counts):
        raise ValueError(f"'counts' of its runs is {shown(counts)}; it must be whole numbers, or COCO's string")
    return [int(each) for each in counts]


def _are_whole(values: Any) -> bool:
    return are_numbers(values) and all(each == int(each) for each in values)


def _area(polygon: Any) -> float:
    x, y = np.asarray(polygon, np.float64).reshape(-1, 2).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
