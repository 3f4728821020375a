import numpy as np

import longspan as ls
from longspan.systems.numbers.digit_halves import HALVES, boxes_of_halves, halves_of_boxes


def mask_of(*boxes):
    return halves_of_boxes({}, {"image": np.zeros((32, 160), np.uint8), "boxes": list(boxes)})


def test_each_box_has_two_halves_and_nothing_around_it():
    mask = mask_of([10, 4, 21, 24], [30, 6, 34, 26])
    assert [HALVES.vocab[mask[15, x]] for x in (9, 10, 14, 15, 20, 21, 30, 31, 32, 33)] == [
        "nothing", "left half", "left half", "right half", "right half", "nothing",
        "left half", "left half", "right half", "right half",
    ]  # fmt: skip
    assert (mask[:4] == 0).all()
    assert (mask[24:, :21] == 0).all()


def test_a_column_of_two_boxes_is_of_the_nearer_middle():
    mask = mask_of([10, 4, 14, 24], [12, 4, 30, 24])
    assert [HALVES.vocab[mask[15, x]] for x in (12, 13, 14)] == ["right half", "right half", "left half"]


def test_boxes_come_back_as_they_were():
    numbers = ls.datasets.make_numbers(ls.datasets.load("digits"), 60, seed=3)
    for row in numbers:
        found = boxes_of_halves(halves_of_boxes({}, row))
        assert len(found) == len(row["boxes"])
        assert np.abs(np.asarray(found) - np.asarray(row["boxes"])).max() <= 1.01  # digits overlap by one column


def test_digits_that_touch_are_two():
    boxes = [[40.0, 5.0, 46.0, 25.0], [46.0, 6.0, 51.0, 26.0]]
    assert boxes_of_halves(mask_of(*boxes)) == boxes


def test_slips_of_the_network_make_no_digit():
    mask = mask_of([40, 5, 52, 25], [60, 6, 72, 26])
    expected = boxes_of_halves(mask)
    mask[3:6, 100:103] = 1  # a speck
    mask[10:14, 40:52] = 0  # a hole
    mask[5:13, 43] = 2  # most, but not nearly all of a column
    assert boxes_of_halves(mask) == expected


def test_an_empty_mask_has_no_digits():
    assert boxes_of_halves(np.zeros((32, 60), np.uint8)) == []
