"""Joints of a hand as named points, the regions around them, and what is measured of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image as PILImage

from longspan.vision.image_io import MAX_PIXELS, read_pixels

__all__ = [
    "JOINT_POINTS", "MEASURES", "USUAL_SIZES", "boxes_of_joints", "hand_length", "joint_regions", "measure_hand",
    "measure_lengths", "name_joints", "region_sides",
]  # fmt: skip

_FINGERS = ("thumb", "index", "middle", "ring", "little")
_DIP = tuple(f"DIP {finger}" for finger in _FINGERS[1:])
_PIP = tuple(f"PIP {finger}" for finger in _FINGERS)
_MCP = tuple(f"MCP {finger}" for finger in _FINGERS)
JOINT_POINTS = (*_DIP, *_PIP, *_MCP, "Radius", "Ulna", "Wrist")
"""Centres of the 17 joint regions."""
_TILE_PX, _COLUMNS = 24, 5
_BONES = (
    *((f"PIP {each}", f"DIP {each}") for each in _FINGERS[1:]),
    *((f"MCP {each}", f"PIP {each}") for each in _FINGERS),
    *((f"MCP {each}", "Wrist") for each in _FINGERS),
    ("Radius", "Ulna"), ("Radius", "Wrist"), ("MCP index", "MCP little"),
    ("middle tip", "capitate"), ("thumb tip", "MCP thumb"), ("middle tip", "Wrist"),
)  # fmt: skip
_DIFFERENT = {"Radius": 1.6, "Ulna": 1.2, "Wrist": 2.6}
_SIDE = 0.33
"""Side of a finger's region, in lengths of the hand from wrist to the middle MCP joint; others in multiples of it."""
_PROFILE = 8
USUAL_SIZES = {
    "DIP": (0.249, 0.234), "PIP": (0.277, 0.261), "MCP": (0.333, 0.311), "Radius": (0.596, 0.342),
    "Ulna": (0.372, 0.287), "Wrist": (1.157, 0.599),
}  # fmt: skip
"""Width and height of joint boxes in lengths of the hand: medians of the labelled ones of `bone-age-100`."""
MEASURES = 4 + len(_BONES) + len(JOINT_POINTS) * (_PROFILE + 2)
"""Numbers that `measure_hand` gives."""


def name_joints(boxes: Sequence[Mapping[str, Any]] | None) -> dict[str, list[float]] | None:
    """Joint boxes of one hand as named points, their centres; None where it is unclear which finger is which.

    Labels say DIP, PIP or MCP, not of which finger: fingers are numbered from the thumb, whose MCP joint is the lowest.

    Args:
        boxes: Dicts with "box" (xyxy, pixels) and "label".
    """
    found: dict[str, list[list[float]]] = {}
    for each in boxes or ():
        x0, y0, x1, y1 = each["box"]
        found.setdefault(str(each["label"]), []).append([(x0 + x1) / 2, (y0 + y1) / 2])
    counts = {name: len(places) for name, places in found.items()}
    if counts != {"DIP": 4, "PIP": 5, "MCP": 5, "Radius": 1, "Ulna": 1, "Wrist": 1}:
        return None
    lowest = max(range(5), key=lambda place: found["MCP"][place][1])
    others = [place[0] for number, place in enumerate(found["MCP"]) if number != lowest]
    thumb_x = found["MCP"][lowest][0]
    if min(others) < thumb_x < max(others):
        return None
    right = thumb_x > max(others)
    points = {name: found[name][0] for name in ("Radius", "Ulna", "Wrist")}
    for names, label in ((_DIP, "DIP"), (_PIP, "PIP"), (_MCP, "MCP")):
        points |= dict(
            zip(names, sorted(found[label], key=lambda place: -place[0] if right else place[0]), strict=True)
        )
    return {name: points[name] for name in JOINT_POINTS}


def region_sides(points: Mapping[str, Any]) -> dict[str, float]:
    """The side of the square region around each joint, in pixels: in proportion to the hand."""
    hand = _hand_length(points)
    return {name: _SIDE * hand * _DIFFERENT.get(name, 1.0) for name in JOINT_POINTS}


def boxes_of_joints(
    points: Mapping[str, Any], sizes: Mapping[str, tuple[float, float]] | None = None
) -> list[dict[str, Any]]:
    """Joint boxes from points: each of the size that is usual for its kind, in lengths of the hand.

    Args:
        points: Of one hand.
        sizes: Width and height by label, in lengths of the hand; None: `USUAL_SIZES`.
    """
    sizes = sizes or USUAL_SIZES
    hand = _hand_length(points)
    boxes = []
    for name in JOINT_POINTS:
        label = name.split(" ")[0]
        x, y = points[name][:2]
        width, height = (each * hand for each in sizes[label])
        box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
        boxes.append({"box": box, "label": label, "score": 1.0})
    return boxes


def hand_length(
    image: Any, points: Mapping[str, Any], height_px: float | None = None, width_px: float | None = None
) -> float:
    """From the wrist to the middle MCP joint, in pixels of the radiograph as taken.

    Args:
        image: A radiograph, of any size: path, array or Pillow image.
        points: Its joints, in pixels of `image`.
        height_px: Of the radiograph as taken, before it was reduced; None: that of `image`.
        width_px: The same.
    """
    scale = _scale_of(read_pixels(image, "L", MAX_PIXELS), height_px, width_px)
    return _hand_length(_scaled(points, scale))


def joint_regions(
    image: Any, points: Mapping[str, Any], height_px: float | None = None, width_px: float | None = None
) -> np.ndarray:
    """The 17 joint regions as tiles of one image, `(96, 120)` uint8: four rows of five, the last three empty.

    Grey values are stretched to the full range first, between the 1st and the 99.5th percentile of the radiograph.

    Args:
        image: A radiograph: path, array or Pillow image.
        points: Its joints, in pixels of `image`.
        height_px: Of the radiograph as taken: regions are square there; None: in `image`.
        width_px: The same.
    """
    pixels = _stretched(read_pixels(image, "L", MAX_PIXELS))
    scale = _scale_of(pixels, height_px, width_px)
    tiles = np.zeros((4 * _TILE_PX, _COLUMNS * _TILE_PX), np.uint8)
    for number, (name, side) in enumerate(region_sides(_scaled(points, scale)).items()):
        tile = _cut(pixels, _box_around(points[name], side, scale))
        row, column = divmod(number, _COLUMNS)
        tiles[row * _TILE_PX : (row + 1) * _TILE_PX, column * _TILE_PX : (column + 1) * _TILE_PX] = tile
    return tiles


def measure_hand(
    image: Any,
    points: Mapping[str, Any],
    sex: str,
    height_px: float | None = None,
    width_px: float | None = None,
) -> list[float]:
    """Sex, sizes, distances between joints, and a profile of each joint region, as `MEASURES` numbers.

    Sizes are height and width of the radiograph as taken and the length of the hand on it (wrist to the middle MCP
    joint), in its pixels; 0 where they are not known. Distances are in lengths of the hand. Of each region there are
    brightness and contrast beside the whole image's, and the profile along the finger: where a growth plate is open, a
    dark line crosses it.

    Args:
        image: A radiograph, of any size: path, array or Pillow image.
        points: Its joints, and the tips of the middle finger and the thumb and the capitate where they are known, in
            pixels of `image`.
        sex: "female" or "male".
        height_px: Of the radiograph as taken; None: not known, and it had the shape of `image`.
        width_px: The same.
    """
    source = read_pixels(image, "L", MAX_PIXELS)
    pixels = np.asarray(source, np.float32)
    mean, spread = float(pixels.mean()), float(pixels.std()) + 1.0
    scale = _scale_of(source, height_px, width_px)
    places = _scaled(points, scale)
    hand = _hand_length(places)
    sizes = (0.0, 0.0, 0.0) if height_px is None or width_px is None else (hand, height_px, width_px)
    numbers = [1.0 if sex == "male" else 0.0, *sizes]
    for one, other in _BONES:
        known = places.get(one) is not None and places.get(other) is not None
        numbers.append(_apart(places[one], places[other]) / hand if known else 0.0)
    for name, side in region_sides(places).items():
        tile = _cut(source, _box_around(points[name], side, scale)).astype(np.float32)
        middle = (tile[:, _TILE_PX // 3 : 2 * _TILE_PX // 3].mean(axis=1) - mean) / spread
        profile = middle.reshape(_PROFILE, -1).mean(axis=1)
        numbers += [float((tile.mean() - mean) / spread), float(tile.std() / spread), *profile.tolist()]
    return numbers


def measure_lengths(points: Mapping[str, Any], sex: str) -> list[float]:
    """Sex and the length of each of the 19 bones, in pixels; 0 where an end is not known."""
    from longspan.datasets.hands import BONES, bone_points

    ends = [bone_points(bone) for bone in BONES]
    lengths = [
        _apart(points[base], points[head]) if points.get(base) is not None and points.get(head) is not None else 0.0
        for base, head in ends
    ]
    return [1.0 if sex == "male" else 0.0, *lengths]


def _scale_of(image: PILImage.Image, height_px: float | None, width_px: float | None) -> tuple[float, float]:
    """Pixels as taken in one of `image`, across and down."""
    if height_px is None or width_px is None:
        return 1.0, 1.0
    return width_px / image.width, height_px / image.height


def _scaled(points: Mapping[str, Any], scale: tuple[float, float]) -> dict[str, Any]:
    return {
        name: None if point is None else [point[0] * scale[0], point[1] * scale[1]] for name, point in points.items()
    }


def _box_around(point: Sequence[float], side: float, scale: tuple[float, float]) -> tuple[float, float, float, float]:
    """A region with a side in pixels as taken, in pixels of the image."""
    x, y, across, down = point[0], point[1], side / 2 / scale[0], side / 2 / scale[1]
    return x - across, y - down, x + across, y + down


def _stretched(image: PILImage.Image) -> PILImage.Image:
    pixels = np.asarray(image, np.float32)
    low, high = np.percentile(pixels, (1, 99.5))
    return PILImage.fromarray((255 * (pixels - low) / max(high - low, 1.0)).clip(0, 255).astype(np.uint8))


def _hand_length(points: Mapping[str, Any]) -> float:
    return max(_apart(points["MCP middle"], points["Wrist"]), 1.0)


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))


def _cut(pixels: PILImage.Image, box: tuple[float, float, float, float]) -> np.ndarray:
    """A region at the size of a tile; what lies outside of the image is black."""
    x0, y0, x1, y1 = box
    scale_x, scale_y = (x1 - x0) / _TILE_PX, (y1 - y0) / _TILE_PX
    matrix = (scale_x, 0, x0, 0, scale_y, y0)
    size = (_TILE_PX, _TILE_PX)
    return np.asarray(pixels.transform(size, PILImage.Transform.AFFINE, matrix, PILImage.Resampling.BILINEAR))
