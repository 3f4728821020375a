import numpy as np
import pytest
import torch

import longspan as ls
from longspan.columns import Keypoints
from longspan.errors import ConfigError
from longspan.heads import Locate
from longspan.vision import AugmentParams
from longspan.vision.augment_params import affine_matrices

COLUMN = Keypoints(names=("left", "right"), pairs=(("left", "right"),), size_px=(10, 20))
TARGETS = torch.tensor([[[2.0, 3, 2], [6, 6, 2]], [[1.0, 1, 1], [0, 0, 0]]]).repeat(3, 1, 1)
CONTRACT = {"column": COLUMN, "targets": TARGETS, "perfect": TARGETS[..., :2]}


def test_loss_and_metrics_by_hand():
    head = Locate(column=COLUMN)
    outputs = torch.zeros(2, 4)  # the centre: x 10, y 5
    assert head.postprocess(outputs)[0].tolist() == [[10, 5], [10, 5]]
    expected = [((8 / 10 + 2 / 5) / 2 + (4 / 10 + 1 / 5) / 2) / 2, (9 / 10 + 4 / 5) / 2]
    torch.testing.assert_close(head.loss(outputs, TARGETS[:2]), torch.tensor(expected))
    near = TARGETS[:1, :, :2] + torch.tensor([[[0.4, 0.0], [0.0, 0.6]]])
    assert head.measure(near, TARGETS[:1]) == pytest.approx({"nme": 0.1, "pck": 0.5})  # the extent is 5
    assert head.measure(near, torch.zeros(1, 2, 3)) == {}


def test_views_are_mapped_back_and_mirrored_pairs_are_swapped():
    matrix = affine_matrices(
        (10, 20), rotate_deg=torch.tensor([20.0, 0.0]), zoom=torch.tensor([1.2, 1.0]), shift=torch.zeros(2, 2),
        crop_size=torch.ones(2, 2), crop_offset=torch.zeros(2, 2), flip=torch.tensor([True, False]),
    )  # fmt: skip
    params = AugmentParams(matrix, torch.ones(2), torch.zeros(2), colour=False)
    points = torch.tensor([[[9.0, 4, 2], [11, 6, 2]]]).repeat(2, 1, 1)
    seen = COLUMN.prepare(points, params)
    assert (seen[..., 2] == 2).all()
    torch.testing.assert_close(Locate(column=COLUMN).invert_augmentation(seen[..., :2], params), points[..., :2])


def corners(rows, seed):
    """Bright rectangles, and where two of their corners are."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 40, (rows, 24, 24)).astype(np.uint8)
    points = []
    for image in pixels:
        x, y, width, height = (int(rng.integers(low, high)) for low, high in ((1, 9), (1, 9), (6, 13), (6, 13)))
        image[y : y + height, x : x + width] = 200
        points.append({"left top": [x, y], "right bottom": [x + width, y + height]})
    points[0] = None  # nobody labelled the first
    return ls.Table.from_arrays({"image": pixels, "corners": points}, {"image": ls.Image(), "corners": Keypoints()})


def test_a_network_learns_to_find_corners(tmp_path):
    task = ls.Task(corners(120, 0).split(valid=30, seed=0), inputs="image", targets="corners", allow_leaks=True)
    config = ls.TrainConfig(batch_size=20, augment=ls.Augment(shift=0.05), precision="float32")
    learner = ls.Learner(task, ls.SpaceToDepthCNNConfig(), config=config, progress=False, device="cpu")
    before = learner.evaluate()["nme"]
    learner.fit_one_cycle(20, 5e-3)
    measured = learner.evaluate()
    assert measured["nme"] < 0.12 < before
    unseen = corners(3, 1)
    saved = ls.load(learner.save(tmp_path / "model.safetensors"), device="cpu")
    for row, predicted in enumerate(saved.predict(unseen.select("image"))):
        if row:
            for name, at in unseen.value(row, "corners").items():
                assert np.hypot(*np.subtract(predicted["corners"][name], at)) < 6
        assert predicted.draw(unseen.value(row, "image")).shape == (24, 24, 3)
    views = saved.predict(unseen.select("image"), views=4)
    assert len(views) == 3


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="pck_extent"):
        Locate(pck_extent=0)
