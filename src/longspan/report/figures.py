"""The figures of training: losses, metrics, learning rates, regression, bars and bands.

Each takes plain numbers and returns a matplotlib `Figure` that belongs to no global state. Long curves are averaged
into bins, so that a report stays small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from longspan.errors import ShapeError
from longspan.report.curves import smooth, thin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "band_curves",
    "bars",
    "loss_curves",
    "lr_curve",
    "metric_curves",
    "predicted_versus_true",
    "residual_histogram",
]

Numbers = Sequence[float] | np.ndarray


def loss_curves(
    train_loss: Numbers,
    valid_loss: Numbers = (),
    *,
    steps_per_epoch: int,
    lr: Numbers = (),
    train_loss_per_epoch: Numbers = (),
) -> Figure:
    """Training loss of every step (faint, and smoothed), validation loss of every epoch, learning rate of every step.

    Args:
        train_loss: one value a step; may be empty.
        valid_loss: one value an epoch, drawn at the end of its epoch; NaN where none was taken.
        steps_per_epoch: optimizer steps in an epoch.
        lr: one value a step; drawn in a panel of its own, if given.
        train_loss_per_epoch: mean training loss of each epoch, if only that is known.
    """
    from longspan.report.canvas import COLOURS, heading, new_axes

    sheet, panels = new_axes(2 if len(lr) else 1, width_px=900 if len(lr) else 640, height_px=300)
    axes = panels[0]
    steps = (np.arange(len(train_loss)) + 1) / max(1, steps_per_epoch)
    if len(train_loss):
        axes.plot(*thin(steps, train_loss), color=COLOURS[0], alpha=0.28, linewidth=0.9)
        smoothed = smooth(train_loss, memory=max(1.0, min(len(train_loss) / 25, 100)))
        axes.plot(*thin(steps, smoothed, 300), color=COLOURS[0], linewidth=1.8, label="training")
    if len(train_loss_per_epoch):
        epochs = np.arange(len(train_loss_per_epoch)) + 1
        axes.plot(epochs, train_loss_per_epoch, color=COLOURS[0], linewidth=1.8, label="training")
    if len(valid_loss):
        marker = "o" if len(valid_loss) <= 40 else None
        epochs = np.arange(len(valid_loss)) + 1
        axes.plot(epochs, valid_loss, color=COLOURS[3], linewidth=1.8, marker=marker, markersize=4, label="validation")
    _zoom_to_bulk(axes, train_loss, [*valid_loss, *train_loss_per_epoch])
    heading(axes, "Loss")
    axes.set_xlabel("epoch")
    _legend(axes)
    if len(lr):
        panels[1].plot(
            *thin((np.arange(len(lr)) + 1) / max(1, steps_per_epoch), lr, 300), color=COLOURS[2], linewidth=1.8
        )
        heading(panels[1], "Learning rate")
        panels[1].set_xlabel("epoch")
        panels[1].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panels[1].set_ylim(bottom=0)
    return sheet


def metric_curves(metrics: Mapping[str, Numbers], *, higher_is_better: Mapping[str, bool] | None = None) -> Figure:
    """One panel a metric: its value after each epoch, the best one marked where the direction is known."""
    from matplotlib.ticker import MaxNLocator

    from longspan.report.canvas import COLOURS, INK, heading, new_axes

    sheet, panels = new_axes(max(1, len(metrics)), width_px=450 * min(2, max(1, len(metrics))), height_px=250)
    for axes, (name, values) in zip(panels, metrics.items(), strict=False):
        ys = np.asarray(values, dtype=np.float64)
        epochs = np.arange(len(ys)) + 1
        axes.plot(epochs, ys, color=COLOURS[0], linewidth=1.8, marker="o" if len(ys) <= 40 else None, markersize=4)
        heading(axes, name)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        direction = (higher_is_better or {}).get(name)
        if direction is None or not np.isfinite(ys).any():
            continue
        best = int(np.nanargmax(ys) if direction else np.nanargmin(ys))
        axes.plot(epochs[best], ys[best], "o", markersize=8, markerfacecolor="none", markeredgecolor=INK)
        heading(axes, name, f"best {ys[best]:.4g}, epoch {epochs[best]}")
    return sheet


def lr_curve(rates: Numbers, losses: Numbers, *, suggested: float | None = None) -> Figure:
    """Loss against learning rate, as found by `lr_find`; `suggested` is marked."""
    from longspan.report.canvas import COLOURS, INK, SMALL, heading, new_axes

    sheet, (axes,) = new_axes(width_px=640, height_px=280)
    axes.plot(*thin(rates, losses), color=COLOURS[0], linewidth=1.8)
    axes.set_xscale("log")
    finite = np.asarray(losses, float)[np.isfinite(losses)]
    if len(finite) and finite[0] > finite.min():
        fall = finite[0] - finite.min()  # the blow-up at the end would flatten the part to read
        axes.set_ylim(finite.min() - 0.1 * fall, finite[0] + 0.5 * fall)
    heading(axes, "Loss while the learning rate grows")
    axes.set_xlabel("learning rate")
    if suggested is not None:
        axes.axvline(suggested, color=COLOURS[3], linewidth=1.2)
        axes.annotate(
            f"  {suggested:.2g}",
            (suggested, 1),
            xycoords=("data", "axes fraction"),
            va="top",
            color=INK,
            fontsize=SMALL,
        )
    return sheet


def predicted_versus_true(true: Numbers, predicted: Numbers, *, name: str = "", most: int = 1500) -> Figure:
    """Predictions against true values with the line where both agree; at most `most` points, evenly picked."""
    from longspan.report.canvas import COLOURS, FAINT, new_axes, plain

    true_N, predicted_N = _pairs(true, predicted)
    sheet, (axes,) = new_axes(width_px=430, height_px=380)
    picked = np.linspace(0, len(true_N) - 1, min(most, len(true_N))).astype(int)
    dense = len(picked) > 300
    axes.plot(
        true_N[picked], predicted_N[picked], "o", color=COLOURS[0], alpha=0.3 if dense else 0.6,
        markersize=3 if dense else 4.5, markeredgewidth=0,
    )  # fmt: skip
    if len(true_N):
        ends = [min(true_N.min(), predicted_N.min()), max(true_N.max(), predicted_N.max())]
        axes.plot(ends, ends, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlabel=plain(f"true {name}".strip()), ylabel=plain(f"predicted {name}".strip()))
    axes.set_aspect("equal", adjustable="datalim")
    return sheet


def residual_histogram(true: Numbers, predicted: Numbers, *, name: str = "") -> Figure:
    """How far predictions lie above or below the true values."""
    from longspan.report.canvas import COLOURS, FAINT, new_axes, plain

    true_N, predicted_N = _pairs(true, predicted)
    sheet, (axes,) = new_axes(width_px=430, height_px=380)
    count = int(np.clip(np.sqrt(len(true_N)) * 1.5, 8, 50))
    axes.hist(predicted_N - true_N, bins=count, color=COLOURS[0], rwidth=0.92)
    axes.axvline(0, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlabel=plain(f"predicted − true {name}".strip()), ylabel="samples")  # noqa: RUF001
    return sheet


def bars(values: Mapping[str, float], *, errors: Mapping[str, float] | None = None, label: str = "") -> Figure:
    """Named values as horizontal bars in the given order, each with its number and, if given, its error either way."""
    from longspan.report.canvas import COLOURS, INK, SMALL, new_axes, plain

    sheet, (axes,) = new_axes(width_px=680, height_px=60 + 28 * max(1, len(values)))
    places = np.arange(len(values))
    heights = np.array(list(values.values()), dtype=np.float64)
    spread = np.array([(errors or {}).get(name, 0.0) for name in values])
    axes.barh(places, heights, height=0.66, color=COLOURS[0])
    if spread.any():
        axes.errorbar(heights, places, xerr=spread, fmt="none", ecolor=INK, elinewidth=1.1, capsize=3)
    for place, height, error in zip(places, heights, spread, strict=True):
        text = f"{height:.4g}" + (f" ± {error:.2g}" if error else "")
        axes.annotate(text, (max(height, 0) + error, place), (6, 0), textcoords="offset points", va="center",
                      fontsize=SMALL, color=INK)  # fmt: skip
    axes.set_yticks(places, [plain(name) for name in values])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.invert_yaxis()
    axes.grid(False)
    axes.margins(x=0.16, y=0.02)
    axes.set_xlabel(label)
    return sheet


def band_curves(
    sizes: Mapping[str, Numbers], means: Mapping[str, Numbers], lows: Mapping[str, Numbers],
    highs: Mapping[str, Numbers], *, label: str = "", size_label: str = "training samples",
) -> Figure:  # fmt: skip
    """Curves over growing amounts of data, one a strategy, each within its band (95 %, say); sizes on a log axis."""
    from longspan.report.canvas import COLOURS, new_axes, plain

    sheet, (axes,) = new_axes(width_px=680, height_px=360)
    for place, name in enumerate(means):
        colour = COLOURS[place % len(COLOURS)]
        axes.fill_between(sizes[name], lows[name], highs[name], color=colour, alpha=0.18, linewidth=0)
        axes.plot(sizes[name], means[name], color=colour, linewidth=1.8, marker="o", markersize=4, label=plain(name))
    axes.set_xscale("log")
    axes.set(xlabel=size_label, ylabel=label)
    _legend(axes)
    return sheet


def _pairs(true: Numbers, predicted: Numbers) -> tuple[np.ndarray, np.ndarray]:
    """Both as flat arrays without the pairs of which one is missing."""
    true_N, predicted_N = np.ravel(np.asarray(true, float)), np.ravel(np.asarray(predicted, float))
    if len(true_N) != len(predicted_N):
        raise ShapeError(f"As many predictions as true values are needed, got {len(predicted_N)} and {len(true_N)}.")
    known = np.isfinite(true_N) & np.isfinite(predicted_N)
    return true_N[known], predicted_N[known]


def _zoom_to_bulk(axes: Axes, noisy: Numbers, whole: Numbers) -> None:
    """Keep a few wild values from flattening the rest: 98 % of `noisy` and 95 % of `whole` stay in sight."""
    noisy, whole = np.asarray(noisy, float), np.asarray(whole, float)
    noisy, whole = noisy[np.isfinite(noisy)], whole[np.isfinite(whole)]
    tops = [float(np.quantile(each, bulk)) for each, bulk in ((noisy, 0.98), (whole, 0.95)) if len(each)]
    lows = [float(each.min()) for each in (noisy, whole) if len(each)]
    if tops and max(tops) > min(lows):
        room = (max(tops) - min(lows)) * 0.08
        axes.set_ylim(min(lows) - room, max(tops) + room)


def _legend(axes: Axes) -> None:
    """A frameless legend, only where there is something to tell apart."""
    from longspan.report.canvas import INK, SMALL

    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK, handlelength=1.4)
