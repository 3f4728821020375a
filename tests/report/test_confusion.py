"""The confusion matrix shows what was mistaken for what."""

import numpy as np
import pytest

from longspan.errors import ShapeError
from longspan.report import confused_pairs, confusion_matrix

COUNTS = np.array([[8, 2, 0], [0, 10, 0], [5, 0, 5]])


def test_pairs_are_listed_worst_first():
    assert confused_pairs(COUNTS, ["a", "b", "c"]) == [
        {"true": "c", "predicted": "a", "times": 5, "share": "50.0%"},
        {"true": "a", "predicted": "b", "times": 2, "share": "20.0%"},
    ]
    assert len(confused_pairs(COUNTS, ["a", "b", "c"], top=1)) == 1
    assert confused_pairs(np.eye(2), [True, False]) == []


def test_cells_stand_where_they_belong():
    (axes,) = confusion_matrix(COUNTS, ["a", "b", "$c$"]).axes
    cells = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "8", (0, 1): "2", (1, 1): "10", (2, 0): "5", (2, 2): "5"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", r"\$c\$"]
    assert axes.get_ylim() == (2.5, -0.5)  # first class on top


def test_of_many_classes_the_confused_ones_are_shown():
    counts = np.eye(60, dtype=int) * 5
    counts[50, 3] = 9
    (axes,) = confusion_matrix(counts, [f"class {k}" for k in range(60)]).axes
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert len(shown) == 30
    assert {"class 3", "class 50"} <= set(shown)


def test_counts_and_names_must_fit():
    with pytest.raises(ShapeError, match=r"must be \(2, 2\), got \(3, 3\)"):
        confusion_matrix(COUNTS, ["a", "b"])
    with pytest.raises(ShapeError):
        confused_pairs(np.zeros((0, 0)), [])


def test_long_names_that_begin_alike_stay_different():
    names = [f"Lesser spotted woodpecker of the northern hills, variety {k:02}" for k in range(3)]
    (axes,) = confusion_matrix(COUNTS, names).axes
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == [f"Lesser sp… variety {k:02}"[:9] + f"…ls, variety {k:02}" for k in range(3)]
    assert all(len(each) <= 24 for each in shown)
    same = ["x" * 20 + middle + "y" * 20 for middle in "abc"]
    (axes,) = confusion_matrix(COUNTS, same).axes
    assert len({label.get_text() for label in axes.get_yticklabels()}) == 3
