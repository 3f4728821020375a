"""Masks and boxes drawn on images, in colours that people with red-green blindness can tell apart too."""

from __future__ import annotations

import base64
import functools
import html
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from longspan.errors import ShapeError

__all__ = ["Colour", "draw_boxes", "draw_classes", "draw_masks", "image_html", "legend", "palette"]

Colour = tuple[int, int, int]
"""Red, green, blue; 0..255."""

_FIRST: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
    (240, 228, 66),
)
"""Okabe and Ito, Color Universal Design (2008), without black."""

_SOFT = 0.45  # how much of its own colour an area gets; its outline gets all of it
_ROOM = 3  # pixels around a caption


# --- colours ---------------------------------------------------------------------------------------------------------


@functools.cache
def palette(count: int) -> tuple[Colour, ...]:
    """`count` distinct colours; colour i is the same whatever the count.

    The first seven are those of Okabe and Ito. Each further one is, among 6 x 6 x 6 colours that are neither nearly
    black nor nearly white, the one farthest from all before it, as a person with normal sight and one with
    deuteranopia (Vienot et al. 1999) see it, in Oklab (Ottosson 2020).

    Example:
        >>> palette(2)
        ((230, 159, 0), (86, 180, 233))
    """
    steps = (0, 51, 102, 153, 204, 255)
    candidates = np.array([(r, g, b) for r in steps for g in steps for b in steps])
    lightness = _as_seen(candidates)[0, :, 0]
    candidates = candidates[(lightness > 0.46) & (lightness < 0.92)]
    seen, chosen = _as_seen(candidates), list(_FIRST)
    nearest = np.full(len(candidates), np.inf)
    for colour in _FIRST:
        nearest = np.minimum(nearest, _distance(seen, _as_seen(np.array([colour]))))
    while len(chosen) < count:
        best = int(nearest.argmax())
        red, green, blue = candidates[best].tolist()
        chosen.append((red, green, blue))
        nearest = np.minimum(nearest, _distance(seen, seen[:, best : best + 1]))
        if not nearest.any():  # all candidates are used up: begin again
            nearest = np.full(len(candidates), np.inf)
    return tuple(chosen[:count])


def _as_seen(colours: np.ndarray) -> npt.NDArray[np.float64]:
    """`(N, 3)` colours in Oklab, `(2, N, 3)`: with normal sight, with deuteranopia."""
    fraction = colours / 255
    linear = np.where(fraction <= 0.04045, fraction / 12.92, ((fraction + 0.055) / 1.055) ** 2.4)
    blind = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    return np.stack([_oklab(linear), _oklab((linear @ blind.T).clip(0, 1))])


def _oklab(linear: np.ndarray) -> npt.NDArray[np.float64]:
    """Lightness (0..1), green to red, blue to yellow, from linear sRGB (0..1)."""
    to_cones = [
        [0.41222147, 0.53633254, 0.05144599],
        [0.21190350, 0.68069955, 0.10739696],
        [0.08830246, 0.28171884, 0.62997870],
    ]
    to_lab = [
        [0.21045426, 0.79361779, -0.00407205],
        [1.97799850, -2.42859221, 0.45059371],
        [0.02590404, 0.78277177, -0.80867577],
    ]
    return np.cbrt(linear @ np.array(to_cones).T) @ np.array(to_lab).T


def _distance(seen: np.ndarray, other: np.ndarray) -> npt.NDArray[np.float64]:
    """Distance `(N,)` of each colour to another, with the sight that tells them apart worse."""
    return np.sqrt(((seen - other) ** 2).sum(-1)).min(axis=0)


# --- areas -----------------------------------------------------------------------------------------------------------


def draw_classes(pixels: np.ndarray, classes: np.ndarray, colours: Sequence[Colour]) -> np.ndarray:
    """A map of classes over its image: tinted areas with thin outlines; what is not a class stays as it is.

    Args:
        pixels: `(H, W, 3)` or grey `(H, W)` uint8; stays intact.
        classes: `(H, W)` class numbers in 0..255; those without a colour are left out.
        colours: One for each class.
    """
    drawn = _colour_copy(pixels)
    _check_size(drawn, classes, "class map")
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = np.reshape(colours, (-1, 3))
    fraction = np.where(_outline(classes), np.float32(1), np.float32(_SOFT)) * (classes < len(colours))
    ground = drawn.astype(np.float32)
    tint = table.take(classes, axis=0) - ground
    return np.rint(ground + tint * fraction[..., None]).astype(np.uint8)


def draw_masks(pixels: np.ndarray, masks: Sequence[np.ndarray], colours: Sequence[Colour]) -> np.ndarray:
    """Bool masks `(H, W)` over their image, each in its colour, tinted with a thin outline; later ones on top."""
    drawn = _colour_copy(pixels)
    for mask, colour in zip(masks, colours, strict=True):
        _check_size(drawn, mask, "mask")
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            continue
        around = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        area, part = mask[around], drawn[around]
        fraction = np.where(_outline(np.pad(area, 1))[1:-1, 1:-1][area], 1.0, _SOFT)[:, None]
        part[area] = np.rint(part[area] * (1 - fraction) + np.array(colour) * fraction)
    return drawn


def _outline(areas: np.ndarray) -> npt.NDArray[np.bool_]:
    """Pixels with a neighbour of another area to the left or above, or, of a mask, on any side."""
    edge = np.zeros(areas.shape, bool)
    down, right = areas[1:] != areas[:-1], areas[:, 1:] != areas[:, :-1]
    edge[1:] |= down
    edge[:, 1:] |= right
    if areas.dtype == bool:
        edge[:-1] |= down
        edge[:, :-1] |= right
    return edge


# --- boxes -----------------------------------------------------------------------------------------------------------


def draw_boxes(
    pixels: np.ndarray,
    boxes: np.ndarray,
    captions: Sequence[str],
    colours: Sequence[Colour],
    *,
    dashed: Sequence[bool] | None = None,
) -> np.ndarray:
    """Boxes with their captions over their image; line and letters grow with the image.

    Args:
        pixels: `(H, W, 3)` or grey `(H, W)` uint8; stays intact.
        boxes: `(N, 4)` x0, y0, x1, y1 in edge coordinates of `pixels`.
        captions: One for each box, drawn at a corner of it where no other one stands, and left out where there is no
            such place; "" for none.
        colours: One for each box.
        dashed: Which boxes have a broken line.
    """
    image = PILImage.fromarray(_colour_copy(pixels))
    pen = ImageDraw.Draw(image)
    side = min(image.size)
    line = max(1, round(side / 200))
    corners = np.rint(np.asarray(boxes, np.float64).reshape(-1, 4)).astype(int)
    corners = corners.clip(0, [image.width, image.height] * 2).tolist()
    for number, (x0, y0, x1, y1) in enumerate(corners):
        box = (x0, y0, max(x1 - 1, x0), max(y1 - 1, y0))
        if dashed is not None and dashed[number]:
            _dashed(pen, box, colours[number], line)
        else:
            pen.rectangle(box, outline=colours[number], width=line)
    font = _font(min(max(round(side / 26), 10), 26))
    taken: list[tuple[int, int, int, int]] = []
    for (x0, y0, x1, y1), caption, colour in zip(corners, map(_one_line, captions), colours, strict=True):
        left, top, right, bottom = pen.textbbox((0, 0), caption, font=font)
        width, height = int(right - left) + 2 * _ROOM, int(bottom - top) + 2 * _ROOM
        places = [(x, y) for y in (y0 - height, y0, y1, y1 - height) for x in (x0, x1 - width)]
        within = [(max(min(x, image.width - width), 0), y) for x, y in places if 0 <= y <= image.height - height]
        free = [at for at in within if not any(_meet((*at, at[0] + width, at[1] + height), each) for each in taken)]
        if not caption or not free:
            continue
        x, y = free[0]
        taken.append((x, y, x + width, y + height))
        pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
        pen.text((x + _ROOM - left, y + _ROOM - top), caption, font=font, fill=_ink(colour))
    return np.array(image)


def _dashed(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour, line: int) -> None:
    x0, y0, x1, y1 = box
    dash = 4 * line
    for start in range(x0, x1 + 1, 2 * dash):
        end = min(start + dash - 1, x1)
        pen.rectangle((start, y0, end, min(y0 + line - 1, y1)), fill=colour)
        pen.rectangle((start, max(y1 - line + 1, y0), end, y1), fill=colour)
    for start in range(y0, y1 + 1, 2 * dash):
        end = min(start + dash - 1, y1)
        pen.rectangle((x0, start, min(x0 + line - 1, x1), end), fill=colour)
        pen.rectangle((max(x1 - line + 1, x0), start, x1, end), fill=colour)


def _meet(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


# --- words -----------------------------------------------------------------------------------------------------------


def legend(vocab: Sequence[object], colours: Sequence[Colour] | None = None, *, width_px: int = 480) -> np.ndarray:
    """What each colour means: an image `(H, width_px, 3)` uint8 on white, to stand below or beside others.

    Args:
        vocab: Labels in the order of their class numbers.
        colours: One for each label; those of `palette` if None.
        width_px: Labels that do not fit into one line go to the next.
    """
    colours = palette(len(vocab)) if colours is None else colours
    font, swatch, gap, line = _font(13), 14, 18, 24
    pen = ImageDraw.Draw(PILImage.new("RGB", (1, 1)))
    words = [_one_line(str(label)) for label in vocab]
    # In columns of one width, which reads more easily than ragged lines.
    step = max((int(pen.textlength(word, font=font)) for word in words), default=0) + swatch + 6 + gap
    across = max(1, (width_px - 8 + gap) // step)
    image = PILImage.new("RGB", (width_px, max(1, -(-len(words) // across)) * line + 8), "white")
    pen = ImageDraw.Draw(image)
    for number, (word, colour) in enumerate(zip(words, colours, strict=False)):
        x, y = 8 + number % across * step, 4 + number // across * line
        pen.rectangle((x, y + 5, x + swatch, y + 5 + swatch), fill=colour, outline=(90, 90, 90))
        pen.text((x + swatch + 6, y + line / 2), word, font=font, fill=(20, 20, 20), anchor="lm")
    return np.array(image)


def image_html(pixels: np.ndarray, text: str = "") -> str:
    """An image `(H, W, 3)` uint8 as an HTML element that holds its pixels; `text` is for those who cannot see it."""
    buffer = io.BytesIO()
    PILImage.fromarray(pixels).save(buffer, "PNG")
    inside = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{inside}">'


@functools.cache
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _ink(colour: Colour) -> Colour:
    """Black or white, whichever is easier to read on `colour`."""
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)


def _colour_copy(pixels: np.ndarray) -> np.ndarray:
    """A copy with three channels."""
    plain = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if pixels.dtype != np.uint8 or plain.ndim not in (2, 3) or plain.shape[2:] not in ((), (3,)):
        raise ShapeError(f"An image to draw on is (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}.")
    return np.stack([plain] * 3, axis=-1) if plain.ndim == 2 else plain.copy()


def _check_size(pixels: np.ndarray, areas: np.ndarray, what: str) -> None:
    if areas.shape != pixels.shape[:2]:
        height, width = pixels.shape[:2]
        raise ShapeError(
            f"The {what} has the shape {areas.shape}, the image that it is drawn on {(height, width)}: "
            "bring it into the pixels of that image first (to_source)."
        )
