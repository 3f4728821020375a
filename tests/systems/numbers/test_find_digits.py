import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.systems.numbers.find_digits import cut_out, find_digits, join_digits


def strokes(*boxes, size=(32, 100)):
    image = np.full(size, 10, np.uint8)
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = 220
        image[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = 10  # a ring
    return image


def test_separate_digits_are_found_where_they_are():
    boxes = [(5, 5, 19, 27), (30, 4, 45, 26), (60, 6, 74, 28)]
    found = find_digits(strokes(*boxes))
    assert np.abs(np.asarray(found) - np.asarray(boxes)).max() <= 1


def test_touching_digits_are_cut_where_the_ink_is_thin():
    image = strokes((5, 5, 20, 27), (26, 5, 41, 27), (60, 5, 75, 27))
    image[14:17, 20:26] = 220  # a bridge
    found = find_digits(image)
    assert len(found) == 3
    assert 20 <= found[0][2] <= 26


def test_strokes_above_each_other_are_one_digit_and_specks_none():
    image = strokes((10, 3, 25, 14), (10, 17, 25, 29))
    image[5:7, 80:82] = 255
    assert len(find_digits(image)) == 1


@pytest.mark.parametrize("image", [np.zeros((32, 64), np.uint8), np.full((32, 64), 30, np.uint8)])
def test_nothing_is_found_where_nothing_is(image):
    assert find_digits(image) == []


def test_a_crop_is_centred_and_keeps_its_shape():
    crop = cut_out(strokes((30, 4, 40, 24)), [30.0, 4.0, 40.0, 24.0])
    assert crop.shape == (28, 28)
    rows, columns = np.flatnonzero((crop > 60).any(axis=1)), np.flatnonzero((crop > 60).any(axis=0))
    assert (rows[0], rows[-1]) == (4, 23)
    assert (columns[0], columns[-1]) == (9, 18)


def test_a_box_outside_the_image_gives_an_edge_and_no_error():
    assert cut_out(np.zeros((32, 64), np.uint8), [70.0, -4.0, 90.0, 40.0]).shape == (28, 28)


def test_files_are_read_as_arrays_are(tmp_path):
    image = strokes((5, 5, 19, 27), (30, 4, 45, 26))
    PILImage.fromarray(image).save(tmp_path / "a.png")
    assert find_digits(str(tmp_path / "a.png")) == find_digits(image)


def test_most_made_up_numbers_are_parted_right():
    numbers = ls.datasets.make_numbers(ls.datasets.load("digits"), 100, seed=5)
    right = [len(find_digits(row["image"])) == len(row["digits"]) for row in numbers]
    assert np.mean(right) > 0.6


def test_digits_join_to_a_number_with_its_zeros():
    assert join_digits([0, 4, 2]) == "042"
    assert join_digits([]) == ""
