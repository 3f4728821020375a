import numpy as np
import pytest

from longspan.data.annotations.geometry import (
    checked_box,
    checked_polygons,
    mask_box,
    number_of,
    numbers_of,
    size_fault,
)

SIZE = (20, 30)


def test_boxes_are_clipped_where_they_are_off_by_a_rounding():
    assert checked_box([-0.5, 0, 30.9, 20], SIZE) == [0, 0, 30, 20]
    assert checked_box([1.5, 2, 3.5, 4], SIZE) == [1.5, 2, 3.5, 4]


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([5, 1, 3, 4], "x1 < x0"),
        ([1, 5, 3, 4], "y1 < y0"),
        ([1, 1, 1, 4], "has no area"),
        ([1, 1, 31.5, 4], "reaches 1.5 px out of the image, which is 30 x 20 px"),
        ([1, -2, 3, 4], "reaches 2 px out"),
        ([30, 1, 30.5, 4], "lies outside the image"),
    ],
)
def test_boxes_that_cannot_be(box, words):
    with pytest.raises(ValueError, match=words):
        checked_box(box, SIZE)


def test_polygons_are_clipped_where_they_are_off_by_a_rounding():
    assert checked_polygons([[-0.5, 0, 5, 0, 5, 20.5]], SIZE) == [[0, 0, 5, 0, 5, 20]]


@pytest.mark.parametrize(
    ("polygons", "words"),
    [
        ([[1, 1, 2, 2]], "the polygon has 2 points; an area needs three"),
        ([[1, 1, 5, 1, 5, 5], [1, 1, 2]], "polygon 2 of 2 has 3 coordinates, which do not pair"),
        ([[1, 1, 2, 2, 3, 3, 9, 9]], "all points lie on one line"),
        ([[1, 1, 50, 1, 5, 5]], "reaches 20 px out"),
        ([], "there is no polygon"),
    ],
)
def test_polygons_that_cannot_be(polygons, words):
    with pytest.raises(ValueError, match=words):
        checked_polygons(polygons, SIZE)


@pytest.mark.parametrize("value", [None, "x", "nan", float("inf"), True, [1], 10**400])
def test_what_is_no_finite_number(value):
    with pytest.raises(ValueError, match="is not a finite number"):
        number_of(value)


def test_lists_of_numbers():
    assert numbers_of([1, "2.5"]) == [1.0, 2.5]
    with pytest.raises(ValueError, match="is not a list of 4 numbers"):
        numbers_of([1, 2, 3], count=4)
    with pytest.raises(ValueError, match="is not a list of numbers"):
        numbers_of("123")


def test_the_tight_box_of_a_mask_is_in_edges():
    mask = np.zeros(SIZE, bool)
    mask[3:5, 7] = True
    assert mask_box(mask) == [7, 3, 8, 5]


def test_sizes_that_differ_say_what_may_have_happened():
    assert size_fault((20, 30), (20, 30), lambda: 1 / 0) is None
    assert "30 x 20 px, but the file says 60 x 40: was it resized?" in str(size_fault((40, 60), (20, 30), lambda: True))
    assert "its EXIF orientation turns the stored image" in str(size_fault((30, 20), (20, 30), lambda: True))
    swapped = str(size_fault((30, 20), (20, 30), lambda: False))
    assert "width and height are swapped" in swapped
    assert "EXIF" not in swapped
