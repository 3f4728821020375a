"""Where an image of one size lies in a frame of another: points, boxes and masks go there and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from longspan.errors import ConfigError
from longspan.vision.image_io import Resize

__all__ = ["ResizeTransform"]

_Floats = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class ResizeTransform:
    """How a source image lies in its frame, as `longspan.vision.image_io.resize` puts it there.

    Points and boxes are in edge coordinates: pixel i covers i to i + 1, so the whole image is 0, 0, width, height.
    The way there is a stretch and a shift along each axis; both are exact, not rounded to pixels.

    A large JPEG is read at one of its own smaller scales, whose sides are rounded up to whole pixels: there the
    image itself may lie off by less than one pixel of the frame.

    Example:
        >>> placement = ResizeTransform((100, 200), (50, 50), "crop")  # the middle 100 x 100, at half its size
        >>> placement.boxes_to_frame(np.array([[60, 0, 80, 10]])).tolist()
        [[5.0, 0.0, 15.0, 5.0]]
        >>> placement.points_to_source(np.array([0, 0])).tolist()
        [50.0, 0.0]
    """

    source_px: tuple[int, int]
    """Height and width of the upright image as it lies on disk."""
    size_px: tuple[int, int]
    """Height and width of the frame, which is what the network sees."""
    how: Resize
    """Cropped at the centre, stretched, or padded."""

    def __post_init__(self) -> None:
        """Check sizes and way."""
        for name in ("source_px", "size_px"):
            size = getattr(self, name)
            if len(size) != 2 or min(size) < 1:
                raise ConfigError(f"ResizeTransform.{name} must be (height, width) of at least 1 pixel, got {size!r}")
            object.__setattr__(self, name, (int(size[0]), int(size[1])))
        if self.how not in ("crop", "stretch", "pad"):
            raise ConfigError(f"ResizeTransform.how must be 'crop', 'stretch' or 'pad', got {self.how!r}")

    @property
    def scale(self) -> _Floats:
        """`(2,)` frame pixels for one source pixel, along x and y."""
        return self._map()[0]

    def points_to_frame(self, xy: npt.ArrayLike) -> _Floats:
        """Points `(..., 2)` (x, y) of the source as they lie in the frame; they may lie outside it."""
        scale, offset = self._map()
        return np.asarray(xy, np.float64) * scale + offset

    def points_to_source(self, xy: npt.ArrayLike) -> _Floats:
        """Points `(..., 2)` (x, y) of the frame as they lie in the source; they may lie outside it."""
        scale, offset = self._map()
        return (np.asarray(xy, np.float64) - offset) / scale

    def boxes_to_frame(self, boxes: npt.ArrayLike) -> _Floats:
        """Boxes `(N, 4)` (x0, y0, x1, y1) of the source as they lie in the frame; not clipped to it."""
        return self.points_to_frame(np.asarray(boxes, np.float64).reshape(-1, 2, 2)).reshape(-1, 4)

    def boxes_to_source(self, boxes: npt.ArrayLike) -> _Floats:
        """Boxes `(N, 4)` (x0, y0, x1, y1) of the frame as they lie in the source, clipped to it."""
        corners = self.points_to_source(np.asarray(boxes, np.float64).reshape(-1, 2, 2))
        return corners.clip(0, self.source_px[::-1]).reshape(-1, 4)

    def mask_to_frame(self, mask: np.ndarray, fill: int) -> np.ndarray:
        """A mask `(h, w)` of the source as `(H, W)` in the frame: at each pixel's centre the nearest source pixel.

        Args:
            mask: Whole numbers or bools, of the source's size.
            fill: What stands where the frame shows nothing of the source.
        """
        columns, rows = (self._looked_at(axis, self.size_px, self.source_px, back=True) for axis in (0, 1))
        return _picked(mask, rows, columns, fill)

    def mask_to_source(self, mask: np.ndarray, fill: int) -> np.ndarray:
        """A mask `(H, W)` of the frame as `(h, w)` in the source; `fill` where the source was cut away."""
        columns, rows = (self._looked_at(axis, self.source_px, self.size_px, back=False) for axis in (0, 1))
        return _picked(mask, rows, columns, fill)

    def _map(self) -> tuple[_Floats, _Floats]:
        """Scale and offset along x and y: frame = source * scale + offset."""
        (source_h, source_w), (height, width) = self.source_px, self.size_px
        source, frame = np.array([source_w, source_h], np.float64), np.array([width, height], np.float64)
        # Line by line as in images.resize, so that the two agree to the last digit.
        if self.how == "stretch":
            return frame / source, np.zeros(2)
        if self.how == "pad":
            scale = min(width / source_w, height / source_h)
            kept_w, kept_h = max(round(source_w * scale), 1), max(round(source_h * scale), 1)
            corner = np.array([(width - kept_w) // 2, (height - kept_h) // 2], np.float64)
            return np.array([kept_w, kept_h]) / source, corner
        scale = max(width / source_w, height / source_h)
        kept = np.minimum(frame / scale, source)
        return frame / kept, -(source - kept) / 2 * frame / kept

    def _looked_at(self, axis: int, onto: tuple[int, int], of: tuple[int, int], *, back: bool) -> npt.NDArray[np.intp]:
        """For each pixel of `onto` along x (0) or y (1), the pixel of `of` below its centre; -1 where there is none."""
        scale, offset = (part[axis] for part in self._map())
        centres = np.arange(onto[1 - axis]) + 0.5
        places = np.floor((centres - offset) / scale if back else centres * scale + offset).astype(np.intp)
        places[(places < 0) | (places >= of[1 - axis])] = -1
        return places


def _picked(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray, fill: int) -> np.ndarray:
    """Rows and columns of a mask by their numbers; `fill` where the number is -1."""
    if mask.flags.f_contiguous and not mask.flags.c_contiguous:  # whole lines of memory at a time
        return np.ascontiguousarray(_picked(mask.T, columns, rows, fill).T)
    picked = mask.take(rows, axis=0).take(columns, axis=1)  # -1 takes the last, for now
    if (rows < 0).any() or (columns < 0).any():
        picked[rows < 0] = fill
        picked[:, columns < 0] = fill
    return picked
