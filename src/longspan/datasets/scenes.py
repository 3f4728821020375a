"""Synthetic scenes: coloured shapes on textured ground, with a target of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import polars as pl
from PIL import Image as PILImage

from longspan.columns import Boxes, Category, Image, Instances, Mask, Number
from longspan.data import Table
from longspan.data.annotations.annotation_series import boxes_cells, instances_cells
from longspan.data.annotations.geometry import mask_box
from longspan.errors import ConfigError
from longspan.randomness import step_seed
from longspan.vision.rle import encode_runs

__all__ = ["SHAPES", "ScenesConfig", "make_scenes"]

SHAPES = ("rectangle", "disc", "triangle")
"""The kinds of shapes, in the order of their classes."""

_TRIES = 30  # positions tried for a shape before it is left out
_CONTRAST = 90.0  # least distance of a shape's colour from the ground's, of 441


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ScenesConfig:
    """How the images look."""

    size_px: tuple[int, int] = (64, 64)
    """Height and width of an image."""
    shapes: tuple[int, int] = (0, 3)
    """Fewest and most shapes in an image; every number in between is equally frequent."""
    side_px: tuple[int, int] = (12, 28)
    """Smallest and largest width and height of a shape."""
    kinds: tuple[str, ...] = SHAPES
    """Which shapes there are."""
    hidden: float = 0.3
    """Largest fraction of a shape that later ones may cover; 0 keeps them apart."""
    noise: float = 8.0
    """Standard deviation of the noise on every pixel, of 255."""
    texture: float = 30.0
    """How far the ground wanders from its mean colour, of 255."""

    def __post_init__(self) -> None:
        """Check that shapes are known and have room."""
        if not 0 <= self.shapes[0] <= self.shapes[1]:
            raise ConfigError(f"ScenesConfig.shapes must be two rising numbers from 0 on, got {self.shapes}.")
        if not 4 <= self.side_px[0] <= self.side_px[1] <= min(self.size_px):
            raise ConfigError(
                f"ScenesConfig.side_px must be two rising sides of 4 to {min(self.size_px)} px in images of "
                f"{self.size_px[0]} x {self.size_px[1]} px, got {self.side_px}."
            )
        if not self.kinds or set(self.kinds) - set(SHAPES) or len(set(self.kinds)) < len(self.kinds):
            raise ConfigError(f"ScenesConfig.kinds must be some of {SHAPES}, each once, got {self.kinds}.")
        if not 0 <= self.hidden < 1:
            raise ConfigError(f"ScenesConfig.hidden must be at least 0 and below 1, got {self.hidden}.")


def make_scenes(count: int, *, seed: int = 0, config: ScenesConfig | None = None) -> Table:
    """Images with a few shapes, which may cover one another a little, with targets of every kind.

    A pixel belongs to a shape if its centre lies in it. Boxes and masks cover the visible part of a shape.

    Args:
        count: How many images.
        seed: Image `i` is a function of the seed and `i`: a longer table begins with the shorter one.
        config: How they look.

    Returns:
        A table with `image` (uint8, `size_px`, colour) and

        - `boxes` and `instances`: all shapes, the first drawn first;
        - `mask`: the class of each pixel, "ground" or a shape;
        - `exists`: whether there is any shape; `what`: the kind of the one with the largest visible area, and `x`,
          `y` (the centre of its box), `width` and `height`, in pixels. These five are missing in an empty image.
    """
    config = config or ScenesConfig()
    if count < 1:
        raise ConfigError(f"make_scenes(count={count}): at least one image is needed.")
    drawn = [_draw(np.random.default_rng(step_seed(seed, "scenes", i)), config) for i in range(count)]
    objects = [[_object(kind, mask) for kind, mask in shapes] for _, _, shapes in drawn]
    main = [max(each, key=lambda each: each["area"], default=None) for each in objects]
    boxes = [None if each is None else each["box"] for each in main]
    numbers = {
        "x": [None if box is None else (box[0] + box[2]) / 2 for box in boxes],
        "y": [None if box is None else (box[1] + box[3]) / 2 for box in boxes],
        "width": [None if box is None else box[2] - box[0] for box in boxes],
        "height": [None if box is None else box[3] - box[1] for box in boxes],
    }
    frame = pl.DataFrame(
        [
            pl.Series("image", range(count), dtype=pl.Int64),
            boxes_cells("boxes", objects),
            instances_cells("instances", objects),
            pl.Series("mask", range(count), dtype=pl.Int64),
            pl.Series("exists", [each is not None for each in main]),
            pl.Series("what", [None if each is None else each["label"] for each in main], dtype=pl.String),
            *(pl.Series(name, values, dtype=pl.Float64) for name, values in numbers.items()),
        ]
    )
    columns = {
        "image": Image(),
        "boxes": Boxes(vocab=config.kinds),
        "instances": Instances(vocab=config.kinds),
        "mask": Mask(vocab=("ground", *config.kinds), ignored=()),
        "exists": Category(vocab=(False, True)),
        "what": Category(vocab=config.kinds),
        **{name: Number(unit="px") for name in numbers},
    }
    arrays = {"image": np.stack([each for each, _, _ in drawn]), "mask": np.stack([each for _, each, _ in drawn])}
    return Table(frame, columns, arrays=arrays, source="made-up scenes")


def _draw(
    rng: np.random.Generator, config: ScenesConfig
) -> tuple[np.ndarray, np.ndarray, list[tuple[str, np.ndarray]]]:
    """Pixels, classes, and the kind and visible mask of each shape."""
    height, width = config.size_px
    ground = rng.uniform(40, 215, 3)
    waves = rng.uniform(-1, 1, (max(height // 12, 2), max(width // 12, 2))).astype(np.float32)
    wandering = PILImage.fromarray(waves).resize((width, height), PILImage.Resampling.BICUBIC)
    canvas = ground + config.texture * np.asarray(wandering)[..., None]
    wanted = int(rng.integers(config.shapes[0], config.shapes[1] + 1))
    shapes: list[tuple[str, np.ndarray]] = []
    whole: list[int] = []
    for _ in range(wanted):
        kind = config.kinds[int(rng.integers(len(config.kinds)))]
        placed = _place(rng, kind, config, [mask for _, mask in shapes], whole)
        if placed is None:
            continue
        shapes = [(each, mask & ~placed) for each, mask in shapes]
        shapes.append((kind, placed))
        whole.append(int(placed.sum()))
        canvas = np.where(placed[..., None], _colour(rng, ground), canvas)
    canvas = canvas + rng.normal(0, config.noise, canvas.shape)
    classes = np.zeros((height, width), np.uint8)
    for kind, mask in shapes:
        classes[mask] = 1 + config.kinds.index(kind)
    return canvas.clip(0, 255).round().astype(np.uint8), classes, shapes


def _place(
    rng: np.random.Generator, kind: str, config: ScenesConfig, before: Sequence[np.ndarray], whole: Sequence[int]
) -> np.ndarray | None:
    """A shape where it does not hide too much of those before it; None if no such place was found."""
    height, width = config.size_px
    for _ in range(_TRIES):
        w, h = rng.uniform(*config.side_px, 2)
        if kind == "disc":
            h = w
        x0, y0 = rng.uniform(0, width - w), rng.uniform(0, height - h)
        mask = shape_mask(kind, (x0, y0, x0 + w, y0 + h), config.size_px)
        left = (int((each & ~mask).sum()) / area for each, area in zip(before, whole, strict=True))
        if mask.any() and all(fraction >= 1 - config.hidden for fraction in left):
            return mask
    return None


def shape_mask(kind: str, box: tuple[float, float, float, float], size_px: tuple[int, int]) -> np.ndarray:
    """The pixels `(H, W)` whose centre lies in the shape that fills a box (x0, y0, x1, y1): rectangle, disc, triangle.

    The disc is an ellipse in a box that is not square; the triangle stands on the box's lower side.
    """
    x0, y0, x1, y1 = box
    x, y = np.arange(size_px[1])[None, :] + 0.5, np.arange(size_px[0])[:, None] + 0.5
    across, down = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)  # 0..1 inside the box
    if kind == "disc":
        return (across - 0.5) ** 2 + (down - 0.5) ** 2 <= 0.25
    inside = (across >= 0) & (across <= 1) & (down >= 0) & (down <= 1)
    return inside if kind == "rectangle" else inside & (np.abs(across - 0.5) <= down / 2)


def _colour(rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
    """Any colour that stands out from the ground's."""
    while True:
        colour = rng.uniform(0, 255, 3)
        if np.linalg.norm(colour - ground) >= _CONTRAST:
            return colour


def _object(kind: str, mask: np.ndarray) -> dict[str, Any]:
    rle = {"size": list(mask.shape), "counts": encode_runs(mask)}
    return {"box": mask_box(mask), "label": kind, "rle": rle, "area": int(mask.sum())}
