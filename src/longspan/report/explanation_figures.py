"""Figures of explanations: reliability, predictions over the values of one column, and what layers cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["dependence_curves", "reliability_diagram", "stacked_bars"]

_CURVES = 40
_WORD = 18


def reliability_diagram(confidence: Sequence[float], accuracy: Sequence[float]) -> Figure:
    """Accuracy over confidence, a point for each bin; on the diagonal probabilities hold."""
    from longspan.report.canvas import COLOURS, FAINT, new_axes

    sheet, (axes,) = new_axes(width_px=430, height_px=380)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(confidence, accuracy, "o-", color=COLOURS[0], linewidth=1.6, markersize=4.5)
    low = max(0.0, min([*confidence, *accuracy], default=0.0) - 0.05)
    axes.set(xlabel="predicted probability", ylabel="fraction right", xlim=(low, 1.02), ylim=(low, 1.02))
    return sheet


def dependence_curves(
    points: Sequence[Any], rows: np.ndarray, low: np.ndarray, high: np.ndarray, *, column: str, label: str
) -> Figure:
    """The mean prediction over the values of a column with its band, above faint curves of single rows.

    Args:
        points: P values, numbers or labels.
        rows: `(N, P)`; at most 40 of them are drawn, evenly picked.
        low: `(P,)`.
        high: `(P,)`.
        column: Its name.
        label: What is predicted.
    """
    from longspan.report.canvas import COLOURS, FAINT, new_axes, plain, short_names

    sheet, (axes,) = new_axes(width_px=430, height_px=300)
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in points)
    places = np.asarray(points, float) if numeric else np.arange(len(points))
    picked = np.linspace(0, len(rows) - 1, min(_CURVES, len(rows))).astype(int)
    if numeric:
        axes.plot(places, rows[picked].T, color=FAINT, linewidth=0.6, alpha=0.35)
        axes.fill_between(places, low, high, color=COLOURS[0], alpha=0.25, linewidth=0)
        axes.plot(places, rows.mean(axis=0), color=COLOURS[0], linewidth=2)
    else:
        mean = rows.mean(axis=0)
        axes.errorbar(places, mean, yerr=[mean - low, high - mean], fmt="o", color=COLOURS[0], capsize=3)
        axes.set_xticks(places, [plain(word) for word in short_names(list(points), _WORD)], rotation=40, ha="right")
    axes.set(xlabel=plain(column), ylabel=plain(label))
    return sheet


def stacked_bars(names: Sequence[str], parts: dict[str, Sequence[float]], *, label: str) -> Figure:
    """Horizontal bars, the first on top, each put together of parts.

    Args:
        names: Of the N bars.
        parts: N lengths of each part, by its name.
        label: What the lengths are.
    """
    from longspan.report.canvas import COLOURS, new_axes, plain

    sheet, (axes,) = new_axes(width_px=720, height_px=70 + 19 * len(names))
    places, left = np.arange(len(names)), np.zeros(len(names))
    for number, (part, lengths) in enumerate(parts.items()):
        axes.barh(places, lengths, left=left, height=0.7, color=COLOURS[number], label=plain(part))
        left += np.asarray(lengths, float)
    axes.set_yticks(places, [plain(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(plain(label))
    axes.legend(frameon=False, loc="lower right")
    return sheet
