"""One line of YOLO's text files: a class number, then a box, a polygon, or a box and key points, in fractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.data.annotations.geometry import checked_box, checked_polygons, number_of

__all__ = ["YoloLine", "keypoints_message", "looks_like_keypoints", "numbers_in", "read_line"]

_MOST_CLASSES = 1 << 31  # above, a number is an accident
_SLACK = 0.02  # fractions of the image: so far outside its box a key point may lie


@final
@dataclass(frozen=True, slots=True)
class YoloLine:
    """What a line holds; both `box` and `instance` are None for a bad line."""

    where: str
    """File, line and image, for messages."""
    values: list[float]
    """The numbers after the class, as written."""
    box: dict[str, Any] | None = None
    instance: dict[str, Any] | None = None
    number: int = -1
    """Of the class; -1 for a bad line."""


def read_line(
    where: str,
    parts: list[str],
    size: tuple[int, int],
    name_of: dict[int, str] | None,
    keypoints: tuple[int, int] | None,
) -> YoloLine:
    """Box, and for a polygon the instance, of one line.

    Args:
        where: For messages.
        parts: The words of the line.
        size: Height and width of the image.
        name_of: Names by class number; None: the numbers are the labels.
        keypoints: (number of key points, numbers of each) after each box; None or (0, 0): there are none.

    Raises:
        ValueError: what is wrong with the line.
    """
    key, values = number_of(parts[0]), [number_of(part) for part in parts[1:]]
    if not key.is_integer() or not 0 <= key < _MOST_CLASSES:
        raise ValueError(f"the class {parts[0]!r:.40} is not a whole number of at least 0")
    if name_of is not None and int(key) not in name_of:
        hint = "; do the files count classes from 1?" if int(key) == max(name_of) + 1 and 0 in name_of else ""
        raise ValueError(
            f"there is no class {int(key)}: the list has {len(name_of)}, {min(name_of)} to {max(name_of)}{hint}"
        )
    label = int(key) if name_of is None else name_of[int(key)]
    points, numbers = keypoints or (0, 0)
    if points and len(values) not in (4, 4 + points * numbers):
        raise ValueError(
            f"{len(values)} numbers after the class; a box and {points} key points of {numbers} have "
            f"{4 + points * numbers}"
        )
    if len(values) == 4 or points:
        return YoloLine(where, values, {"box": _box(values[:4], size), "label": label}, number=int(key))
    if len(values) == 5:
        raise ValueError("five numbers after the class: is the last one a score? Labels have none")
    if len(values) % 2 or len(values) < 4:
        more = "; for a box and key points pass kpt_shape=" if len(values) > 6 else ""
        raise ValueError(f"{len(values)} numbers after the class; a box has 4, a polygon x and y for each point{more}")
    height, width = size
    try:
        (polygon,) = checked_polygons([[value * (width, height)[i % 2] for i, value in enumerate(values)]], size)
    except ValueError as error:
        raise _with_hint(error, values) from None
    box = checked_box([min(polygon[0::2]), min(polygon[1::2]), max(polygon[0::2]), max(polygon[1::2])], size)
    return YoloLine(where, values, {"box": box, "label": label}, {"polygons": [polygon], "label": label}, int(key))


def numbers_in(parts: Sequence[str]) -> list[float]:
    """The numbers of a bad line; none if a word among them is not a number."""
    try:
        return [number_of(part) for part in parts]
    except ValueError:
        return []


def looks_like_keypoints(lines: Sequence[Sequence[float]]) -> bool:
    """Whether every line fits a box with key points inside it better than a polygon.

    Polygons have different numbers of points, and hardly ever do all of their points lie in the box whose centre is
    the first point and whose sides are the second.
    """
    lines = [line for line in lines if line]
    if not lines or len({len(line) for line in lines}) > 1 or len(lines[0]) < 8:
        return False
    values = np.asarray(lines, np.float64)
    centre, sides, rest = values[:, 0:2], values[:, 2:4], values[:, 4:]
    if (sides <= 0).any() or (centre - sides / 2 < -_SLACK).any() or (centre + sides / 2 > 1 + _SLACK).any():
        return False
    for numbers in (2, 3):
        if rest.shape[1] % numbers:
            continue
        points = rest.reshape(len(values), -1, numbers)
        if numbers == 3 and not np.isin(points[..., 2], (0, 1, 2)).all():
            continue
        away = (np.abs(points[..., :2] - centre[:, None]) > sides[:, None] / 2 + _SLACK).any(-1)
        unseen = (points[..., :2] == 0).all(-1)  # key points outside the image are written as 0 0
        if not (away & ~unseen).any():
            return True
    return False


def keypoints_message(folder: Path, line: YoloLine) -> str:
    """Why such lines are refused, and what to do."""
    many = len(line.values) - 4
    shapes = [f"({many // numbers}, {numbers})" for numbers in (2, 3) if many % numbers == 0]
    return (
        f"{folder}: all lines, such as {line.where}, have {len(line.values)} numbers after the class, and look like a "
        f"box followed by key points. Read as polygons they would give wrong boxes. To read the boxes, pass the YAML "
        f"file that has kpt_shape as names, or kpt_shape={' or '.join(shapes)}; if they are polygons, pass "
        "kpt_shape=(0, 0)."
    )


def _box(values: list[float], size: tuple[int, int]) -> list[float]:
    height, width = size
    x, y, w, h = values
    if w < 0 or h < 0:
        raise ValueError(f"width and height of the box are {w:g} and {h:g}, but cannot be below 0")
    corners = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
    try:
        return checked_box(corners, size)
    except ValueError as error:
        raise _with_hint(error, values) from None


def _with_hint(error: ValueError, values: list[float]) -> ValueError:
    if max(values) > 2:
        return ValueError(f"{error}. Numbers should be fractions of width and height, 0 to 1; these look like pixels")
    return error
