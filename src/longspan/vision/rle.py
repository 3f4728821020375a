"""Masks as COCO writes them: runs of equal pixels, compressed strings of runs, and polygons.

Runs go down the columns, left to right, and begin with background, so the first may be 0. Polygons are in edge
coordinates. Source: pycocotools' maskApi (rleEncode, rleDecode, rleFrString). Differs: polygons are filled where a
pixel's centre lies inside, while maskApi's rleFrPoly also takes pixels that the outline only touches.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["decode_runs", "encode_runs", "fill_polygons", "runs_of_string"]

_MOST_BITS = 60


def encode_runs(mask: np.ndarray) -> list[int]:
    """The lengths of a mask's runs, `(H, W)` of any type whose zeros are background.

    Example:
        >>> encode_runs(np.array([[0, 1], [0, 1]])), encode_runs(np.array([[1, 0], [1, 1]]))
        ([2, 2], [0, 2, 1, 1])
    """
    flat = np.asarray(mask).astype(bool).ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(changes, prepend=0, append=flat.size).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def decode_runs(counts: Iterable[int], size_px: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The mask `(H, W)` whose runs these are; it lies in memory by columns, as the runs do.

    Raises:
        ValueError: the runs are not as many pixels as `size_px` has.

    Example:
        >>> decode_runs([0, 2, 1, 1], (2, 2)).astype(int).tolist()
        [[1, 0], [1, 1]]
    """
    runs = np.asarray(list(counts), np.int64)
    height, width = size_px
    if (runs < 0).any():
        raise ValueError(f"the runs hold {int(runs.min())}; a length is at least 0")
    if runs.sum() != height * width:
        raise ValueError(
            f"the runs are {int(runs.sum())} pixels, the mask of {height}x{width} (height x width) has {height * width}"
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def runs_of_string(text: str | bytes) -> list[int]:
    """The runs in COCO's compressed string: 5 bits a character, and from the fourth on differences to the last but one.

    Raises:
        ValueError: the text is cut short, holds other characters, or a number of more than 60 bits.

    Example:
        >>> runs_of_string("52203")
        [5, 2, 2, 2, 5]
    """
    codes = text if isinstance(text, bytes) else text.encode("utf-8")
    runs: list[int] = []
    value = bits = 0
    for code in codes:
        code -= 48
        if not 0 <= code < 64:
            raise ValueError(f"the compressed runs hold {chr(code + 48)!r}, which stands for no number")
        value |= (code & 31) << bits
        bits += 5
        if bits > _MOST_BITS:  # without a bound, a long text of one number takes time as its square
            raise ValueError(f"the compressed runs hold a number of more than {_MOST_BITS} bits")
        if code & 32:  # more characters of this number follow
            continue
        if code & 16:  # the highest bit is the sign
            value -= 1 << bits
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = bits = 0
    if bits:
        raise ValueError("the compressed runs end within a number")
    return runs


def fill_polygons(polygons: Iterable[npt.ArrayLike], size_px: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The pixels `(H, W)` whose centre lies inside any of the polygons.

    Args:
        polygons: Each x, y, x, y ... of at least three corners; it closes itself. Where it crosses itself, a point is
            inside if a line from it outwards meets the outline an odd number of times.
        size_px: Height and width of the mask; polygons may reach beyond it.

    Example:
        >>> fill_polygons([[1, 0, 3, 0, 3, 2, 1, 2]], (2, 4)).astype(int).tolist()
        [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    mask = np.zeros(size_px, bool)
    height, width = size_px
    for polygon in polygons:
        start = np.asarray(polygon, np.float64).reshape(-1, 2)
        end = np.roll(start, -1, axis=0)
        upper, lower = np.where(start[:, 1:] < end[:, 1:], start, end), np.where(start[:, 1:] < end[:, 1:], end, start)
        # Rows whose centre lies in [upper y, lower y): half open, so that a corner counts once.
        first, last = (np.ceil(corner[:, 1] - 0.5).clip(0, height).astype(np.int64) for corner in (upper, lower))
        many = last - first
        if not many.any():
            continue
        edge = np.repeat(np.arange(len(many)), many)
        row = np.arange(len(edge)) - np.repeat(many.cumsum() - many, many) + first[edge]
        slope = (lower[edge, 0] - upper[edge, 0]) / (lower[edge, 1] - upper[edge, 1])
        crossing = upper[edge, 0] + (row + 0.5 - upper[edge, 1]) * slope
        column = np.ceil(crossing - 0.5).clip(0, width).astype(np.int64)
        # Every crossing turns all pixels to its right inside out; only the part that the outline spans is looked at.
        top, left, right = row.min(), column.min(), column.max()
        shape = (row.max() + 1 - top, right + 1 - left)
        turns = np.bincount((row - top) * shape[1] + column - left, minlength=shape[0] * shape[1]).reshape(shape)
        mask[top : top + shape[0], left:right] |= (turns.cumsum(axis=1) % 2 == 1)[:, :-1]
    return mask
