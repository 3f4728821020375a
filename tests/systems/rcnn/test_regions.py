import sys

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.errors import DependencyError
from longspan.metrics.iou import box_iou
from longspan.systems.rcnn.regions import find_regions, warp_regions


def scene(height=60, width=90):
    """Two plain rectangles on plain ground."""
    image = np.full((height, width, 3), (40, 60, 90), np.uint8)
    image[10:50, 8:28] = (220, 180, 40)
    image[20:40, 45:80] = (200, 30, 160)
    return image


BOXES = [[8, 10, 28, 50], [45, 20, 80, 40]]


def test_regions_hold_what_is_there():
    pytest.importorskip("cv2.ximgproc")
    regions = find_regions(scene(), side_px=90)
    assert box_iou(BOXES, regions).max(axis=1).min() > 0.8
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in regions]
    assert areas == sorted(areas, reverse=True)
    assert all(0 <= x0 < x1 <= 90 and 0 <= y0 < y1 <= 60 for x0, y0, x1, y1 in regions)


def test_regions_are_those_of_the_image_and_not_of_the_search():
    """They are in pixels of the image however small the image is searched."""
    pytest.importorskip("cv2.ximgproc")
    large = np.asarray(PILImage.fromarray(scene()).resize((360, 240), PILImage.Resampling.NEAREST))
    regions = find_regions(large, side_px=90)
    assert box_iou(np.asarray(BOXES) * 4, regions).max(axis=1).min() > 0.8


def test_the_same_image_has_the_same_regions_in_every_call(tmp_path):
    """Opencv alone gives them in another order each time."""
    pytest.importorskip("cv2.ximgproc")
    noisy = np.random.default_rng(0).integers(0, 60, (60, 90, 3), np.uint8) + scene() // 2
    PILImage.fromarray(noisy).save(tmp_path / "a.png")
    first = find_regions(noisy, most=20)
    assert len(first) == 20
    assert [find_regions(each, most=20) for each in (noisy, str(tmp_path / "a.png"))] == [first, first]


def test_doubles_of_regions_are_left_out():
    pytest.importorskip("cv2.ximgproc")
    noisy = np.random.default_rng(0).integers(0, 60, (60, 90, 3), np.uint8) + scene() // 2
    strict, loose = (find_regions(noisy, side_px=90, alike=alike) for alike in (0.4, 0.9))
    assert len(strict) < len(loose)
    overlaps = box_iou(strict, strict)
    np.fill_diagonal(overlaps, 0)
    assert overlaps.max() <= 0.4


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(DependencyError, match=r"python -m pip install 'longspan\[rcnn\]'"):
        find_regions(scene())


def test_a_crop_shows_its_region_with_sixteen_of_227_pixels_around_it():
    image = np.zeros((100, 100, 3), np.uint8)
    image[30:70, 20:80] = 255
    (crop,) = warp_regions(image, [[20, 30, 80, 70]], size_px=227)
    assert crop.shape == (227, 227, 3)
    assert crop.dtype == np.uint8
    for line in (crop[113, :, 0], crop[:, 113, 0]):  # stretched: as much on each side, whatever the shape
        bright = np.flatnonzero(line > 127)
        assert abs(bright[0] - 16) <= 1
        assert abs(bright[-1] - (227 - 16 - 1)) <= 1


def test_beyond_the_image_a_crop_is_of_the_mean_colour():
    image = np.full((40, 60, 3), 250, np.uint8)
    whole, corner = warp_regions(image, [[0, 0, 60, 40], [50, 30, 60, 40]], size_px=64)
    assert tuple(whole[0, 0]) == tuple(whole[-1, -1]) == (124, 116, 104)
    assert tuple(whole[32, 32]) == (250, 250, 250)
    assert tuple(corner[0, 0]) == (250, 250, 250)
    assert tuple(corner[-1, -1]) == (124, 116, 104)


def test_no_regions_no_crops_and_no_region_is_too_small_for_one():
    assert warp_regions(scene(), []) == []
    (crop,) = warp_regions(scene(), [[10.2, 10.2, 10.4, 10.3]], size_px=16)
    assert crop.shape == (16, 16, 3)
