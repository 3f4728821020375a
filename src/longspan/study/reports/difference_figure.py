"""The figure that answers a study's question: by how much one strategy is better than another, at each size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from longspan.errors import StudyError
from longspan.study.formatting import percent, say_error, say_size
from longspan.study.statistics.compare import Comparison
from longspan.study.statistics.crossover import Crossover

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["caption_of", "draw_difference"]


def draw_difference(
    compared: Sequence[Comparison], *, crossings: Sequence[Crossover] = (), label: str = "error", unit: str = "",
    width_px: int = 760, places: tuple[int, int] = (0, 1),
) -> Figure:  # fmt: skip
    """The mean difference in error of two strategies over training rows, with its interval, and who is better.

    Points above the line favour the first strategy, points below it the second.

    Args:
        compared: The comparisons at each size, as `StudyResults.compare` gives them, at least one with a difference.
        crossings: Marked with their intervals.
        label: What the error is.
        unit: Of the error; "%" if it is a fraction, shown as percent.
        width_px: Of the figure.
        places: Of both strategies in the study, for the colours of their curves.

    Raises:
        StudyError: no size has a result of both strategies.
    """
    from longspan.report.canvas import COLOURS, FAINT, GRID, INK, ON_COLOUR, SMALL, new_axes, part_tick_labels, plain

    known = [each for each in compared if each.difference is not None]
    if not known:
        raise StudyError("There is no difference to draw: no seed has a result of both strategies.")
    first, second = known[0].first, known[0].second
    sizes = np.array([each.size for each in known], float)
    # `compare` gives first minus second: below 0 the first is better, which is drawn upwards.
    gain = -np.array([each.difference for each in known], float)
    low = -np.array([np.nan if each.high is None else each.high for each in known], float)
    high = -np.array([np.nan if each.low is None else each.low for each in known], float)
    wide_low = -np.array([np.nan if each.rows_high is None else each.rows_high for each in known], float)
    wide_high = -np.array([np.nan if each.rows_low is None else each.rows_low for each in known], float)
    sheet, (axes,) = new_axes(width_px=width_px, height_px=340)
    colours = [COLOURS[place % len(COLOURS)] for place in places]
    axes.set_xscale("log")
    edge = 1.25 if len(sizes) > 1 else 2.0
    axes.set_xlim(sizes[0] / edge, sizes[-1] * edge)
    reach = 1.15 * float(np.nanmax(np.abs(np.concatenate([gain, low, high, wide_low, wide_high])))) or 1e-3
    axes.set_ylim(-reach, reach)
    axes.axhspan(0, reach, color=colours[0], alpha=0.05, linewidth=0)
    axes.axhspan(-reach, 0, color=colours[1], alpha=0.07, linewidth=0)
    axes.axhline(0, color=FAINT, linewidth=1.2)
    if len(sizes) > 1:
        axes.fill_between(sizes, wide_low, wide_high, color=INK, alpha=0.07, linewidth=0)
        axes.fill_between(sizes, low, high, color=INK, alpha=0.12, linewidth=0)
        axes.plot(sizes, gain, color=INK, linewidth=1.8)
    axes.errorbar(sizes, gain, yerr=[gain - low, high - gain], fmt="none", ecolor=INK, elinewidth=1.3, capsize=4)
    axes.plot(sizes, gain, "o", color=INK, markersize=8, markeredgecolor=ON_COLOUR, markeredgewidth=1.4, zorder=4)
    for place, name, colour, side in ((0.98, first, colours[0], "top"), (0.02, second, colours[1], "bottom")):
        # A dot in the colour of the strategy's curve, the words in ink: yellow words cannot be read.
        words = axes.annotate(
            plain(f"{name} is better"), (0.988, place), xycoords="axes fraction", va=side, ha="right", color=INK,
            fontsize=SMALL + 1,
        )  # fmt: skip
        axes.annotate(
            "●", (0, 0.5), (-5, 0), xycoords=words, textcoords="offset points", va="center", ha="right", color=colour,
            fontsize=SMALL + 1,
        )  # fmt: skip
    for row, crossing in enumerate(crossings):
        _mark(axes, crossing, 0.88 - 0.15 * row)
    _label_axes(axes, sizes, label, unit, GRID)
    part_tick_labels(axes)
    return sheet


def _mark(axes: Axes, crossing: Crossover, height: float) -> None:
    """A dotted line at the crossover, its interval shaded, and both in words beside it, at a fraction of the height."""
    from longspan.report.canvas import INK, SMALL, plain

    edges = axes.get_xlim()
    if crossing.seeds > 1:
        low = edges[0] if crossing.low is None else crossing.low
        high = edges[1] if crossing.high is None else crossing.high
        axes.axvspan(low, high, color=INK, alpha=0.07, linewidth=0, zorder=0)
    axes.axvline(crossing.size, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    axes.set_xlim(edges)
    text = f"crossover {say_size(crossing.size)}" + (f"\n{crossing.interval()}" if crossing.seeds > 1 else "")
    middle = float(np.sqrt(edges[0] * edges[1]))
    side = "left" if crossing.size < middle else "right"
    axes.annotate(
        plain(text), (crossing.size, height), (8 if side == "left" else -8, 0), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha=side, va="top", color=INK, fontsize=SMALL, linespacing=1.35,
    )  # fmt: skip


def _label_axes(axes: Axes, sizes: np.ndarray, label: str, unit: str, grid: str) -> None:
    """Ticks at the sizes that were tried; differences in the error's own unit, without a sign: the side says whose."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    from longspan.report.canvas import plain

    axes.xaxis.set_major_locator(FixedLocator(list(sizes)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: say_size(float(f"{value:.6g}"))))
    points = " points" if unit == "%" else f" {unit}" if unit else ""
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: say_error(abs(value), unit).removesuffix(unit).strip() + points)
    )
    axes.set_xlabel("training rows")
    axes.set_ylabel(plain(f"difference in {label}"))
    axes.grid(axis="x", color=grid, linewidth=0.8)


def caption_of(compared: Sequence[Comparison], level: float) -> str:
    """What the figure shows, in words."""
    seeds = max((each.pairs for each in compared), default=0)
    if seeds < 2:
        return "The difference between the two strategies at each size; a single seed, so no interval."
    text = (
        f"The difference between the two strategies at each size, paired by seed ({seeds} seeds), with "
        f"{percent(level)} intervals"
    )
    if any(each.rows_low is not None for each in compared):
        return f"{text}: the inner band for other trainings on these rows, the outer for other rows like these as well."
    return f"{text}."
