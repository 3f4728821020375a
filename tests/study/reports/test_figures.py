"""The image of a study shows the figures that it is given."""

import itertools

import numpy as np
import polars as pl
import pytest

from longspan.errors import StudyError, UnknownNameError
from longspan.report.svg import inline_svg
from longspan.study.reports.figures import learning_curves
from longspan.study.statistics.crossover import Crossover, crossover
from longspan.study.statistics.curves import curves

SIZES = (100, 300, 1000, 3000)
TRUTHS = {"whole $": lambda n: 2.0 * n**-0.5 + 0.01, "staged": lambda n: 0.35 * n**-0.2}


def runs(*, sizes=SIZES, seeds=3, noise=0.03, truths=TRUTHS):
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        [
            {"strategy": name, "size": n, "seed": seed, "target": "y", "error": truth(n) * (1 + noise * rng.normal())}
            for seed in range(seeds)
            for n in sizes
            for name, truth in truths.items()
        ]
    )


def texts(figure):
    (axes,) = figure.axes
    return [text.get_text() for text in axes.texts]


def test_means_laws_and_names_are_shown():
    found = curves(runs())
    figure = learning_curves(found, unit="%", label="numbers read wrong")
    (axes,) = figure.axes
    points = [np.asarray(line.get_xydata()) for line in axes.get_lines() if line.get_marker() == "o"]
    for shown, curve in zip(points, found.values(), strict=True):
        np.testing.assert_allclose(shown, [[point.size, point.mean] for point in curve.points])
    dashed = [np.asarray(line.get_xydata()) for line in axes.get_lines() if str(line.get_linestyle()) == "--"]
    assert len(dashed) == 2
    for shown, curve in zip(dashed, found.values(), strict=True):
        assert shown[-1, 0] == pytest.approx(7500)
        assert shown[-1, 1] == pytest.approx(curve.error_at(7500).value)
    assert {r"whole \$", "staged", "extrapolated"} <= set(texts(figure))
    assert axes.get_xscale() == "log"
    assert axes.get_yscale() == "log"
    figure.canvas.draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "300", "1,000", "3,000"]
    assert all(label.get_text().endswith(" %") for label in axes.get_yticklabels())
    assert axes.get_ylabel() == "numbers read wrong"


def test_the_crossover_is_marked_with_its_interval():
    frame = runs()
    crossing = crossover(frame, "whole $", "staged")
    assert isinstance(crossing, Crossover)
    figure = learning_curves(curves(frame), crossings=[crossing])
    (shown,) = [text for text in texts(figure) if text.startswith("crossover")]
    assert shown == f"crossover {crossing.size}\n95 %: {crossing.low} to {crossing.high}"
    (axes,) = figure.axes
    (ring,) = [line for line in axes.get_lines() if line.get_markerfacecolor() == "none" and line.get_marker() == "o"]
    x, y = np.asarray(ring.get_xydata())[0]
    assert x == crossing.size
    found = curves(frame)
    for name in ("whole $", "staged"):
        fit = found[name].fit
        assert fit is not None
        assert float(fit.measured_at(np.array([float(x)]))[0][0]) == pytest.approx(y, rel=0.02)


def test_errors_close_together_stand_on_a_plain_axis():
    frame = runs(truths={"a": lambda n: 6 * n**-0.02}, noise=0.01)
    figure = learning_curves(curves(frame), unit="years", label="error of age")
    (axes,) = figure.axes
    assert axes.get_yscale() == "linear"
    assert axes.get_ylabel() == "error of age (years)"


def test_a_unit_that_the_measure_names_is_written_once():
    (axes,) = learning_curves(curves(runs()), unit="1/km", label="collisions (1/km)").axes
    assert axes.get_ylabel() == "collisions (1/km)"


def test_over_cost_sizes_are_multiplied():
    found = curves(runs())
    figure = learning_curves(found, cost_per_row={"whole $": 1.0, "staged": 7.0})
    (axes,) = figure.axes
    assert axes.get_xlabel() == "labelling cost"
    points = [np.asarray(line.get_xydata()) for line in axes.get_lines() if line.get_marker() == "o"]
    assert points[1][:, 0].tolist() == [700, 2100, 7000, 21000]
    with pytest.raises(StudyError, match="nothing"):
        learning_curves(found, cost_per_row={"whole $": 0.0, "staged": 7.0})
    with pytest.raises(UnknownNameError, match="staged"):
        learning_curves(found, cost_per_row={"whole $": 1.0})


@pytest.mark.parametrize("options", [{"seeds": 1}, {"sizes": (100,)}, {"sizes": (100,), "seeds": 1}, {"noise": 0.0}])
def test_thin_studies_are_drawn_too(options):
    figure = learning_curves(curves(runs(**options)))
    assert inline_svg(figure, prefix="a", label="b").startswith("<svg")


def test_names_never_lie_one_on_the_other():
    truths = {f"s{k}": lambda n, k=k: 0.1 * n**-0.1 * (1 + k / 1000) for k in range(6)}
    figure = learning_curves(curves(runs(truths=truths, noise=1e-4)))
    (axes,) = figure.axes
    heights = sorted(text.xy[1] for text in axes.texts if text.get_text().startswith("s"))  # pyright: ignore
    assert min(np.diff(heights)) > 0.05


def test_nothing_to_draw_is_refused():
    with pytest.raises(StudyError, match="no strategy has a result"):
        learning_curves({})


def test_zeros_are_drawn_on_a_plain_axis():
    frame = runs().with_columns(error=pl.when(pl.col("size") == 3000).then(0.0).otherwise("error"))
    (axes,) = learning_curves(curves(frame)).axes
    assert axes.get_yscale() == "linear"


def test_names_stand_beside_the_curves_of_one_size_over_cost():
    like = {"one": lambda n: 1.0, "other": lambda n: 0.8}
    found = curves(runs(sizes=(20,), seeds=1, noise=0.0, truths=like))
    figure = learning_curves(found, cost_per_row={"one": 1.0, "other": 7.0})
    (axes,) = figure.axes
    assert all(0 <= text.xy[0] <= 1 for text in axes.texts)
    assert "<svg" in inline_svg(figure, prefix="a", label="costs")  # matplotlib warned of axes without a width


def test_labels_of_crossovers_do_not_overlap_and_stay_in_the_axes():
    found = curves(runs())
    crossings = [
        Crossover(
            first="whole $", second="staged", size=size, low=size * 0.8, high=size * 1.2, level=0.95, below="staged",
            above="whole $", tried=(100, 3000), seeds=3,
        )
        for size in (700, 400, 450, 7000)
    ]  # fmt: skip
    (axes,) = learning_curves(found, crossings=crossings, width_px=400).axes
    axes.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text().startswith("crossover")]
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert all(box.x1 <= axes.bbox.x1 + 1 for box in boxes)


def test_sizes_on_the_axis_do_not_touch_and_the_largest_stays():
    sizes = (100, 1000, 1700, 2400, 3000)
    figure = learning_curves(curves(runs(sizes=sizes, truths={"漢字": TRUTHS["staged"]})), width_px=400)
    (axes,) = figure.axes
    shown = [label for label in axes.xaxis.get_ticklabels() if label.get_visible() and label.get_text()]
    assert shown[-1].get_text() == "3,000"
    assert "2,400" not in [label.get_text() for label in shown]
    boxes = [label.get_window_extent() for label in shown]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
    wide = learning_curves(curves(runs(sizes=(100, 300, 1000))), width_px=760).axes[0]
    assert [each.get_text() for each in wide.xaxis.get_ticklabels() if each.get_visible()][-3:] == [
        "100",
        "300",
        "1,000",
    ]
