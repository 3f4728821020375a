"""Points, boxes and masks lie in the frame where resizing puts the image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage
from PIL import ImageDraw

from longspan.columns import Image
from longspan.errors import ConfigError
from longspan.vision import ResizeTransform
from longspan.vision.image_io import resize

WAYS = ("crop", "stretch", "pad")
sides = st.integers(1, 90)


def ramps(height, width):
    """Two float images: the x and the y of each pixel's centre, in edge coordinates."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    return PILImage.fromarray(x), PILImage.fromarray(y)


@settings(max_examples=150, deadline=None)
@given(h=sides, w=sides, out_h=sides, out_w=sides, how=st.sampled_from(WAYS))
def test_every_pixel_of_a_resized_image_comes_from_where_the_placement_says(h, w, out_h, out_w, how):
    transform = ResizeTransform((h, w), (out_h, out_w), how)
    y, x = np.mgrid[0:out_h, 0:out_w] + 0.5
    said = transform.points_to_source(np.stack([x, y], axis=-1))
    for axis, ramp in enumerate(ramps(h, w)):
        # Bilinear resizing keeps a ramp nearly as it is, except near the image's edge, where its kernel is cut.
        seen = np.asarray(resize(ramp, out_w, out_h, how))
        side, reach = (w, h)[axis], max(1.0, 1 / transform.scale[axis]) * 1.5
        inside = ((said > 0) & (said < (w, h))).all(-1)
        clear = inside & (said[..., axis] > reach) & (said[..., axis] < side - reach)
        assert np.abs(seen - said[..., axis])[clear].max(initial=0) < 0.15 * max(1, 1 / transform.scale[axis])
        assert np.abs(seen - said[..., axis])[inside].max(initial=0) <= reach
        if how == "pad":
            assert not seen[~inside].any()
        else:
            assert inside.all()


@settings(max_examples=100, deadline=None)
@given(h=sides, w=sides, out_h=sides, out_w=sides, how=st.sampled_from(WAYS), seed=st.integers(0, 99))
def test_a_mask_takes_the_pixel_below_each_centre(h, w, out_h, out_w, how, seed):
    mask = np.random.default_rng(seed).integers(0, 5, (h, w)).astype(np.uint8)
    transform = ResizeTransform((h, w), (out_h, out_w), how)
    framed = transform.mask_to_frame(mask, 9)
    assert framed.dtype == mask.dtype
    assert framed.shape == (out_h, out_w)
    for y in range(0, out_h, 3):
        for x in range(0, out_w, 3):
            at = transform.points_to_source((x + 0.5, y + 0.5))
            if ((at < 0) | (at >= (w, h))).any():
                assert framed[y, x] == 9
            elif np.abs(at - np.rint(at)).min() > 1e-6:  # on the border of two pixels either will do
                assert framed[y, x] == mask[int(at[1]), int(at[0])]


@pytest.mark.parametrize("size", [(8, 12), (30, 20), (64, 64), (200, 31)])
def test_stretched_masks_equal_pillows_nearest(size):
    mask = np.random.default_rng(1).integers(0, 200, (50, 37)).astype(np.uint8)
    seen = np.asarray(PILImage.fromarray(mask).resize(size[::-1], PILImage.Resampling.NEAREST))
    assert np.array_equal(ResizeTransform((50, 37), size, "stretch").mask_to_frame(mask, 255), seen)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_masks_come_back_and_what_was_cut_away_is_filled(how, order):
    mask = np.asfortranarray if order == "F" else np.ascontiguousarray
    mask = mask(np.random.default_rng(2).integers(0, 4, (12, 20)))
    transform = ResizeTransform((12, 20), (48, 48), how)
    back = transform.mask_to_source(transform.mask_to_frame(mask, 9), 9)
    shown = slice(4, 16) if how == "crop" else slice(0, 20)
    assert np.array_equal(back[:, shown], mask[:, shown])
    assert (back == 9).sum() == (8 * 12 if how == "crop" else 0)


@settings(max_examples=60, deadline=None)
@given(h=sides, w=sides, out_h=sides, out_w=sides, how=st.sampled_from(WAYS))
def test_points_and_boxes_go_there_and_back(h, w, out_h, out_w, how):
    transform = ResizeTransform((h, w), (out_h, out_w), how)
    box = np.array([[w * 0.4, h * 0.3, w * 0.6, h * 0.7]])
    np.testing.assert_allclose(transform.boxes_to_source(transform.boxes_to_frame(box)), box, atol=1e-9)
    points = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_allclose(transform.points_to_frame(transform.points_to_source(points)), points, atol=1e-9)


def test_boxes_of_the_frame_are_clipped_to_the_source():
    padded = ResizeTransform((10, 20), (40, 40), "pad")
    assert padded.boxes_to_source([[0, 0, 40, 40]]).tolist() == [[0, 0, 20, 10]]
    assert padded.boxes_to_source(np.zeros((0, 4))).shape == (0, 4)


def test_an_image_of_the_frames_own_size_stays_where_it_is():
    mask = np.arange(35).reshape(5, 7)
    for how in WAYS:
        transform = ResizeTransform((5, 7), (5, 7), how)
        assert transform.points_to_frame((2.25, 3.5)).tolist() == [2.25, 3.5]
        assert np.array_equal(transform.mask_to_frame(mask, 99), mask)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("turned", [False, True])
def test_the_placement_of_a_large_jpeg_holds_for_what_encode_reads(tmp_path, how, turned):
    """The file is read at a smaller scale of its own, and may lie on its side."""
    image = PILImage.new("RGB", (1001, 747))
    ImageDraw.Draw(image).rectangle((400, 250, 599, 499), fill="white")
    box = np.array([[400, 250, 600, 500]])
    exif = PILImage.Exif()
    if turned:
        exif[0x0112] = 6  # to be turned clockwise
        box = np.array([[747 - 500, 400, 747 - 250, 600]])
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    column = Image(size_px=(90, 120), channels=1, resize=how)
    transform = column.context_of(tmp_path / "a.jpg")
    assert transform.source_px == ((1001, 747) if turned else (747, 1001))
    fraction = column.encode(tmp_path / "a.jpg")[..., 0] / 255
    said = transform.boxes_to_frame(box)[0]
    for axis in (0, 1):
        across = fraction.sum(axis) / fraction.sum(axis).max()  # how bright each column (row) is
        length, middle = across.sum(), (across * (np.arange(len(across)) + 0.5)).sum() / across.sum()
        assert abs(said[axis] - (middle - length / 2)) < 0.8
        assert abs(said[axis + 2] - (middle + length / 2)) < 0.8


def test_an_image_that_cannot_be_opened_has_no_placement():
    with pytest.raises(ValueError, match="the file does not exist"):
        Image(size_px=(8, 8)).context_of("gone.png")


def test_what_cannot_be_a_placement():
    with pytest.raises(ConfigError, match=r"source_px must be \(height, width\) of at least 1 pixel, got \(0, 3\)"):
        ResizeTransform((0, 3), (4, 4), "crop")
    with pytest.raises(ConfigError, match="'crop', 'stretch' or 'pad', got 'squeeze'"):
        ResizeTransform((3, 3), (4, 4), "squeeze")  # pyright: ignore[reportArgumentType]
