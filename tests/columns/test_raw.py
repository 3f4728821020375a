import math

import numpy as np
import pytest

from longspan.columns import Image, Raw, column_from_json
from longspan.data import Table, Task
from longspan.errors import ConfigError


@pytest.mark.parametrize("value", [1, 1.5, "a", True, [[1, 2.5], []], ("a", None), np.float32(1), np.zeros((2, 2))])
def test_numbers_words_and_lists_of_them_are_fine(value):
    assert Raw().check(value) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [(math.nan, "not a finite number"), ([[1.0, math.inf]], "not a finite"), ({"a": 1}, "dict"), ([b"x"], "bytes")],
)
def test_anything_else_is_a_fault(value, words):
    assert words in Raw().check(value)


def test_no_network_reads_it():
    with pytest.raises(ValueError, match="no network reads or predicts"):
        Raw().encode([1])
    table = Table.from_arrays(
        {"image": np.zeros((4, 8, 8), np.uint8), "boxes": [[1], [2], [3], [4]]}, {"image": Image(), "boxes": Raw()}
    )
    for inputs, targets in (("image", "boxes"), ("boxes", "image")):
        with pytest.raises(ConfigError, match="'boxes' holds raw values, which no network reads or predicts"):
            Task(table.split(valid=0), inputs=inputs, targets=targets)


def test_lists_of_whole_and_other_numbers_stay_exact_in_a_table():
    boxes = [[[1, 2, 3, 4]], [[1.5, 2, 3, 4], [0, 0, 1, 1]], []]
    table = Table.from_arrays({"boxes": boxes}, {"boxes": Raw()})
    assert table.column_values("boxes") == boxes
    assert table.value(1, "boxes") == boxes[1]


def test_it_comes_back_from_json():
    assert column_from_json(Raw().to_json()) == Raw()
