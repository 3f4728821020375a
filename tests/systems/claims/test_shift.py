"""Shifts by whole pixels, and what a shift does to networks that cannot and that can see it."""

import pytest
import torch

from longspan.errors import ConfigError
from longspan.systems.claims.images import ImageSet
from longspan.systems.claims.shift import ShiftOptions, _measured, shifted


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (-1, 0), (0, 3), (0, -2)])
def test_a_shift_moves_every_pixel(down, right):
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = shifted(images, down, right)
    for row in range(8):
        for column in range(8):
            inside = 0 <= row - down < 8 and 0 <= column - right < 8
            expected = images[:, :, row - down, column - right] if inside else torch.zeros(2, 1)
            assert torch.equal(moved[:, :, row, column], expected)


def _data():
    """A bright point in the left or right half of the middle."""
    images = torch.zeros(4, 1, 36, 36)
    for row in range(4):
        images[row, 0, 18, 14 + 8 * (row % 2)] = 1 + row / 10
    return ImageSet(images, torch.tensor([0, 1, 0, 1]), 2)


def test_a_network_that_sums_all_pixels_sees_no_shift():
    total = torch.nn.Sequential(torch.nn.AvgPool2d(36), torch.nn.Flatten(), torch.nn.Linear(1, 2))
    errors, changes = _measured(total.eval(), _data())
    assert changes == pytest.approx([0.0] * 9, abs=1e-5)
    assert len(set(errors)) == 1


def test_a_network_that_looks_at_a_place_does():
    layer = torch.nn.Linear(36 * 36, 2, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight.view(2, 36, 36)[0, :, :18] = 1
        layer.weight.view(2, 36, 36)[1, :, 18:] = 1
    place = torch.nn.Sequential(torch.nn.Flatten(), layer)
    errors, changes = _measured(place.eval(), _data())
    assert errors[0] == errors[3] == 0
    assert errors[5] == 0.25  # one of four directions carries one of two points over the middle, and one the other
    assert changes[5] > 0


def test_wrong_planes_are_named():
    with pytest.raises(ConfigError, match="--planes must be three whole numbers of at least 1"):
        ShiftOptions(planes="16,64")
