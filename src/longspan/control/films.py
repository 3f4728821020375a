"""Frames of an episode as one strip, and as an animated GIF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from longspan.control.recording import as_image
from longspan.errors import DataError
from longspan.storage.files import write_whole

__all__ = ["film_strip", "save_gif"]

_GAP = 4


def film_strip(
    frames: Sequence[np.ndarray], *, count: int = 8, columns: int | None = None, scale: int = 1
) -> Image.Image:
    """Frames at equal times of an episode, the first and the last among them, side by side.

    Args:
        frames: Images, or bool grids as MinAtar shows them.
        count: How many are shown.
        columns: Frames in a row; None: all in one.
        scale: Each pixel becomes `scale` x `scale`.
    """
    if not len(frames):
        raise DataError("There are no frames to show: record with Recording(frames=True).")
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    images = [_enlarged(frames[place], scale) for place in chosen]
    across = min(columns or len(images), len(images))
    down = -(-len(images) // across)
    height, width = images[0].shape[:2]
    sheet = np.full((down * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = place // across * (height + _GAP), place % across * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    return Image.fromarray(sheet)


def save_gif(frames: Sequence[np.ndarray], path: str | Path, *, rate_hz: float = 15.0, scale: int = 1) -> Path:
    """An animated GIF that loops.

    Args:
        frames: Images, or bool grids as MinAtar shows them.
        path: Ends in .gif.
        rate_hz: Frames a second; a GIF knows hundredths of a second, and most viewers nothing shorter than two.
        scale: Each pixel becomes `scale` x `scale`.
    """
    if not len(frames):
        raise DataError("There are no frames to show: record with Recording(frames=True).")
    if rate_hz <= 0:
        raise DataError(f"save_gif: rate_hz must be above 0, got {rate_hz}.")
    images = [Image.fromarray(_enlarged(frame, scale)) for frame in frames]
    shown_ms = max(20, round(100 / rate_hz) * 10)
    target = Path(path).expanduser()
    write_whole(
        target,
        lambda part: images[0].save(
            part, format="GIF", save_all=True, append_images=images[1:], duration=shown_ms, loop=0
        ),
    )
    return target


def _enlarged(frame: np.ndarray, scale: int) -> np.ndarray:
    return as_image(np.asarray(frame)).repeat(scale, axis=0).repeat(scale, axis=1)
