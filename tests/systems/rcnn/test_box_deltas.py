import numpy as np
import pytest
import torch
from torchvision.models.detection._utils import BoxCoder

from longspan.systems.rcnn.box_deltas import moved, moves_between


@pytest.fixture(scope="module")
def boxes():
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 80, (2, 12, 2))
    return [np.concatenate([each, each + generator.uniform(5, 60, (12, 2))], axis=1) for each in corners]


def test_moves_are_those_of_torchvision(boxes):
    regions, wanted = boxes
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    expected = coder.encode_single(torch.from_numpy(wanted), torch.from_numpy(regions))
    assert moves_between(regions, wanted) == pytest.approx(expected.numpy(), abs=1e-6)


def test_a_moved_region_is_the_box(boxes):
    regions, wanted = boxes
    assert moved(regions, moves_between(regions, wanted)) == pytest.approx(wanted)
    assert moved(regions, np.zeros((12, 4))) == pytest.approx(regions)


def test_a_move_without_end_stays_finite():
    far = moved([[0, 0, 10, 10]], [[0, 0, 1e6, -1e6]])
    assert np.isfinite(far).all()
    assert far[0, 2] - far[0, 0] == pytest.approx(10 * np.exp(4))


def test_no_regions_no_moves():
    assert moves_between(np.empty((0, 4)), np.empty((0, 4))).shape == (0, 4)
    assert moved([], []).shape == (0, 4)
