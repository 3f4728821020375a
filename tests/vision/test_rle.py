"""Runs and polygons, against pycocotools' twin and Pillow."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as PILImage
from PIL import ImageDraw

from longspan.vision.rle import decode_runs, encode_runs, fill_polygons, runs_of_string

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(mask=masks)
def test_runs_give_the_mask_back(mask):
    runs = encode_runs(mask)
    assert sum(runs) == mask.size
    assert all(runs[1:])  # only the first, of background, may be 0
    assert np.array_equal(decode_runs(runs, mask.shape), mask)


def test_runs_go_down_the_columns_and_begin_with_background():
    mask = np.zeros((3, 4), int)
    mask[1:, 1] = 7
    assert encode_runs(mask) == [4, 2, 6]
    assert encode_runs(np.ones((2, 2))) == [0, 4]
    assert encode_runs(np.zeros((2, 2))) == [4]


def test_runs_and_their_strings_are_cocos():
    coco = pytest.importorskip("faster_coco_eval.core.mask")
    random = np.random.default_rng(0)
    for _ in range(50):
        mask = random.random(random.integers(1, 40, 2)) < random.random()
        written = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert runs_of_string(written["counts"]) == encode_runs(mask)
        assert runs_of_string(written["counts"].decode()) == encode_runs(mask)


@pytest.mark.parametrize(
    ("text", "fault"), [("52P", "end within a number"), ("5\t", "hold '\\\\t', which stands"), ("5é", "stands for no")]
)
def test_broken_strings_say_what_is_wrong(text, fault):
    with pytest.raises(ValueError, match=fault):
        runs_of_string(text)


def test_runs_that_do_not_fit_the_mask_say_so():
    with pytest.raises(ValueError, match=r"the runs are 5 pixels, the mask of 2x3 \(height x width\) has 6"):
        decode_runs([2, 3], (2, 3))
    with pytest.raises(ValueError, match="the runs hold -1; a length is at least 0"):
        decode_runs([7, -1], (2, 3))


corner = st.tuples(st.floats(-4, 24), st.floats(-4, 20))


def drawn(polygon, size_px, fine=16):
    """The fraction of each pixel inside, by Pillow at `fine` times the size."""
    big = PILImage.new("L", (size_px[1] * fine, size_px[0] * fine))
    ImageDraw.Draw(big).polygon([(x * fine - 0.5, y * fine - 0.5) for x, y in polygon], fill=1)
    return np.asarray(big).reshape(size_px[0], fine, size_px[1], fine).mean((1, 3))


@settings(max_examples=100, deadline=None)
@given(polygon=st.lists(corner, min_size=3, max_size=3))
def test_whole_pixels_inside_are_filled_and_those_outside_are_not(polygon):
    mask = fill_polygons([[part for point in polygon for part in point]], (16, 20))
    fraction = drawn(polygon, (16, 20))
    # Pillow also draws the outline, so a thin triangle can cover a pixel there.
    (x0, y0), (x1, y1), (x2, y2) = polygon
    area = abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) / 2
    assert mask[fraction > 0.99].all() or area < 4
    assert not mask[fraction == 0].any()


@settings(max_examples=60, deadline=None)
@given(polygon=st.lists(corner, min_size=3, max_size=8))
def test_the_filled_pixels_are_those_whose_centre_is_inside_by_crossing_number(polygon):
    mask = fill_polygons([np.ravel(polygon)], (16, 20))
    for y in range(16):
        for x in range(20):
            inside = False
            for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
                if (y0 <= y + 0.5) != (y1 <= y + 0.5):
                    at = x0 + (y + 0.5 - y0) * (x1 - x0) / (y1 - y0)
                    if abs(at - x - 0.5) < 1e-9:
                        break
                    inside ^= at < x + 0.5
            else:
                assert mask[y, x] == inside


def test_neighbours_fraction_no_pixel_and_leave_none():
    left, right = [0, 0, 3.5, 0, 5.5, 8, 0, 8], [3.5, 0, 9, 0, 9, 8, 5.5, 8]
    one, other = fill_polygons([left], (8, 9)), fill_polygons([right], (8, 9))
    assert not (one & other).any()
    assert (one | other).all()


def test_polygons_are_joined_and_a_crossing_outline_leaves_a_hole():
    two = fill_polygons([[0, 0, 2, 0, 2, 2, 0, 2], [1, 0, 4, 0, 4, 1, 1, 1]], (3, 5))
    assert two.astype(int).tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    ring = [0, 0, 6, 0, 6, 6, 0, 6, 0, 0, 2, 2, 4, 2, 4, 4, 2, 4, 2, 2]
    assert fill_polygons([ring], (6, 6)).sum() == 36 - 4


def test_polygons_far_outside_fill_what_is_inside():
    assert fill_polygons([[-1e9, -1e9, 1e9, -1e9, 1e9, 1e9, -1e9, 1e9]], (4, 5)).all()
    assert not fill_polygons([[10, 10, 20, 10, 20, 20]], (4, 5)).any()
    assert not fill_polygons([], (4, 5)).any()


def test_a_number_without_end_is_refused_at_once_and_not_in_the_square_of_its_length():
    started = time.monotonic()
    with pytest.raises(ValueError, match="more than 60 bits"):
        runs_of_string("P" * 3_000_000)
    assert time.monotonic() - started < 10
    assert runs_of_string("P" * 11 + "0") == [0]
