"""Boxes and polygons as files give them: plain numbers, checked against the image they lie in.

Everything is in edge coordinates of the upright image: pixel i covers [i, i + 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "TOLERANCE_PX",
    "check_pixels",
    "check_upright",
    "checked_box",
    "checked_polygons",
    "flag_of",
    "mask_box",
    "number_of",
    "numbers_of",
    "size_fault",
]

TOLERANCE_PX = 1.0
"""Rounding may put an edge this far outside the image; it is then moved onto the image's edge."""


_PLAIN = frozenset((int, float))


def numbers_of(values: Any, *, count: int | None = None) -> list[float]:
    """A list of finite numbers as floats.

    Raises:
        ValueError: it is not a list, or not of `count`, or holds something else.
    """
    if not isinstance(values, list | tuple) or (count is not None and len(values) != count):
        raise ValueError(f"{_brief(values)} is not a list of {'numbers' if count is None else f'{count} numbers'}")
    if set(map(type, values)) <= _PLAIN:  # nearly always: a sum is finite if all its parts are
        try:
            if math.isfinite(sum(values)):
                return list(map(float, values))
        except OverflowError:
            pass
    return [number_of(value) for value in values]


def number_of(value: Any) -> float:
    """A finite number from a number, or from its text.

    Raises:
        ValueError: it is not one.
    """
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):  # "12px"; an integer of four hundred digits
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{_brief(value)} is not a finite number")
    return number


def checked_box(box: Sequence[float], size_px: tuple[int, int]) -> list[float]:
    """The box [x0, y0, x1, y1], clipped to the image of `size_px` (height, width) where it is off by a rounding.

    Raises:
        ValueError: corners swapped, no area, or further than `TOLERANCE_PX` outside the image.
    """
    x0, y0, x1, y1 = box
    shown = f"the box x0={x0:g}, y0={y0:g}, x1={x1:g}, y1={y1:g}"
    if x1 < x0 or y1 < y0:
        raise ValueError(
            f"{shown} has {'x1 < x0' if x1 < x0 else 'y1 < y0'}: its corners are swapped, or a side is negative"
        )
    if x1 == x0 or y1 == y0:
        raise ValueError(f"{shown} has no area")
    height, width = size_px
    out = max(-x0, -y0, x1 - width, y1 - height)
    if out > TOLERANCE_PX:
        raise ValueError(f"{shown} reaches {out:g} px out of the image, which is {width} x {height} px")
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"{shown} lies outside the image, which is {width} x {height} px")
    return [x0, y0, x1, y1]


def checked_polygons(polygons: Sequence[Sequence[float]], size_px: tuple[int, int]) -> list[list[float]]:
    """Polygons [x, y, x, y, ...], clipped to the image where they are off by a rounding.

    Raises:
        ValueError: an odd number of coordinates, fewer than three points, no area, or points further than
            `TOLERANCE_PX` outside the image.
    """
    height, width = size_px
    clipped, flat = [], True
    for number, polygon in enumerate(polygons):
        which = f"polygon {number + 1} of {len(polygons)}" if len(polygons) > 1 else "the polygon"
        if len(polygon) % 2:
            raise ValueError(f"{which} has {len(polygon)} coordinates, which do not pair into x and y")
        if len(polygon) < 6:
            raise ValueError(f"{which} has {len(polygon) // 2} points; an area needs three")
        xs, ys = polygon[0::2], polygon[1::2]
        out = max(-min(xs), -min(ys), max(xs) - width, max(ys) - height)
        if out > TOLERANCE_PX:
            raise ValueError(f"{which} reaches {out:g} px out of the image, which is {width} x {height} px")
        if out > 0:
            xs = [min(max(x, 0.0), float(width)) for x in xs]
            ys = [min(max(y, 0.0), float(height)) for y in ys]
            polygon = [each for point in zip(xs, ys, strict=True) for each in point]
        flat = flat and all(_turn(xs, ys, i) == 0 for i in range(2, len(xs)))
        clipped.append(list(polygon))
    if not clipped:
        raise ValueError("there is no polygon")
    if flat:
        raise ValueError("its polygons have no area: all points lie on one line")
    return clipped


def mask_box(mask: np.ndarray) -> list[float]:
    """The tight box around the pixels of a mask `(H, W)` that are not 0; there is at least one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1]


def size_fault(stated: tuple[float, float], real: tuple[int, int], turned: Callable[[], bool]) -> str | None:
    """What is wrong when a file states (height, width) of an image and its header says `real`.

    Args:
        stated: Height and width in the annotation file.
        real: Height and width of the image, upright.
        turned: Whether an EXIF orientation turns the stored image by 90 degrees; called only if the sizes differ.
    """
    if tuple(stated) == tuple(real):
        return None
    what = f"the image is {real[1]} x {real[0]} px, but the file says {stated[1]:g} x {stated[0]:g}"
    if (stated[1], stated[0]) != tuple(real):
        return f"{what}: was it resized? Annotate the images as they are, or pass the folder of the original ones"
    if turned():
        return f"{what}: its EXIF orientation turns the stored image; store it upright, and annotate it upright"
    return f"{what}: width and height are swapped. Correct them, and check whether x and y of the boxes are swapped too"


def check_pixels(corners: Sequence[float], size_px: tuple[int, int]) -> None:
    """Refuse a box in fractions of the image's sides, 0 to 1, where pixels are expected.

    Only a box inside the first pixel with broken numbers looks like that, and such a box shows nothing.

    Raises:
        ValueError: all four numbers are at most 1, not all of them are whole, and the image is larger than that.
    """
    if max(corners) <= 1 and min(corners) >= 0 and min(size_px) > 2 and not all(float(c).is_integer() for c in corners):
        shown = ", ".join(f"{corner:g}" for corner in corners)
        raise ValueError(
            f"the box {shown} lies in the first pixel: these look like fractions of width and height, but pixels are "
            f"expected. Multiply x by {size_px[1]} and y by {size_px[0]}"
        )


def check_upright(degrees: Any) -> None:
    """Refuse a box that a tool such as CVAT has turned: its four numbers are those before it was turned.

    Args:
        degrees: As the file has it; None or nothing: not turned.

    Raises:
        ValueError: it is turned, or this is not a number.
    """
    if degrees in (None, "") or number_of(degrees) % 180 == 0:
        return
    raise ValueError(
        f"its box is turned by {number_of(degrees):g} degrees, which its four numbers do not show: export turned boxes "
        "as polygons"
    )


def flag_of(value: Any) -> bool:
    """A mark such as iscrowd: 0 or 1, true or false, also as text; missing is false.

    Raises:
        ValueError: it is something else, such as "maybe" or 2.
    """
    if value is None or value == "":
        return False
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in ("0", "false", "no") or word in ("1", "true", "yes"):
        return word in ("1", "true", "yes")
    raise ValueError(f"{_brief(value)} should be 0 or 1")


def _turn(xs: Sequence[float], ys: Sequence[float], i: int) -> float:
    """Twice the area of the triangle of the first point and the points i - 1 and i."""
    return (xs[i - 1] - xs[0]) * (ys[i] - ys[0]) - (xs[i] - xs[0]) * (ys[i - 1] - ys[0])


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
