"""Box regression: from a region to the box of its object, as four numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["apply_deltas", "encode_deltas"]

_FARTHEST = 4.0  # largest logarithm of a scale; more would overflow

# N regions or boxes, x0, y0, x1, y1 each


def encode_deltas(regions: npt.ArrayLike, boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Deltas from each of N regions to the corresponding box, `(N, 4)`.

    Offsets of the centre in widths and heights of the region, and logarithms of the ratios of width and height.

    Source: Girshick et al. 2014, appendix C, equations 6 to 9. Differs from the authors' code: the four numbers are
    not whitened before they are learned.

    Args:
        regions: `(N, 4)` with an area.
        boxes: `(N, 4)` with an area.

    Example:
        >>> encode_deltas([[0, 0, 10, 20]], [[5, 0, 15, 40]]).round(4).tolist()
        [[0.5, 0.5, 0.0, 0.6931]]
    """
    centres, sides = _centres_and_sides(regions)
    box_centres, box_sides = _centres_and_sides(boxes)
    return np.concatenate([(box_centres - centres) / sides, np.log(box_sides / sides)], axis=1)


def apply_deltas(regions: npt.ArrayLike, deltas: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Regions after N deltas are applied, `(N, 4)`: the inverse; equations 1 to 4."""
    centres, sides = _centres_and_sides(regions)
    deltas = np.asarray(deltas, np.float64).reshape(-1, 4)
    centres = centres + deltas[:, :2] * sides
    sides = sides * np.exp(deltas[:, 2:].clip(-_FARTHEST, _FARTHEST))
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def _centres_and_sides(boxes: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    return (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
