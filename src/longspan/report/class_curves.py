"""ROC and precision-recall curves of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["precision_recall_curves", "roc_curves"]

Curve = tuple[Any, np.ndarray, np.ndarray, float]
"""A label, x, y, and the area below."""

_POINTS = 200
_WORD = 24


def roc_curves(curves: Sequence[Curve]) -> Figure:
    """True positive rate over false positive rate, one curve a class, with its area (AUC); the diagonal is chance."""
    return _figure(curves, "ROC", "false positive rate", "true positive rate", "AUC", chance=True)


def precision_recall_curves(curves: Sequence[Curve]) -> Figure:
    """Precision over recall in steps, one curve a class, with its average precision (AP)."""
    return _figure(curves, "Precision and recall", "recall", "precision", "AP", chance=False)


def _figure(curves: Sequence[Curve], title: str, x_label: str, y_label: str, area: str, *, chance: bool) -> Figure:
    from longspan.report.canvas import COLOURS, FAINT, INK, SMALL, heading, new_axes, plain, short_names

    sheet, (axes,) = new_axes(width_px=430, height_px=380)
    if chance:
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    words = short_names([label for label, *_ in curves], _WORD)
    for place, (_, x, y, value) in enumerate(curves):
        kept = np.unique(np.linspace(0, len(x) - 1, min(_POINTS, len(x))).round().astype(int))
        axes.plot(
            np.asarray(x)[kept], np.asarray(y)[kept], color=COLOURS[place % len(COLOURS)], linewidth=1.6,
            drawstyle="default" if chance else "steps-pre", label=plain(f"{words[place]}  {area} {value:.3f}"),
        )  # fmt: skip
    heading(axes, title)
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    axes.legend(
        frameon=False, fontsize=SMALL, labelcolor=INK, handlelength=1.4, loc="lower right" if chance else "lower left"
    )
    return sheet
