import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from longspan.nn.regions import _pool_by_level, _pool_everywhere, pool_regions, region_levels

STRIDES = (4, 8, 16)
SIZE_PX = (96, 128)


def maps(channels=5, dtype=torch.float32):
    sizes = [(SIZE_PX[0] // stride, SIZE_PX[1] // stride) for stride in STRIDES]
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(2, channels, *size, generator=generator).to(dtype).requires_grad_() for size in sizes]


def regions(count=40, far=False):
    """Regions of all sizes; with `far` also beyond the border of the image."""
    generator = torch.Generator().manual_seed(4)
    found = []
    for _ in range(2):
        corner = torch.rand(count, 2, generator=generator) * torch.tensor([128.0, 96.0])
        if far:
            corner = corner * 1.6 - 40
        found.append(torch.cat([corner, corner + torch.rand(count, 2, generator=generator) ** 2 * 600 + 0.5], dim=1))
    return found


def torchvisions(levels, found, side):
    pool = MultiScaleRoIAlign([str(i) for i in range(3)], side, 2)
    return pool({str(i): each for i, each in enumerate(levels)}, found, [SIZE_PX] * 2)


@pytest.mark.parametrize("by_level", [False, True], ids=["cpu", "elsewhere"])
@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("side", [7, 14])
def test_values_and_gradients_are_those_of_torchvision(side, far, by_level, monkeypatch):
    if by_level:
        monkeypatch.setattr("longspan.nn.regions._sum_vectors", _pool_by_level)
    levels, found = maps(), regions(far=far)
    assert len(set(region_levels(torch.cat(found), STRIDES).tolist())) == 3  # every map is read
    ours, theirs = pool_regions(levels, STRIDES, found, side), torchvisions(levels, found, side)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    wanted = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(5))
    for mine, other in zip(
        torch.autograd.grad(ours, levels, wanted), torch.autograd.grad(theirs, levels, wanted), strict=True
    ):
        torch.testing.assert_close(mine, other, atol=1e-3, rtol=1e-4)


def test_regions_of_one_image_and_none_at_all():
    levels = maps()
    alone = pool_regions(levels, STRIDES, [torch.zeros(0, 4), regions()[1]], 7)
    torch.testing.assert_close(alone, pool_regions(levels, STRIDES, regions(), 7)[40:])
    none = pool_regions(levels, STRIDES, [torch.zeros(0, 4)] * 2, 7)
    assert none.shape == (0, 5, 7, 7)
    none.sum().backward()  # a step without a single region is a step
    assert not torch.as_tensor(levels[0].grad).any()


def test_maps_in_bfloat16_are_read_as_float32():
    pooled = pool_regions(maps(dtype=torch.bfloat16), STRIDES, regions(), 7)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, pool_regions(maps(), STRIDES, regions(), 7), atol=0.03, rtol=0.02)


def test_the_level_grows_by_one_for_each_octave_from_224_px_at_stride_16():
    sides = torch.tensor([1.0, 55, 57, 111, 113, 223, 225, 1000])
    boxes = torch.stack([sides * 0, sides * 0, sides, sides], dim=1)
    assert region_levels(boxes, (4, 8, 16)).tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert region_levels(boxes, (8, 16)).tolist() == [0, 0, 0, 0, 0, 0, 1, 1]


def test_regions_of_exported_graphs_are_pooled_alike():
    torch.manual_seed(0)
    maps = [torch.randn(1, 5, side, side) for side in (16, 8, 4)]
    corners = torch.rand(9, 2) * 30
    regions = torch.cat([corners, corners + torch.rand(9, 2) * 200], dim=1)
    found = _pool_everywhere(maps, (4, 8, 16), regions, 3, 2)
    torch.testing.assert_close(found, pool_regions(maps, (4, 8, 16), [regions], 3), rtol=1e-4, atol=1e-5)
