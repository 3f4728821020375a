"""Images of handwritten numbers, composed from images of single digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from PIL import Image as PILImage

from longspan.columns import Image, Raw, Text
from longspan.data import Table
from longspan.errors import ConfigError
from longspan.randomness import step_seed

__all__ = ["NumbersConfig", "make_numbers"]

_INK = 40  # grey from which a pixel of a digit's image belongs to the digit
_MARGIN_PX = 2  # above and below
_SIDE_PX = 8  # left and right, so that a slight rotation or enlargement cuts no digit off


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class NumbersConfig:
    """How the images look."""

    size_px: tuple[int, int] = (32, 160)
    """Height and width of an image."""
    lengths: tuple[int, int] = (3, 6)
    """Fewest and most digits of a number; every length in between is equally frequent."""
    height_px: tuple[int, int] = (18, 22)
    """Smallest and largest height of a digit."""
    gap_px: tuple[int, int] = (-1, 8)
    """Smallest and largest space between two digits; below 0 they touch and overlap."""
    noise: float = 12.0
    """Standard deviation of the grey noise on every pixel, of 255."""
    specks: float = 0.002
    """Fraction of pixels that are specks of any grey."""

    def __post_init__(self) -> None:
        """Refuse ranges that leave no room for a digit, with ConfigError."""
        if not 1 <= self.lengths[0] <= self.lengths[1]:
            raise ConfigError(f"NumbersConfig.lengths must be two rising numbers of at least 1, got {self.lengths}.")
        if self.height_px[1] + 2 * _MARGIN_PX > self.size_px[0] or not 4 <= self.height_px[0] <= self.height_px[1]:
            raise ConfigError(
                f"NumbersConfig.height_px must be two rising heights of 4 to {self.size_px[0] - 2 * _MARGIN_PX} px in "
                f"images of {self.size_px[0]} px, got {self.height_px}."
            )


def make_numbers(
    digits: Table,
    count: int,
    *,
    seed: int = 0,
    config: NumbersConfig | None = None,
    image: str = "image",
    digit: str = "digit",
) -> Table:
    """Numbers written with the digits of a table: light ink on a dark, noisy ground, digits sometimes touching.

    Each digit is drawn uniformly from the table, cropped to its ink, resized and placed beside its neighbour. Two
    tables of numbers share no digit image if the tables that they are made from share none.

    Args:
        digits: Images of single digits, grey, light on dark, held in memory.
        count: How many numbers.
        seed: Number `i` is a function of the seed and `i`: a longer table begins with the shorter one.
        config: How the images look.
        image: Column of the images in `digits`.
        digit: Column of their classes, 0..9.

    Returns:
        A table with `image` (uint8, `size_px`), `number` (text, leading zeros kept), and what stages may learn from:
        `boxes`, a list of [x0, y0, x1, y1] in pixels, and `digits`, the list of classes, both from left to right.
    """
    config = config or NumbersConfig()
    glyphs = digits.column_values(image)
    classes = [int(value) for value in digits.column_values(digit)]
    drawn = [_draw(glyphs, classes, np.random.default_rng(step_seed(seed, "numbers", i)), config) for i in range(count)]
    return Table.from_arrays(
        {
            "image": np.stack([pixels for pixels, _, _ in drawn]),
            "number": ["".join(map(str, labels)) for _, labels, _ in drawn],
            "boxes": [boxes for _, _, boxes in drawn],
            "digits": [labels for _, labels, _ in drawn],
        },
        {"image": Image(), "number": Text(), "boxes": Raw(), "digits": Raw()},
    )


def _draw(
    pixels: Sequence[np.ndarray], classes: Sequence[int], rng: np.random.Generator, config: NumbersConfig
) -> tuple[np.ndarray, list[int], list[list[float]]]:
    height_px, width_px = config.size_px
    length = int(rng.integers(config.lengths[0], config.lengths[1] + 1))
    rows = rng.integers(0, len(pixels), length)
    base = rng.uniform(*config.height_px)  # one hand: digits of a number have about one size
    shapes = [_shape(pixels[row], base * rng.uniform(0.9, 1.1), rng.uniform(0.85, 1.15), config) for row in rows]
    gaps = rng.integers(config.gap_px[0], config.gap_px[1] + 1, length - 1)
    room = width_px - 2 * min(_SIDE_PX, width_px // 8)
    taken = sum(shape.shape[1] for shape in shapes) + int(gaps.sum())
    if taken > room:  # a long number of wide digits: all a little narrower
        factor = (room - int(gaps.sum())) / (taken - int(gaps.sum()))
        shapes = [_resized(shape, shape.shape[0], max(3, int(shape.shape[1] * factor))) for shape in shapes]
        taken = sum(shape.shape[1] for shape in shapes) + int(gaps.sum())
    canvas = np.zeros((height_px, width_px), np.float32)
    x = min(_SIDE_PX, width_px // 8) + int(rng.integers(0, room - taken + 1))
    boxes = []
    for i, shape in enumerate(shapes):
        height, width = shape.shape
        slack = height_px - height
        y = int(np.clip(slack // 2 + rng.integers(-3, 4), 0, slack))
        left = max(0, min(x, width_px - width))
        part = canvas[y : y + height, left : left + width]
        np.maximum(part, shape * rng.uniform(0.75, 1.0), out=part)
        boxes.append([float(left), float(y), float(left + width), float(y + height)])
        x += width + (int(gaps[i]) if i < len(gaps) else 0)
    canvas += rng.normal(0, config.noise, canvas.shape) + rng.uniform(0, 40)
    specks = rng.random(canvas.shape) < config.specks
    canvas[specks] = rng.uniform(0, 255, int(specks.sum()))
    return canvas.clip(0, 255).astype(np.uint8), [classes[row] for row in rows], boxes


def _shape(glyph: np.ndarray, height: float, stretch: float, config: NumbersConfig) -> np.ndarray:
    """One digit, cropped to its ink and scaled to a height; a `1` stays thin."""
    glyph = np.asarray(glyph).reshape(glyph.shape[:2])
    ink = glyph >= _INK
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cut = glyph if not len(rows) else glyph[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    high = int(np.clip(round(height), config.height_px[0], config.height_px[1]))
    wide = int(np.clip(round(cut.shape[1] * high / cut.shape[0] * stretch), 3, 1.2 * high))
    return _resized(cut, high, wide)


def _resized(glyph: np.ndarray, height: int, width: int) -> np.ndarray:
    resized = PILImage.fromarray(glyph.astype(np.uint8)).resize((width, height), PILImage.Resampling.BILINEAR)
    return np.asarray(resized, np.float32)
