import numpy as np
import pytest

from longspan.errors import StudyError
from longspan.report.canvas import COLOURS
from longspan.study.reports.difference_figure import caption_of, draw_difference
from longspan.study.statistics.compare import Comparison
from longspan.study.statistics.crossover import Crossover


def compared(*differences, pairs=3):
    return [
        Comparison(
            first="staged", second="whole", size=size, pairs=pairs, difference=value,
            low=None if pairs < 2 else value - 0.02, high=None if pairs < 2 else value + 0.03,
            probability=None if pairs < 2 else 0.5,
        )
        for size, value in zip((20, 100, 500), differences, strict=False)
    ]  # fmt: skip


def points(figure):
    return figure.axes[0].lines


def test_a_lower_error_of_the_first_strategy_is_drawn_upwards():
    figure = draw_difference(compared(-0.3, -0.05, 0.1), label="error rate", unit="%")
    drawn = next(line for line in points(figure) if line.get_marker() == "o")
    assert np.allclose(drawn.get_ydata(), [0.3, 0.05, -0.1])
    band = next(each for each in figure.axes[0].collections if len(each.get_paths()) and each.get_alpha() == 0.12)
    heights = band.get_paths()[0].vertices[:, 1]
    assert np.isclose(heights.max(), 0.32)
    assert np.isclose(heights.min(), -0.13)
    said = [text.get_text() for text in figure.axes[0].texts]
    assert "staged is better" in said
    assert "whole is better" in said


def test_a_single_seed_has_no_interval_and_says_so():
    assert draw_difference(compared(0.1, pairs=1)).axes
    assert "single seed" in caption_of(compared(0.1, pairs=1), 0.95)
    assert "3 seeds" in caption_of(compared(0.1), 0.95)


def test_every_crossing_is_marked_and_colours_are_those_of_the_curves():
    twice = [
        Crossover(
            first="staged", second="whole", size=size, low=size / 2, high=size * 2, level=0.95, below="staged",
            above="whole", tried=(20, 500), seeds=3,
        )
        for size in (40, 60)
    ]  # fmt: skip
    (axes,) = draw_difference(compared(-0.3, -0.05, 0.1), crossings=twice, places=(2, 0)).axes
    labels = [text for text in axes.texts if text.get_text().startswith("crossover")]
    assert [text.get_text().split("\n")[0] for text in labels] == ["crossover 40", "crossover 60"]
    axes.figure.draw_without_rendering()
    assert not labels[0].get_window_extent().overlaps(labels[1].get_window_extent())
    dots = [text.get_color() for text in axes.texts if text.get_text() == "●"]
    assert dots == [COLOURS[2], COLOURS[0]]


def test_nothing_in_common_cannot_be_drawn():
    nothing = Comparison(first="a", second="b", size=9, pairs=0, difference=None, low=None, high=None, probability=None)
    with pytest.raises(StudyError, match="no seed has a result of both"):
        draw_difference([nothing])
