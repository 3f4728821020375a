"""The sheet that every figure is drawn on: one quiet style, a colour-blind safe palette, no global state.

Import this module inside the functions that draw: it loads matplotlib.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = [
    "BAD",
    "COLOURS",
    "FAINT",
    "GOOD",
    "GRID",
    "INK",
    "ON_COLOUR",
    "SMALL",
    "Sheet",
    "heading",
    "inches",
    "lay_out",
    "new_axes",
    "part_tick_labels",
    "plain",
    "short_names",
]

# Okabe and Ito's palette (2008), distinguishable with colour blindness; the page has a twin of each for the dark.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a8f98")
GOOD, BAD = COLOURS[0], COLOURS[3]
INK, FAINT, GRID, ON_COLOUR = "#2b3138", "#6f7882", "#dfe2e5", "#fffffe"

SMALL = 11.0
"""Size of labels, in CSS pixels on a page."""


@final
class Sheet(Figure):
    """A matplotlib figure that shows itself in a notebook, whatever the backend is."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=144)
        return buffer.getvalue()


def inches(width_px: float, height_px: float) -> tuple[float, float]:
    """A figure size for an image of that many CSS pixels on a page (72 points an inch in an SVG)."""
    return width_px / 72, height_px / 72


def new_axes(
    panels: int = 1, *, width_px: float = 680, height_px: float = 300, columns: int = 2
) -> tuple[Sheet, list[Axes]]:
    """A sheet with `panels` styled axes, in rows of at most `columns`; `height_px` is the height of one row."""
    across = min(panels, columns)
    rows = -(-panels // across)
    sheet = Sheet(figsize=inches(width_px, height_px * rows), layout="constrained", facecolor="white")
    sheet.get_layout_engine().set(wspace=0.06, hspace=0.06)  # pyright: ignore
    axes = list(sheet.subplots(rows, across, squeeze=False).flat)
    for spare in axes[panels:]:
        spare.remove()
    for each in axes[:panels]:
        _quieten(each)
    return sheet, axes[:panels]


def _quieten(axes: Axes) -> None:
    """No box, no ticks, a faint horizontal grid: the data is the darkest thing to see."""
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=FAINT, pad=5)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(color=FAINT, size=SMALL)
    axes.yaxis.label.set(color=FAINT, size=SMALL)
    axes.margins(x=0.02)
    axes.yaxis.set_major_locator(MaxNLocator(5))


def lay_out(axes: Axes) -> None:
    """Give everything on the sheet its place, so that extents of labels can be asked for."""
    with warnings.catch_warnings():
        # The browser draws the text, so a glyph that matplotlib's own font lacks does not matter.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        axes.figure.draw_without_rendering()  # pyright: ignore


def part_tick_labels(axes: Axes) -> None:
    """Hide labels of the horizontal axis that would touch their right neighbour; call it when all else is drawn."""
    lay_out(axes)
    edge = float("inf")
    for label in reversed(axes.xaxis.get_ticklabels()):
        box = label.get_window_extent()
        if not label.get_text() or not axes.bbox.x0 - 1 <= (box.x0 + box.x1) / 2 <= axes.bbox.x1 + 1:
            continue
        if box.x1 + 0.4 * SMALL > edge:
            label.set_visible(False)
        else:
            edge = box.x0


def heading(axes: Axes, text: str, aside: str = "") -> None:
    """What a panel shows, above its left corner; a quieter remark above the right one."""
    axes.set_title(plain(text), loc="left", size=13, color=INK, weight="bold", pad=10)
    if aside:
        axes.set_title(plain(aside), loc="right", size=SMALL, color=FAINT, pad=10)


def plain(text: object) -> str:
    """Text that matplotlib prints as it is: a dollar sign in a class name does not start a formula."""
    return str(text).replace("$", r"\$")


def short_names(names: Sequence[object], room: int) -> list[str]:
    """Names that fit into `room` characters and still differ: cut at the end, or in the middle where ends differ.

    Example:
        >>> short_names(["cat", "a very long name"], 10)
        ['cat', 'a very lo…']
        >>> short_names(["warbler, adult male", "warbler, adult female"], 12)
        ['warb…lt male', 'warb… female']
    """
    words = [str(name) for name in names]
    cut = [word if len(word) <= room else word[: room - 1] + "…" for word in words]
    twice = {word for word, times in Counter(cut).items() if times > 1}
    head = (room - 1) * 2 // 5
    found = [
        f"{word[:head]}…{word[len(word) - (room - 1 - head) :]}" if short in twice and len(word) > room else short
        for word, short in zip(words, cut, strict=True)
    ]
    again = {word for word, times in Counter(found).items() if times > 1}
    # Alike at both ends: then by their place among the names.
    return [
        f"{short[: room - 4]} {place + 1}" if short in again and short != words[place] else short
        for place, short in enumerate(found)
    ]
