import numpy as np
import pytest

import longspan as ls
from longspan.datasets import NumbersConfig, make_numbers
from longspan.errors import ConfigError


@pytest.fixture(scope="module")
def digits():
    return ls.datasets.load("digits")


def test_a_number_is_what_its_digits_say_and_boxes_hold_their_ink(digits):
    clean = NumbersConfig(noise=0.0, specks=0.0, gap_px=(3, 5))
    for row in make_numbers(digits, 60, config=clean):
        assert row["number"] == "".join(map(str, row["digits"]))
        assert 3 <= len(row["digits"]) == len(row["boxes"]) <= 6
        left = [box[0] for box in row["boxes"]]
        assert left == sorted(left)
        ground = row["image"].min()
        outside = row["image"].copy()
        for x0, y0, x1, y1 in row["boxes"]:
            assert 0 <= x0 < x1 <= 160
            assert 0 <= y0 < y1 <= 32
            assert row["image"][int(y0) : int(y1), int(x0) : int(x1)].max() > 120
            outside[int(y0) : int(y1), int(x0) : int(x1)] = ground
        assert outside.max() == ground


def test_a_longer_table_begins_with_the_shorter_one_and_seeds_differ(digits):
    short, long, other = make_numbers(digits, 5), make_numbers(digits, 9), make_numbers(digits, 5, seed=1)
    assert short.column_values("number") == long.column_values("number")[:5]
    assert np.array_equal(short.arrays["image"], long.arrays["image"][:5])
    assert short.column_values("number") != other.column_values("number")


def test_digits_overlap_when_gaps_are_negative_and_never_when_not(digits):
    def overlaps(gap_px):
        rows = make_numbers(digits, 40, config=NumbersConfig(gap_px=gap_px))
        return sum(a[2] > b[0] for row in rows for a, b in zip(row["boxes"], row["boxes"][1:], strict=False))

    assert overlaps((-4, -2)) > 50
    assert overlaps((1, 4)) == 0


def test_every_length_and_digit_occurs(digits):
    numbers = make_numbers(digits, 300).column_values("number")
    assert {len(number) for number in numbers} == {3, 4, 5, 6}
    assert set("".join(numbers)) == set("0123456789")


def test_wide_digits_are_squeezed_into_the_image():
    wide = ls.Table.from_arrays(
        {"image": np.full((2, 8, 12), 255, np.uint8), "digit": [0, 1]}, {"image": ls.Image(), "digit": ls.Category()}
    )
    for row in make_numbers(wide, 20, config=NumbersConfig(lengths=(6, 6))):
        assert row["boxes"][-1][2] <= 160


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"lengths": (4, 3)}, "lengths"), ({"height_px": (10, 40)}, "height_px"), ({"lengths": (0, 3)}, "lengths")],
)
def test_looks_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        NumbersConfig(**wrong)
