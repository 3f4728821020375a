"""Cuts an object out of an image so that its points lie where a template has them: turned, scaled and shifted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from longspan.errors import ConfigError
from longspan.vision.annotation_values import are_numbers
from longspan.vision.image_io import MAX_PIXELS, read_pixels

__all__ = ["FACE_TEMPLATE", "Align", "similarity_transform"]

FACE_TEMPLATE = {
    "left eye": (38.7946, 52.1963),
    "right eye": (74.0318, 52.0014),
    "nose": (56.5252, 72.2366),
    "left mouth": (42.0493, 92.8655),
    "right mouth": (71.2299, 92.7041),
}
"""Five points of a face in a crop of 112 x 112 px, left as in the image, in edge coordinates.

Source: the template of insightface (Deng et al. 2019, "ArcFace"), whose coordinates count from the middle of the first
pixel; half a pixel is added here."""

_MODES = {1: "L", 3: "RGB"}
_MIRRORED = 4.0  # times better that a mirrored template must fit


def similarity_transform(points: npt.ArrayLike, template: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The turn, scale and shift that bring points closest to a template: `(2, 3)`, template ~ matrix @ (x, y, 1).

    Least squares over the points, without mirroring.

    Source: Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns", equations
    40 to 43.

    Args:
        points: `(K, 2)`, at least two of them in different places.
        template: `(K, 2)`, where they should lie.

    Raises:
        ValueError: fewer than two points, all in one place, or not finite.
    """
    source, target = np.asarray(points, np.float64), np.asarray(template, np.float64)
    if source.ndim != 2 or source.shape[1] != 2 or source.shape != target.shape:
        raise ValueError(f"points and template are (K, 2) each, got {source.shape} and {target.shape}")
    if len(source) < 2 or not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError("a similarity transform needs at least two points with finite places")
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred, wanted = source - source_mean, target - target_mean
    spread = float(np.square(centred).sum())
    if spread < 1e-9 or float(np.square(wanted).sum()) < 1e-9:
        raise ValueError("all points lie in one place, which says nothing of turn and scale")
    left, values, right = np.linalg.svd(wanted.T @ centred)
    signs = np.array([1.0, 1.0 if np.linalg.det(left) * np.linalg.det(right) > 0 else -1.0])
    rotation = left @ np.diag(signs) @ right
    scale = float((values * signs).sum()) / spread
    if scale <= 1e-9:
        raise ValueError("the points fit the template at no scale: is left right?")
    matrix = scale * rotation
    return np.column_stack([matrix, target_mean - matrix @ source_mean])


@final
@dataclass(frozen=True, kw_only=True)
class Align:
    """A function stage that cuts out what named points mark, upright and at one size: image and points to a crop.

    `Stage("align", Align(), reads=["image", "points"], adds="face")`. Points are those of a column of key points or of
    its heads, in pixels of the image; at least two that the template knows must be there. Without them the crop is
    missing (None), and so is all that later stages make of it. Where an object is more than twice as large as its
    template, the image is first reduced, so that nothing aliases. What lies outside the image is black.

    Raises (as errors of the stage, with the row): ValueError for points that say nothing, and for points that fit the
    mirrored template much better: left and right are then swapped.

    Example:
        >>> align = Align(template={"left": (2, 4), "right": (6, 4)}, size_px=(8, 8))
        >>> align(np.zeros((20, 20, 3), np.uint8), {"left": [5, 10], "right": [13, 10]}).shape
        (8, 8, 3)
    """

    template: Mapping[str, tuple[float, float]] | None = None
    """Where each point is to lie in the crop, x and y in pixels, edge coordinates; None: `FACE_TEMPLATE`."""
    size_px: tuple[int, int] = (112, 112)
    """Height and width of the crop."""
    channels: int = 3
    """3 for colour, 1 for grey."""

    def __post_init__(self) -> None:
        """Check template and size."""
        size = tuple(self.size_px)
        if len(size) != 2 or not all(isinstance(each, int) and each >= 1 for each in size):
            raise ConfigError(f"Align.size_px must be height and width in whole pixels, got {self.size_px!r}.")
        if self.channels not in _MODES:
            raise ConfigError(f"Align.channels must be 1 or 3, got {self.channels!r}.")
        object.__setattr__(self, "size_px", size)
        if self.template is None:
            return
        template = {name: tuple(at) for name, at in self.template.items()}
        if len(template) < 2 or not all(len(at) == 2 and are_numbers(at) for at in template.values()):
            raise ConfigError(f"Align.template must be two or more names with x and y, got {self.template!r}.")
        object.__setattr__(self, "template", template)

    def to_json(self) -> dict[str, Any]:
        """Its options, which identify a stage that holds it."""
        template = None if self.template is None else {name: list(at) for name, at in self.template.items()}
        return {"align": template, "size_px": list(self.size_px), "channels": self.channels}

    def matrix(self, points: Mapping[str, Any]) -> npt.NDArray[np.float64] | None:
        """`(2, 3)`: pixels of the image to pixels of the crop, edge coordinates; None with fewer than two points.

        Raises:
            ValueError: points that say nothing, or whose left and right are swapped.
        """
        template = FACE_TEMPLATE if self.template is None else self.template
        known = [
            name for name in template if points.get(name) is not None and (*points[name], 2)[2] != 0
        ]  # a third number 0 says that nobody labelled the point
        if len(known) < 2:
            return None
        source = np.array([points[name][:2] for name in known], np.float64)
        target = np.array([template[name] for name in known], np.float64)
        mirrored = target * [-1, 1]
        try:
            found = similarity_transform(source, target)
            error = _misfit(source, target, found)
        except ValueError:
            if len(known) < 3 or not _fits_mirrored(source, mirrored, math.inf):
                raise
            raise ValueError(_swapped(known)) from None
        if len(known) >= 3 and _fits_mirrored(source, mirrored, error):
            raise ValueError(_swapped(known))
        return found

    def __call__(self, image: Any, points: Mapping[str, Any] | None) -> np.ndarray | None:
        """The crop, `size_px` with `channels` as uint8 `(H, W)` or `(H, W, 3)`; None where points are missing."""
        matrix = None if points is None else self.matrix(points)
        if matrix is None:
            return None
        source = read_pixels(image, _MODES[self.channels], MAX_PIXELS)
        factor = int(1 / float(np.hypot(*matrix[:, 0])))
        if factor >= 2:  # each pixel of the crop sees about as many of the image
            width, height = source.size
            factor = min(factor, width, height)
            source = source.reduce(factor)
            matrix = matrix @ np.diag([factor, factor, 1.0])
        back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
        # Pillow, too, takes the middle of a pixel at half: its coefficients are in edge coordinates.
        height, width = self.size_px
        affine = PILImage.Transform.AFFINE
        crop = source.transform((width, height), affine, tuple(back.ravel()), PILImage.Resampling.BILINEAR)
        return np.asarray(crop)


def _misfit(source: np.ndarray, target: np.ndarray, matrix: np.ndarray) -> float:
    """Mean squared distance of the moved points from the template, in units of the template's spread."""
    apart = source @ matrix[:, :2].T + matrix[:, 2] - target
    return float(np.square(apart).sum() / np.square(target - target.mean(axis=0)).sum())


def _fits_mirrored(source: np.ndarray, mirrored: np.ndarray, error: float) -> bool:
    """Whether the mirrored template fits much better than the template does."""
    try:
        other = _misfit(source, mirrored, similarity_transform(source, mirrored))
    except ValueError:
        return False
    return other * _MIRRORED < error


def _swapped(names: list[str]) -> str:
    return f"the points {', '.join(names)} fit the template in a mirror: left and right are swapped"
