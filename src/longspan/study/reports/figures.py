"""The image of a study: a learning curve for each strategy, its law beyond what was tried, and where two cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from longspan.errors import StudyError, unknown_name
from longspan.study.formatting import say_error, say_size
from longspan.study.statistics.crossover import Crossover
from longspan.study.statistics.curves import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

__all__ = ["learning_curves"]

_STEEP = 4.0
"""Errors that differ by this factor or more are drawn on a log axis."""


def learning_curves(
    found: Mapping[str, Curve], *, crossings: Sequence[Crossover] = (), label: str = "error", unit: str = "",
    cost_per_row: Mapping[str, float] | None = None, beyond: float = 2.5, width_px: int = 760,
) -> Figure:  # fmt: skip
    """Mean errors with their intervals over growing amounts of data, the fitted laws (dashed), and crossovers.

    Sizes stand on a log axis; errors too, if they differ by a factor of four or more. A crossover is a ring where the
    curves meet, above a bar for its interval. What lies beyond the largest size tried is the law alone, and is marked.

    Args:
        found: the curves, from `longspan.study.statistics.curves.curves`; drawn in this order.
        crossings: those to mark, over the same axis (size, or cost); they should belong to `found`.
        label: what the error is, at its axis.
        unit: of the error; "%" if it is a fraction, to be shown as percent.
        cost_per_row: what a training row costs each strategy; then the axis is labelling cost.
        beyond: how many times the largest size the laws are drawn to; 1 for no further.
        width_px: of the figure.

    Raises:
        StudyError: there is nothing to draw, or a row costs nothing.
    """
    from longspan.report.canvas import COLOURS, new_axes, part_tick_labels, plain

    scales = {name: 1.0 if cost_per_row is None else _price(name, cost_per_row) for name in found}
    if not any(curve.points for curve in found.values()):
        raise StudyError("There is no curve to draw: no strategy has a result.")
    sheet, (axes,) = new_axes(width_px=width_px, height_px=min(420, 0.9 * width_px))
    axes.set_xscale("log")
    tried = {point.size * scales[name] for name, curve in found.items() for point in curve.points}
    if len(tried) == 1:  # reported before anything is drawn: matplotlib finds no limits around one place, and warns
        (only,) = tried
        axes.set_xlim(only / 2, only * 2)
    ends: list[tuple[str, str, float, float]] = []
    for place, (name, curve) in enumerate(found.items()):
        if curve.points:
            colour = COLOURS[place % len(COLOURS)]
            ends.append((name, colour, *_draw(axes, curve, colour, scales[name], beyond)))
    _scale_errors(axes, found, unit)
    largest = max(point.size * scales[name] for name, curve in found.items() for point in curve.points)
    _scale_sizes(axes, found, scales, over_cost=cost_per_row is not None)
    lasts = {curve.points[-1].size * scales[name] for name, curve in found.items() if curve.fits}
    if beyond > 1 and lasts == {largest}:  # else each curve ends elsewhere, and its dashes say enough
        _mark_beyond(axes, largest)
    axes.set_xlabel("labelling cost" if cost_per_row is not None else "training rows")
    # The measure of an evaluator may hold its unit already.
    known = unit in ("", "%") or label.endswith(f"({unit})")
    axes.set_ylabel(plain(label if known else f"{label} ({unit})"))
    marked = [_mark_crossing(axes, each, found, scales) for each in sorted(crossings, key=lambda each: each.size)]
    _name_curves(axes, ends)
    _separate(axes, [label for label in marked if label is not None])
    part_tick_labels(axes)
    return sheet


def _draw(axes: Axes, curve: Curve, colour: str, scale: float, beyond: float) -> tuple[float, float]:
    """One strategy: band, means, law. Gives its right end (size and error), where its name goes."""
    from longspan.report.canvas import ON_COLOUR

    x = np.array([point.size * scale for point in curve.points])
    means = np.array([point.mean for point in curve.points])
    low = np.array([np.nan if point.low is None else point.low for point in curve.points])
    high = np.array([np.nan if point.high is None else point.high for point in curve.points])
    if len(x) > 1:  # a band has a width; matplotlib warns of one that has none
        axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(
        x, means, "o", color=colour, markersize=7, markeredgecolor=ON_COLOUR, markeredgewidth=1.2, zorder=4
    )  # fmt: skip
    if curve.fit is None:
        if len(x) > 1:
            axes.plot(x, means, color=colour, linewidth=2, zorder=3)
        if np.isfinite(low).any():
            axes.errorbar(x, means, yerr=[means - low, high - means], fmt="none", ecolor=colour, elinewidth=1.6)
        return float(x[-1]), float(means[-1])
    sizes = np.geomspace(curve.fit.sizes[0], curve.fit.sizes[-1], 100)
    axes.plot(sizes * scale, curve.fit.measured_at(sizes)[0], color=colour, linewidth=2, zorder=3)
    if beyond > 1 and curve.fits:  # a law that misses what was measured predicts nothing
        sizes = np.geomspace(curve.fit.sizes[0], curve.fit.sizes[-1] * beyond, 160)
        law = curve.fit.law_at(sizes)[0]
        axes.plot(sizes * scale, law, color=colour, linewidth=1.3, linestyle=(0, (4, 2.5)), zorder=2.5)
        return float(sizes[-1] * scale), float(law[-1])
    return float(x[-1]), float(means[-1])


def _scale_errors(axes: Axes, found: Mapping[str, Curve], unit: str) -> None:
    """The axis of errors: log where they differ much, from 0 where that costs little room; labels in `unit`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    means = np.array([point.mean for curve in found.values() for point in curve.points])
    if means.min() > 0 and means.max() / means.min() >= _STEEP:
        low, high = axes.get_ylim()
        axes.set_yscale("log")
        axes.set_ylim(max(means.min() / 2.5, low if low > 0 else 0), max(high, means.max() * 1.15))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif means.min() < 0.5 * means.max():
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: say_error(value, unit if unit == "%" else "")))


def _scale_sizes(axes: Axes, found: Mapping[str, Curve], scales: Mapping[str, float], *, over_cost: bool) -> None:
    """The axis of sizes: a tick at each that was tried, or round numbers for costs and for many sizes."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    tried = sorted({point.size * scales[name] for name, curve in found.items() for point in curve.points})
    apart = np.diff(np.log(tried)).min(initial=np.inf) / max(np.log(tried[-1] / tried[0]), 1e-9)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if over_cost or apart < 0.06 else FixedLocator(tried))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: say_size(float(f"{value:.6g}"))))


def _mark_beyond(axes: Axes, largest: float) -> None:
    """A line at the largest size tried, and a word to the right of it."""
    from longspan.report.canvas import FAINT, GRID, SMALL

    axes.axvline(largest, color=GRID, linewidth=1, zorder=1)
    axes.annotate(
        "extrapolated", (largest, 1), (6, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
        va="top", color=FAINT, fontsize=SMALL - 1,
    )  # fmt: skip


def _mark_crossing(
    axes: Axes, crossing: Crossover, found: Mapping[str, Curve], scales: Mapping[str, float]
) -> Annotation | None:
    """A ring where two curves meet, a line down to the axis, a bar there for the interval; gives the label."""
    from longspan.report.canvas import INK, SMALL, plain

    for name in (crossing.first, crossing.second):
        if name not in found:
            raise unknown_name("strategy", name, found)
    fit, scale = found[crossing.first].fit, scales[crossing.first]
    if fit is None:
        return None
    at = float(fit.measured_at(np.clip(np.array([crossing.size / scale]), fit.sizes[0], fit.sizes[-1]))[0][0])
    axes.plot([crossing.size], [at], "o", markersize=12, markerfacecolor="none", markeredgecolor=INK,
              markeredgewidth=1.3, zorder=5)  # fmt: skip
    bottom = axes.get_ylim()[0]
    axes.plot([crossing.size] * 2, [bottom, at], color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=2)
    axes.set_ylim(bottom=bottom)
    if crossing.seeds > 1:
        edges = axes.get_xlim()
        low = edges[0] if crossing.low is None else crossing.low
        high = edges[1] if crossing.high is None else crossing.high
        axes.axvspan(low, high, color=INK, alpha=0.07, linewidth=0, zorder=0)
        axes.set_xlim(edges)
        text = f"crossover {say_size(crossing.size)}\n{crossing.interval()}"
    else:
        text = f"crossover {say_size(crossing.size)}\n(a single seed)"
    return axes.annotate(
        plain(text), (crossing.size, 0), (7, 7), xycoords=("data", "axes fraction"), textcoords="offset points",
        va="bottom", color=INK, fontsize=SMALL, linespacing=1.35,
    )  # fmt: skip


def _separate(axes: Axes, labels: Sequence[Annotation]) -> None:
    """Move labels that overlap one above another, and those that leave the axes to the left of their line."""
    from longspan.report.canvas import lay_out

    if not labels:
        return
    lay_out(axes)
    placed = []
    points = 72 / axes.figure.dpi
    for label in labels:
        box, edge = label.get_window_extent(), axes.bbox
        if box.x1 > edge.x1 and box.x0 - box.width > edge.x0:
            label.set_horizontalalignment("right")
            label.xyann = (-label.xyann[0], label.xyann[1])
            box = label.get_window_extent()
        for _ in placed:
            above = [other.y1 for other in placed if other.overlaps(box)]
            if above:
                label.xyann = (label.xyann[0], label.xyann[1] + (max(above) - box.y0) * points + 3)
                box = label.get_window_extent()
        placed.append(box)


def _name_curves(axes: Axes, ends: Sequence[tuple[str, str, float, float]]) -> None:
    """Each curve's name at its right end, moved up or down where two would meet."""
    from longspan.report.canvas import INK, SMALL, plain

    axes.autoscale_view()  # else the limits may still be those of empty axes, and a name lies far outside
    to_fractions = axes.transScale + axes.transLimits
    fractions = np.array([to_fractions.transform((x, y)) for _, _, x, y in ends])
    order = np.argsort(fractions[:, 1], kind="stable")
    places = np.clip(fractions[order, 1], 0.02, 0.98)
    for _ in range(200):  # push neighbours apart by half of what they lack, until none do
        lacking = np.maximum(0, 0.055 - np.diff(places))
        if not (lacking > 1e-4).any():
            break
        places[:-1] -= lacking / 2
        places[1:] += lacking / 2
    for place, which in zip(places, order, strict=True):
        name, colour, _, _ = ends[which]
        # A dot in the curve's colour and the name in ink: yellow words could not be read.
        for text, shift, tint in (("●", 7, colour), (plain(name), 19, INK)):
            axes.annotate(
                text, (float(fractions[which, 0]), float(place)), (shift, 0), xycoords="axes fraction",
                textcoords="offset points", va="center", color=tint, fontsize=SMALL + 1, annotation_clip=False,
            )  # fmt: skip


def _price(name: str, cost_per_row: Mapping[str, float]) -> float:
    if name not in cost_per_row:
        raise unknown_name("strategy with a cost", name, cost_per_row)
    if not cost_per_row[name] > 0:
        raise StudyError(f"A row costs {name!r} nothing, so it has no curve over cost. Leave it out of the image.")
    return cost_per_row[name]
