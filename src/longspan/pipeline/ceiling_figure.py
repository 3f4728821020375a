"""A ceiling analysis as a figure: how much of the error each stage is to blame for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from longspan.pipeline.ceiling import Ceiling

__all__ = ["draw_ceiling"]


def draw_ceiling(ceiling: Ceiling) -> Figure:
    """One bar per stage, in order: the gain with its interval; a stage without a number says why in its place.

    Bars whose interval lies above 0 are in the colour of what is bad, the others faint.
    """
    from longspan.report.canvas import BAD, COLOURS, FAINT, INK, SMALL, heading, new_axes, plain

    places = np.arange(len(ceiling.stages))
    sheet, (axes,) = new_axes(width_px=680, height_px=110 + 30 * len(places))
    for place, stage in zip(places, ceiling.stages, strict=True):
        if stage.gain is None or stage.gain_low is None or stage.gain_high is None:
            reason = stage.note.split(";")[0]
            reason = reason if len(reason) <= 70 else reason[:67] + "..."
            axes.annotate(plain(reason), (0, place), (6, 0), textcoords="offset points", va="center",
                          fontsize=SMALL, color=FAINT)  # fmt: skip
            continue
        axes.barh(place, stage.gain, height=0.6, color=BAD if stage.certain else COLOURS[-1])
        axes.plot([stage.gain_low, stage.gain_high], [place, place], color=INK, linewidth=1.1, marker="|", markersize=7)
        text = f"{stage.gain:.3g}  ({stage.gain_low:.3g} to {stage.gain_high:.3g})"
        axes.annotate(text, (max(stage.gain, stage.gain_high, 0), place), (8, 0), textcoords="offset points",
                      va="center", fontsize=SMALL, color=INK)  # fmt: skip
    axes.set_yticks(places, [plain(stage.stage) for stage in ceiling.stages])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(False)
    axes.axvline(0, color=FAINT, linewidth=1)
    axes.margins(x=0.3)
    axes.set_ylim(len(places) - 0.4, -0.6)  # from the top down, stages without a bar too
    heading(axes, f"What each stage costs: {ceiling.target}", f"{ceiling.measure} {ceiling.error:.3g}")
    axes.set_xlabel(f"{ceiling.measure} less with ground truth in its place, {ceiling.level:.0%} interval")
    return sheet
