"""What is mistaken for what: the confusion matrix as a figure, and its worst pairs as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from longspan.errors import ShapeError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confused_pairs", "confusion_matrix"]

_ROOM = 24  # characters of a name beside the matrix
_MOST_CLASSES = 40
"""Above this many classes the cells could not be read, and the most confused classes are shown alone."""


def confused_pairs(counts: np.ndarray, names: Sequence[object], *, top: int = 15) -> list[dict[str, object]]:
    """The pairs most often confused, worst first: rows for a table.

    Args:
        counts: (K, K) whole numbers; row = true class, column = prediction.
        names: of the K classes.
        top: pairs at most.

    Returns:
        Dicts with "true", "predicted", "times" and "share" (of that true class), for pairs that occur.

    Raises:
        ShapeError: counts and names do not fit together.
    """
    counts_KK = _checked(counts, names)
    wrong_KK = counts_KK - np.diag(np.diag(counts_KK))
    worst = np.argsort(-wrong_KK, axis=None, kind="stable")[:top]
    found = []
    for place in worst.tolist():
        true, predicted = divmod(place, len(names))
        times = int(wrong_KK[true, predicted])
        if times:
            fraction = f"{times / counts_KK[true].sum():.1%}"
            found.append(
                {"true": str(names[true]), "predicted": str(names[predicted]), "times": times, "share": fraction}
            )
    return found


def confusion_matrix(counts: np.ndarray, names: Sequence[object]) -> Figure:
    """The matrix as a figure: rows are true classes, columns predicted ones, the shade is the fraction of the row.

    Right and wrong differ in colour. Up to 40 classes are shown whole; of more, the 30 with the most mistakes.

    Raises:
        ShapeError: counts and names do not fit together.
    """
    from matplotlib.patches import Rectangle

    from longspan.report.canvas import BAD, GOOD, GRID, INK, ON_COLOUR, new_axes, plain, short_names

    counts_KK = _checked(counts, names)
    shown = list(range(len(names)))
    fraction_KK = counts_KK / np.maximum(1, counts_KK.sum(axis=1, keepdims=True))
    if len(names) > _MOST_CLASSES:
        wrong_KK = counts_KK - np.diag(np.diag(counts_KK))
        shown = np.sort(np.argsort(-(wrong_KK.sum(0) + wrong_KK.sum(1)), kind="stable")[:30]).tolist()
    count = len(shown)
    cell_px = float(np.clip(620 / count, 22, 84))
    words = short_names([names[each] for each in shown], _ROOM)
    longest = max(map(len, words))
    steep = count > 12 or longest * 7.5 > cell_px
    label_px = 34 + longest * (7.0 if count <= 20 else 6.0)
    sheet, (axes,) = new_axes(
        width_px=cell_px * count + label_px + 12, height_px=cell_px * count + (label_px if steep else 54) + 12
    )
    font = float(np.clip(cell_px / 2.5, 8.5, 14))
    for row, true in enumerate(shown):
        for column, predicted in enumerate(shown):
            times = int(counts_KK[true, predicted])
            if not times:
                continue
            fraction = float(fraction_KK[true, predicted])
            right = row == column
            # A mistake is seen however rare it is: errors start at a visible shade.
            shade = 0.08 + 0.82 * fraction if right else 0.15 + 0.75 * fraction**0.5
            axes.add_patch(
                Rectangle(
                    (column - 0.48, row - 0.48), 0.96, 0.96, color=GOOD if right else BAD, alpha=shade, linewidth=0
                )
            )
            colour = ON_COLOUR if shade > (0.55 if right else 0.8) else INK
            axes.text(column, row, _short(times), ha="center", va="center", fontsize=font, color=colour)
    labels = [plain(word) for word in words]
    axes.set_xticks(range(count), labels, rotation=90 if steep else 0)
    axes.set_yticks(range(count), labels)
    axes.tick_params(labelsize=float(np.clip(cell_px / 2.2, 10, 12.5)), labelcolor=INK, pad=4)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xlabel="predicted", ylabel="true", aspect="equal")
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    for place in range(count + 1):
        axes.axhline(place - 0.5, color=GRID, linewidth=0.5, zorder=0)
        axes.axvline(place - 0.5, color=GRID, linewidth=0.5, zorder=0)
    return sheet


def _checked(counts: np.ndarray, names: Sequence[object]) -> np.ndarray:
    """The counts as an integer array, if they are K x K for K names."""
    counts_KK = np.asarray(counts)
    if counts_KK.shape != (len(names), len(names)) or not len(names):
        raise ShapeError(
            f"A confusion matrix of {len(names)} classes must be ({len(names)}, {len(names)}), got {counts_KK.shape}."
        )
    return counts_KK.astype(np.int64)


def _short(times: int) -> str:
    """A count that fits into a cell."""
    return str(times) if times < 10_000 else f"{times / 1000:.0f}k"
