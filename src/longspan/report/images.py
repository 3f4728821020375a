"""Images with captions: as data inside a page, and as a contact sheet."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from PIL import Image

from longspan.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CaptionedImage", "Legend", "Tone", "contact_sheet", "data_uri"]

Tone = Literal["neutral", "good", "bad"]
Legend = Sequence[tuple[object, tuple[int, int, int]]]
"""Words, each with the colour (0..255) that stands for it in images."""

_LEGEND_LINE_PX = 22
_SMALL_PX = 96
"""Up to this side an image is kept as it is (PNG) and shown with its pixels; above, as a photograph (JPEG)."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class CaptionedImage:
    """One image with its caption.

    Raises:
        ShapeError: the image is not uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
    """

    image: np.ndarray
    """uint8, (H, W) or (H, W, C) with 1, 3 or 4 channels."""
    caption: str = ""
    """What stands in bold below: the prediction."""
    tone: Tone = "neutral"
    """Whether that is good, bad or neither."""
    note: str = ""
    """A quieter second line: the target, the loss, the name of the file."""

    def __post_init__(self) -> None:
        """Check shape, type and tone."""
        shape = self.image.shape
        channels = shape[2] if len(shape) == 3 else 1
        if self.image.dtype != np.uint8 or len(shape) not in (2, 3) or channels not in (1, 3, 4) or 0 in shape:
            raise ShapeError(
                "CaptionedImage.image must be uint8 (H, W) or (H, W, C) with 1, 3 or 4 channels, got "
                f"{self.image.dtype} {shape}. Scale to 0..255 and put the channels last."
            )
        if self.tone not in ("neutral", "good", "bad"):
            raise ConfigError(f"CaptionedImage.tone must be 'neutral', 'good' or 'bad', got {self.tone!r}.")

    @property
    def small(self) -> bool:
        """Whether single pixels should be seen."""
        return max(self.image.shape[:2]) <= _SMALL_PX


def data_uri(image: np.ndarray, *, most_px: int = 360) -> str:
    """The image as a `data:` address, at most `most_px` long; small or transparent ones without loss."""
    thumbnail = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2:] == (1,) else image))
    thumbnail.thumbnail((most_px, most_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if max(image.shape[:2]) <= _SMALL_PX or thumbnail.mode == "RGBA":
        thumbnail.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        thumbnail.save(buffer, "JPEG", quality=84, optimize=True)
        kind = "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def contact_sheet(
    images: Sequence[CaptionedImage],
    *,
    columns: int | None = None,
    title: str = "",
    cell_px: int = 130,
    legend: Legend = (),
) -> Figure:
    """All images in rows, each above its caption, as one figure.

    Args:
        images: at least one.
        columns: images in a row; about as wide as high, and at most 8, if None.
        title: stands above; nothing if empty.
        cell_px: width of one cell on the page; a row is as high as its highest image needs, at most `cell_px`.
        legend: what colours in the images mean; stands below.

    Raises:
        ConfigError: no images, or fewer than one column.
    """
    from longspan.report.canvas import BAD, FAINT, GOOD, INK, Sheet, inches, plain

    if not images:
        raise ConfigError("A contact sheet needs at least one image, got none.")
    columns = min(8, int(np.ceil(len(images) ** 0.5 * 1.3))) if columns is None else columns
    if columns < 1:
        raise ConfigError(f"A contact sheet needs at least one column, got {columns}.")
    columns = min(columns, len(images))
    lines = 2 if any(each.note for each in images) else 1 if any(each.caption for each in images) else 0
    gap_px, line_px, head_px = 12, 15, 34 if title else 0
    shapes = [each.image.shape[0] / each.image.shape[1] for each in images]
    highs_px = [
        round(cell_px * min(1, max(shapes[first : first + columns]))) for first in range(0, len(shapes), columns)
    ]
    steps_px = [high_px + lines * line_px + gap_px for high_px in highs_px]
    width_px = columns * (cell_px + gap_px) + gap_px
    across, foot_px = _legend_size(legend, width_px - 2 * gap_px)
    height_px = sum(steps_px) + gap_px + head_px + foot_px
    sheet = Sheet(figsize=inches(width_px, height_px), facecolor="white")
    colours = {"neutral": INK, "good": GOOD, "bad": BAD}
    room = max(8, int(cell_px / 5.5))
    below: dict[str, Any] = {"ha": "center", "va": "top", "xycoords": "axes fraction", "textcoords": "offset points"}
    for place, each in enumerate(images):
        row = place // columns
        left, high_px = gap_px + place % columns * (cell_px + gap_px), highs_px[row]
        bottom = height_px - head_px - gap_px - sum(steps_px[:row]) - high_px
        axes = sheet.add_axes((left / width_px, bottom / height_px, cell_px / width_px, high_px / height_px))
        axes.set_axis_off()
        image = each.image[..., 0] if each.image.shape[2:] == (1,) else each.image
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest" if each.small else "antialiased")
        shown = ((each.caption, colours[each.tone], "bold"), (each.note, FAINT, "normal"))
        for line, (text, colour, weight) in enumerate(shown):
            spot = (0, -4 - line * line_px)
            axes.annotate(plain(_shorten(text, room)), (0.5, 0), spot, color=colour, weight=weight, size=10, **below)
    if legend:
        room = (gap_px / width_px, 0, 1 - 2 * gap_px / width_px, foot_px / height_px)
        _draw_legend(sheet.add_axes(room), legend, across, (width_px - 2 * gap_px, foot_px))
    if title:
        top = 1 - gap_px / height_px
        sheet.text(
            gap_px / width_px,
            top,
            plain(title),
            color=INK,
            size=min(13, width_px / (0.68 * len(title))),
            weight="bold",
            va="top",
        )
    return sheet


def _legend_size(legend: Legend, width_px: int) -> tuple[int, int]:
    """Entries in a line, and the height of all lines."""
    if not legend:
        return 1, 0
    widest = max(len(str(word)) for word, _ in legend)
    across = max(1, width_px // int(widest * 6.5 + 36))
    return across, -(-len(legend) // across) * _LEGEND_LINE_PX + 8


def _draw_legend(axes: Any, legend: Legend, across: int, size_px: tuple[int, int]) -> None:
    """Squares of colour with their words, in columns of one width."""
    from longspan.report.canvas import INK, plain

    width_px, height_px = size_px
    axes.set_axis_off()
    axes.set(xlim=(0, width_px), ylim=(height_px, 0))
    for number, (word, colour) in enumerate(legend):
        x, y = number % across * width_px / across, (number // across + 0.5) * _LEGEND_LINE_PX
        shade = "#{:02x}{:02x}{:02x}".format(*colour)
        axes.plot([x + 7], [y], "s", color=shade, markersize=12, markeredgecolor=INK, markeredgewidth=0.5)
        axes.text(x + 20, y, plain(str(word)), color=INK, size=10, va="center")


def _shorten(text: str, room: int) -> str:
    """At most `room` characters, with an ellipsis where something was cut off."""
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"
