"""From a region to the box of the thing in it, as four numbers that a regression can learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["moved", "moves_between"]

_FARTHEST = 4.0  # logarithm of a scale: what is more is no answer, and overflows

# N regions or boxes, x0, y0, x1, y1 each


def moves_between(regions: npt.ArrayLike, boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """What brings each of N regions to the box beside it, `(N, 4)`.

    The way of the centre in widths and heights of the region, and the logarithms of how many times as wide and as high
    the box is.

    Source: Girshick et al. 2014, appendix C, equations 6 to 9. Differs from the authors' code: the four numbers are
    not made independent of each other before they are learned.

    Args:
        regions: `(N, 4)` with an area.
        boxes: `(N, 4)` with an area.

    Example:
        >>> moves_between([[0, 0, 10, 20]], [[5, 0, 15, 40]]).round(4).tolist()
        [[0.5, 0.5, 0.0, 0.6931]]
    """
    centres, sides = _centres_and_sides(regions)
    wanted_centres, wanted_sides = _centres_and_sides(boxes)
    return np.concatenate([(wanted_centres - centres) / sides, np.log(wanted_sides / sides)], axis=1)


def moved(regions: npt.ArrayLike, moves: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Where N regions are after their moves, `(N, 4)`: the other way round; equations 1 to 4."""
    centres, sides = _centres_and_sides(regions)
    moves = np.asarray(moves, np.float64).reshape(-1, 4)
    centres = centres + moves[:, :2] * sides
    sides = sides * np.exp(moves[:, 2:].clip(-_FARTHEST, _FARTHEST))
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def _centres_and_sides(boxes: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    return (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
