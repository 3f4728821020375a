"""Figures show the numbers they are given, and leave matplotlib's global state alone."""

import sys

import numpy as np
import pytest

from longspan.errors import ShapeError
from longspan.report import (
    band_curves,
    bars,
    loss_curves,
    lr_curve,
    metric_curves,
    predicted_versus_true,
    residual_histogram,
)
from longspan.report.curves import smooth, thin
from longspan.report.svg import inline_svg


def lines(axes) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_xydata()) for line in axes.get_lines()}


def test_losses_lie_at_their_epochs():
    figure = loss_curves(np.linspace(2, 1, 100), [1.5, 1.1], steps_per_epoch=50, lr=np.linspace(0, 1, 100))
    loss, rate = figure.axes
    np.testing.assert_allclose(lines(loss)["validation"], [[1, 1.5], [2, 1.1]])
    assert lines(loss)["training"][-1, 0] == 2
    np.testing.assert_allclose(next(iter(lines(rate).values()))[-1, 1], 1)
    assert len(loss_curves([], [1.0], steps_per_epoch=0).axes) == 1


def test_long_curves_are_averaged_into_few_points():
    steps = np.arange(100_000)
    x, y = thin(steps, np.sin(steps / 9000), 600)
    assert len(x) == 600
    np.testing.assert_allclose(y, np.sin(x / 9000), atol=1e-4)
    assert y.mean() == pytest.approx(np.sin(steps / 9000).mean(), abs=1e-3)
    whole = thin([1, 2, 3], [1.0, float("nan"), 3.0])
    np.testing.assert_array_equal(whole, [[1, 3], [1, 3]])
    svg = inline_svg(
        loss_curves(np.random.default_rng(0).random(100_000), steps_per_epoch=10_000), prefix="a", label="b"
    )
    assert len(svg) < 60_000


def test_smoothing_keeps_level_and_slope():
    np.testing.assert_allclose(smooth(np.full(50, 3.0), 10), 3)
    np.testing.assert_allclose(smooth(np.arange(200.0), 5)[50:150], np.arange(50, 150), atol=1e-2)
    noisy = np.random.default_rng(0).normal(size=1000)
    assert smooth(noisy, 20).std() < 0.3 * noisy.std()
    assert np.isfinite(smooth([1.0, float("nan"), 2.0], 2)).all()


def test_the_best_epoch_is_marked_in_the_right_direction():
    figure = metric_curves(
        {"accuracy": [0.5, 0.9, 0.8], "error $": [0.5, 0.1, 0.2]}, higher_is_better={"accuracy": True, "error $": False}
    )
    titles = [axes.get_title(loc="right") for axes in figure.axes]
    assert titles == ["best 0.9, epoch 2", "best 0.1, epoch 2"]
    assert figure.axes[1].get_title(loc="left") == r"error \$"
    assert metric_curves({"accuracy": [0.5, 0.9]}).axes[0].get_title(loc="right") == ""


def test_the_blow_up_of_lr_find_does_not_flatten_the_rest():
    rates = np.logspace(-6, 0, 50)
    losses = np.r_[np.linspace(2.3, 1.0, 40), np.logspace(0, 5, 10)]
    (axes,) = lr_curve(rates, losses, suggested=1e-3).axes
    assert axes.get_ylim()[1] < 4
    assert axes.get_xscale() == "log"
    assert any("0.001" in text.get_text() for text in axes.texts)


def test_regression_figures_leave_missing_pairs_out():
    figure = predicted_versus_true([1, 2, float("nan")], [1.5, 2.5, 3.0], name="age")
    assert next(iter(lines(figure.axes[0]).values())).tolist() == [[1, 1.5], [2, 2.5]]
    histogram = residual_histogram([1, 2, float("nan")], [1.5, 2.5, 3.0])
    assert sum(patch.get_height() for patch in histogram.axes[0].patches) == 2  # pyright: ignore
    assert len(next(iter(lines(predicted_versus_true(np.arange(9000), np.arange(9000)).axes[0]).values()))) == 1500
    with pytest.raises(ShapeError, match="got 1 and 2"):
        residual_histogram([1, 2], [1])


def test_bars_say_their_numbers():
    (axes,) = bars({"a": 0.99, "b": 0.5}, errors={"a": 0.01}).axes
    assert [text.get_text() for text in axes.texts] == ["0.99 ± 0.01", "0.5"]
    assert [patch.get_width() for patch in axes.patches] == [0.99, 0.5]  # pyright: ignore


def test_bands_name_their_strategies():
    sizes = {"x": [1, 10], "y": [1, 10]}
    (axes,) = band_curves(
        sizes, {"x": [2, 1], "y": [3, 1]}, {"x": [1, 1], "y": [2, 0]}, {"x": [3, 2], "y": [4, 2]}
    ).axes
    assert set(lines(axes)) == {"x", "y"}
    assert axes.get_legend() is not None


def test_svg_follows_the_page():
    svg = inline_svg(bars({"名前": 1.0}), prefix="p7-", label='a "b"')
    assert svg.startswith('<svg role="img" aria-label="a &quot;b&quot;"')
    assert "var(--series-1)" in svg
    assert "#0072b2" not in svg
    assert "名前" in svg
    assert "<style" not in svg
    assert "<metadata" not in svg


def test_pyplot_and_its_state_are_never_touched():
    before = set(sys.modules)
    figure = bars({"a": 1.0})
    inline_svg(figure, prefix="a", label="b")
    assert "matplotlib.pyplot" not in set(sys.modules) - before
    assert figure._repr_png_().startswith(b"\x89PNG")  # pyright: ignore
