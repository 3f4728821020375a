import numpy as np
import pytest
import torch
from torchvision.models.detection._utils import BoxCoder

from longspan.systems.rcnn.box_deltas import apply_deltas, encode_deltas


@pytest.fixture(scope="module")
def boxes():
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 80, (2, 12, 2))
    return [np.concatenate([each, each + generator.uniform(5, 60, (12, 2))], axis=1) for each in corners]


def test_deltas_are_those_of_torchvision(boxes):
    regions, wanted = boxes
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    expected = coder.encode_single(torch.from_numpy(wanted), torch.from_numpy(regions))
    assert encode_deltas(regions, wanted) == pytest.approx(expected.numpy(), abs=1e-6)


def test_a_moved_region_is_the_box(boxes):
    regions, wanted = boxes
    assert apply_deltas(regions, encode_deltas(regions, wanted)) == pytest.approx(wanted)
    assert apply_deltas(regions, np.zeros((12, 4))) == pytest.approx(regions)


def test_a_move_without_end_stays_finite():
    far = apply_deltas([[0, 0, 10, 10]], [[0, 0, 1e6, -1e6]])
    assert np.isfinite(far).all()
    assert far[0, 2] - far[0, 0] == pytest.approx(10 * np.exp(4))


def test_no_regions_no_deltas():
    assert encode_deltas(np.empty((0, 4)), np.empty((0, 4))).shape == (0, 4)
    assert apply_deltas([], []).shape == (0, 4)
