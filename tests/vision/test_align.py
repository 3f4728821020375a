import numpy as np
import pytest
from PIL import Image as PILImage
from scipy.optimize import minimize

import longspan as ls
from longspan.errors import ConfigError, PipelineError
from longspan.vision.align import FACE_TEMPLATE, Align, similarity_transform

TEMPLATE = np.array([*FACE_TEMPLATE.values()])


def moved(points, degrees, scale, shift):
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ matrix.T + shift


@pytest.mark.parametrize("degrees", [0, 30, 180, -120])
def test_a_turn_scale_and_shift_is_found(degrees):
    seen = moved(TEMPLATE, degrees, 2.5, [40, -7])
    matrix = similarity_transform(seen, TEMPLATE)
    np.testing.assert_allclose(seen @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=1e-9)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(1 / 2.5**2)


def test_no_other_similarity_is_closer():
    """Against a numerical search over the four numbers that a similarity has."""
    seen = moved(TEMPLATE, 20, 1.4, [3, 9]) + np.random.default_rng(0).normal(0, 4, TEMPLATE.shape)

    def error(numbers):
        a, b, x, y = numbers
        return np.square(seen @ np.array([[a, -b], [b, a]]).T + [x, y] - TEMPLATE).sum()

    best = minimize(error, [1, 0, 0, 0], method="BFGS", options={"gtol": 1e-10}).x
    a, b, x, y = best
    np.testing.assert_allclose(similarity_transform(seen, TEMPLATE), [[a, -b, x], [b, a, y]], atol=1e-4)


@pytest.mark.parametrize(
    ("points", "words"),
    [([[1, 1]], "at least two points"), ([[1, 1], [1, 1]], "one place"), ([[1, np.nan], [2, 2]], "finite")],
)
def test_points_that_say_nothing_are_refused(points, words):
    with pytest.raises(ValueError, match=words):
        similarity_transform(points, [[0, 0], [1, 1]][: len(points)])


def test_a_pixel_of_the_crop_shows_the_image_where_it_was():
    """Of a plane of grey, linear interpolation gives the plane's value at each middle of a pixel."""
    ys, xs = np.mgrid[:80, :90] + 0.5
    image = (20 + 1.0 * xs + 1.5 * ys).round().astype(np.uint8)
    align = Align(template={"a": (4, 4), "b": (16, 8)}, size_px=(16, 20), channels=1)
    points = {"a": [30.0, 20.0], "b": [52.0, 45.0]}
    crop = align(image, points)
    assert crop.shape == (16, 20)  # pyright: ignore
    back = np.linalg.inv(np.vstack([align.matrix(points), [0, 0, 1]]))[:2]  # pyright: ignore
    rows, columns = np.mgrid[:16, :20] + 0.5
    x, y = back @ [columns.ravel(), rows.ravel(), np.ones(320)]
    expected = (20 + x + 1.5 * y).reshape(16, 20)
    seen = (x > 2) & (x < 88) & (y > 2) & (y < 78)
    assert seen.mean() > 0.9
    assert np.abs(crop - expected)[seen.reshape(16, 20)].max() <= 1.5  # rounding, before and after


def test_much_larger_images_are_reduced_without_aliasing():
    noise = np.random.default_rng(0).integers(0, 2, (400, 400)).astype(np.uint8) * 255
    align = Align(template={"a": (5, 10), "b": (15, 10)}, size_px=(20, 20), channels=1)
    crop = align(noise, {"a": [100, 200], "b": [300, 200]})  # 20 pixels of the image for one of the crop
    assert crop.std() < 20  # the mean of 400 draws varies by 6; single pixels would vary by 127  # pyright: ignore


def test_swapped_sides_are_refused_and_missing_points_give_nothing():
    align = Align()
    face = {name: (40 + 1.5 * x, 30 + 1.5 * y) for name, (x, y) in FACE_TEMPLATE.items()}
    image = np.zeros((250, 250, 3), np.uint8)
    assert align(image, face).shape == (112, 112, 3)  # pyright: ignore
    swapped = {
        name.replace("left", "?").replace("right", "left").replace("?", "right"): at for name, at in face.items()
    }
    with pytest.raises(ValueError, match="left and right are swapped"):
        align(image, swapped)
    assert align(image, None) is None
    assert align(image, {"nose": (3, 4), "left eye": None, "right eye": (1, 2, 0)}) is None


def test_it_is_a_stage_and_is_stored_by_name(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    align = Align(template={"a": (4, 4), "b": (12, 4)}, size_px=(16, 16))
    pipeline = ls.Pipeline([ls.Stage("align", align, reads=["image", "points"], adds="crop")])
    row = {"image": image, "points": {"a": [10, 20], "b": [30, 24]}}
    (found,) = pipeline.predict([row])
    assert found["crop"].shape == (16, 16, 3)
    same = {**row, "points": {"a": [10, 20], "b": [10, 20]}}
    with pytest.raises(PipelineError, match="'align' failed in sample 0: ValueError: all points lie in one place"):
        pipeline.predict([same])
    again = ls.load(pipeline.save(tmp_path / "p.safetensors"), functions={"align": align})
    assert (again.predict([row])[0]["crop"] == found["crop"]).all()


def test_a_photo_that_lies_on_its_side_is_read_upright(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    exif = PILImage.Exif()
    exif[0x0112] = 6
    PILImage.fromarray(np.rot90(pixels)).save(tmp_path / "turned.png", exif=exif)
    align = Align(template={"a": (4, 4), "b": (12, 4)}, size_px=(16, 16))
    points = {"a": [10, 20], "b": [30, 24]}
    assert (align(tmp_path / "turned.png", points) == align(pixels, points)).all()


def test_options_that_cannot_be():
    with pytest.raises(ConfigError, match="size_px"):
        Align(size_px=(0, 5))
    with pytest.raises(ConfigError, match="channels"):
        Align(channels=2)
    with pytest.raises(ConfigError, match="template"):
        Align(template={"a": (1, 2)})
