import numpy as np

from longspan.report import precision_recall_curves, roc_curves

X = np.linspace(0, 1, 1000)


def test_curves_name_their_class_and_area_and_stay_small():
    figure = roc_curves([("cat", X, X**0.5, 2 / 3), ("a very long name of a class that goes on", X, X, 0.5)])
    axes = figure.axes[0]
    chance, cat, other = axes.get_lines()
    assert chance.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert len(cat.get_xydata()) == 200
    np.testing.assert_allclose(cat.get_ydata()[[0, -1]], [0, 1])
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["cat  AUC 0.667", "a very long name of a c…  AUC 0.500"]
    assert other.get_color() != cat.get_color()


def test_precision_and_recall_go_in_steps():
    axes = precision_recall_curves([("$cat", X, 1 - X / 2, 0.75)]).axes[0]
    (line,) = axes.get_lines()
    assert line.get_drawstyle() == "steps-pre"
    assert axes.get_xlabel() == "recall"
    assert axes.get_legend().get_texts()[0].get_text() == r"\$cat  AP 0.750"
