import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import Image, Keypoints
from longspan.columns.keypoints import mean_normalised_distance
from longspan.errors import ConfigError, DataError
from longspan.vision import AugmentParams
from longspan.vision.augment_params import affine_matrices

NAMES = ("left eye", "right eye", "nose")
FACE = {"left eye": [2.0, 1.0], "right eye": [5.0, 1.0, 1], "nose": [3.5, 4.0]}
CONTRACT = {
    "column": Keypoints(size_px=(6, 8)),
    "values": [FACE, {}, {"nose": [1.0, 1.0, 1]}],
    "bad": [3, None, "x", [[1, 2]], {"mouth": [1, 2]}, {"nose": [1]}, {"nose": [1, 2, 3]}, {"nose": ["a", 2]}],
    "no_training": [{}],
}


def params(**changes):
    options = {
        "rotate_deg": torch.zeros(1), "zoom": torch.ones(1), "shift": torch.zeros(1, 2), "crop_size": torch.ones(1, 2),
        "crop_offset": torch.zeros(1, 2), "flip": torch.zeros(1, dtype=torch.bool),
    }  # fmt: skip
    matrix = affine_matrices((6, 8), **(options | changes))
    return AugmentParams(matrix, torch.ones(1), torch.zeros(1), colour=False)


def prepared(value, augment_params):
    column = Keypoints(names=NAMES, size_px=(6, 8)).fit([])
    return column.decode(column.prepare(torch.from_numpy(column.encode(value))[None], augment_params)[0])


def test_pairs_come_from_names_that_differ_in_left_and_right():
    assert Keypoints().fit([FACE]).pairs == (("left eye", "right eye"),)
    assert Keypoints(pairs=()).fit([FACE]).pairs == ()
    assert Keypoints().fit([{"left hand": [1, 1], "tail": [2, 2]}]).pairs == ()


def test_a_mirrored_image_swaps_left_and_right():
    mirrored = prepared(FACE, params(flip=torch.ones(1, dtype=torch.bool)))
    assert mirrored == {"left eye": [3.0, 1.0, 1], "right eye": [6.0, 1.0], "nose": [4.5, 4.0]}


def test_points_follow_a_shift_and_are_dropped_outside():
    moved = prepared(FACE, params(shift=torch.tensor([[0.5, 0.0]])))  # four pixels to the right
    assert moved == {"left eye": [6.0, 1.0], "nose": [7.5, 4.0]}


def test_points_follow_a_pixel_through_a_turn():
    from longspan.vision.augment_params import warp_images

    turn = params(rotate_deg=torch.tensor([30.0]))
    image = torch.zeros(1, 1, 6, 8)
    image[0, 0, 2, 5] = 1.0
    warped = warp_images(image, turn, fill=0.0)[0, 0]
    ys, xs = torch.meshgrid(torch.arange(6) + 0.5, torch.arange(8) + 0.5, indexing="ij")
    centre = [float((warped * axis).sum() / warped.sum()) for axis in (xs, ys)]
    assert prepared({"nose": [5.5, 2.5]}, turn)["nose"] == pytest.approx(centre, abs=0.15)


def test_resizing_and_back():
    image = Image(size_px=(6, 8), channels=1, resize="pad")
    column = Keypoints(names=NAMES).bind(image)
    transform = image.context_of(np.zeros((30, 20), np.uint8))
    framed = column.decode(column.encode_in({"nose": [10.0, 15.0]}, transform))
    assert framed == {"nose": [4.0, 3.0]}
    assert column.to_source({**framed, "left eye": None}, transform) == {"nose": [10.0, 15.0]}
    with pytest.raises(ValueError, match="outside its image, which is 30 px high and 20 px wide"):
        column.encode_in({"nose": [22.0, 15.0]}, transform)


def test_the_error_by_hand():
    target = {"a": [0, 0], "b": [3, 4], "c": None}
    assert mean_normalised_distance(target, target) == 0
    assert mean_normalised_distance(target, {"a": [0, 1], "b": [3, 4]}) == pytest.approx(0.1)  # (1 + 0) / 2 / 5
    assert mean_normalised_distance(target, {"a": [0, 0]}) == pytest.approx(0.5)
    assert mean_normalised_distance({"a": [1, 1]}, {"a": [1, 1.5]}) == 0.5  # the extent is a pixel at least


def test_points_are_drawn():
    drawn = Keypoints(names=NAMES).draw(np.zeros((20, 20, 3), np.uint8), {"nose": [10, 10], "left eye": None})
    assert drawn.any()
    assert not drawn[:5].any()


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="no point has: mouth"):
        Keypoints(names=NAMES, pairs=(("nose", "mouth"),))
    with pytest.raises(ConfigError, match="each name in one of them"):
        Keypoints(pairs=(("a", "b"), ("b", "c")))
    with pytest.raises(ConfigError, match="each once"):
        Keypoints(names=("a", "a"))
    with pytest.raises(DataError, match="No training row holds a point"):
        Keypoints().fit([{}, {}])
    assert ls.columns.COLUMNS["keypoints"] is Keypoints
