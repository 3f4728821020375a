import math

import numpy as np
import pytest

import longspan as ls
from longspan.metrics.row_errors import (
    BOXES_F1,
    CHARACTER_EDITS,
    INSTANCES_F1,
    LABEL,
    RAW_VALUE,
    WORD_EDITS,
    absolute_error,
    character_error_rate,
    label_set_error,
    pixel_error,
    type_mismatch,
)
from longspan.vision.rle import encode_runs

ALL = (
    LABEL, RAW_VALUE, CHARACTER_EDITS, WORD_EDITS, BOXES_F1, INSTANCES_F1, absolute_error("km"),
    pixel_error(np.asarray),
)  # fmt: skip


def box(x, label="a", **more):
    return {"box": [x, 0, x + 10, 10], "label": label, **more}


@pytest.mark.parametrize(
    ("target", "prediction", "error"),
    [
        ([], [], 0.0),
        ([box(0)], [], 1.0),
        ([], [box(0)], 1.0),
        ([box(0), box(20)], [box(1), box(50)], 0.5),  # one pair, one miss, one false alarm
        ([box(0)], [box(0, "b")], 1.0),  # another label
        ([box(0)], [box(0, score=0.9), box(1, score=0.8)], 1 / 3),  # found twice
        ([box(0), box(3)], [box(1, score=0.5), box(0, score=0.9)], 0.0),  # the more confident one chooses first
        ([box(0, ignore=True)], [box(0)], 0.0),
        ([box(0, ignore=True)], [], 0.0),
        ([box(0)], [box(4)], 1.0),  # overlaps by less than a half
        ([[0, 0, 5, 5]], [{"box": [0, 0, 5, 5], "label": "object"}], 0.0),  # a bare box
    ],
)
def test_objects_are_paired_by_label_and_place(target, prediction, error):
    assert BOXES_F1(target, prediction) == pytest.approx(error)
    assert ls.Boxes(vocab=("a", "b")).error(target, prediction) == pytest.approx(error)


def test_instances_are_paired_by_their_masks():
    square = np.zeros((8, 8), bool)
    square[2:6, 2:6] = True
    target = [{"label": "a", "polygons": [[2, 2, 6, 2, 6, 6, 2, 6]]}]
    found = [{"label": "a", "rle": {"size": [8, 8], "counts": encode_runs(square)}, "score": 0.7}]
    column = ls.Instances(vocab=("a",))
    assert column.error(target, found) == 0
    assert column.error(target, [{**found[0], "rle": {"size": [8, 8], "counts": encode_runs(~square)}}]) == 1
    assert column.error(target, target) == 0


def test_ignored_pixels_do_not_count():
    column = ls.Mask(vocab=("x", "y"))
    target, found = np.array([[0, 1, 255, 1]], np.uint8), np.array([[0, 0, 0, 1]], np.uint8)
    assert column.error(target, found) == pytest.approx(1 / 3)
    assert column.error(np.full((2, 2), 255, np.uint8), np.zeros((2, 2), np.uint8)) == 0


def test_labels_texts_and_lists_are_right_as_a_whole():
    assert LABEL("cat", np.str_("cat")) == 0
    assert LABEL(3, 3.0) == 0
    assert LABEL("3", 3) == 1
    assert RAW_VALUE([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])) == 0
    assert RAW_VALUE([1, 2], (2, 1)) == 1
    tags = label_set_error(lambda value: value.split() if isinstance(value, str) else value)
    assert tags("a b", ["b", "a"]) == 0
    assert tags("a b", {"a"}) == 1


def test_numbers_are_off_by_a_distance_in_their_unit():
    error = absolute_error("months")
    assert error(10, np.float32(12.5)) == 2.5
    assert error(10, None) == math.inf
    assert (error.mean_name, error.unit, error.metric) == ("mean absolute error (months)", "months", "mae")
    assert absolute_error().mean_name == "mean absolute error"


def test_texts_count_by_characters():
    assert CHARACTER_EDITS("1234", "1243") == 0.5
    assert CHARACTER_EDITS("", "12") == 2
    assert WORD_EDITS("the cat sat on", "the cats on") == 0.5
    assert WORD_EDITS("a", "") == 1
    assert character_error_rate(["1234", "56"], ["1243", None]) == pytest.approx(4 / 6)
    assert character_error_rate(["", ""], ["", ""]) == 0


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.name)
def test_every_error_says_its_name_range_and_direction(error):
    assert error.name
    assert error.direction == "lower"
    assert error("x", None) == error.missing <= error.largest, "a missing prediction is as wrong as can be"


def test_values_of_two_types_are_noticed():
    assert type_mismatch([3, None], ["3", "4"]) is not None
    for targets, predictions in (([3], [4.0]), ([True], [np.bool_(False)]), (["a", 1], [2]), ([3], [None]), ([], [])):
        assert type_mismatch(targets, predictions) is None
