import dataclasses

import pytest
import torch

from longspan.errors import ConfigError
from longspan.nn.pyramid import Pyramid


@dataclasses.dataclass(frozen=True)
class Features:
    images: torch.Tensor
    maps: list


def features(sizes, channels, size_px=(96, 128)):
    maps = [torch.randn(2, width, *size) for width, size in zip(channels, sizes, strict=True)]
    return Features(torch.zeros(2, 3, *size_px), maps)


def test_maps_of_one_width_from_the_finest_stride_on_and_one_coarser():
    pyramid = Pyramid((8, 16, 24, 32), (2, 4, 8, 16), (96, 128), 12, 4)
    levels = pyramid(features([(48, 64), (24, 32), (12, 16), (6, 8)], (8, 16, 24, 32)))
    assert pyramid.strides == (4, 8, 16, 32)
    assert [tuple(level.shape) for level in levels] == [
        (2, 12, 24, 32), (2, 12, 12, 16), (2, 12, 6, 8), (2, 12, 3, 4)
    ]  # fmt: skip
    assert torch.equal(levels[3], levels[2][:, :, ::2, ::2])


def test_a_single_map_gets_two_coarser_ones():
    assert Pyramid((16, 32, 64), (1, 2, 4), (96, 96), 12, 4).strides == (4, 8, 16)


def test_maps_that_lost_their_border_mean_the_same_places_again():
    """squeezenet1_1: a map's place i looks at the image's pixel stride * (i + 1) - 1."""
    pyramid = Pyramid((4, 4), (4, 8), (97, 98), 4, 4)
    given = features([(23, 24), (11, 12)], (4, 4), size_px=(97, 98))
    levels = pyramid(given)
    assert [tuple(level.shape[2:]) for level in levels] == [(25, 25), (13, 13), (7, 7)]
    pyramid.network = torch.nn.Identity()  # pyright: ignore
    filled = pyramid(given)
    assert torch.equal(filled[0][:, :, 1:24, 1:], given.maps[0])
    assert not filled[0][:, :, 0].any()
    assert not filled[0][:, :, 24].any()


def test_maps_larger_than_the_image_lose_their_border():
    pyramid = Pyramid((4, 4), (4, 8), (96, 96), 4, 4)
    assert pyramid(features([(27, 26), (12, 12)], (4, 4), size_px=(96, 96)))[0].shape[2:] == (24, 24)


def test_maps_of_a_single_place_are_left_out():
    assert Pyramid((4, 4, 4, 4), (4, 8, 16, 32), (48, 64), 4, 4).backbone_strides == (4, 8, 16)


@pytest.mark.parametrize(
    ("strides", "size_px", "message"),
    [
        ((1, 2), (96, 96), r"strides of 4 or more.* this network has maps at \(1, 2\)\. Use for example resnet18"),
        ((), (96, 96), "this network has maps at none"),
        ((4,), (6, 96), "for images of 6 x 96 px of at most 3"),
        ((4, 16), (96, 96), r"whose strides double, got \(4, 16\)"),
    ],
)
def test_backbones_without_fitting_maps_are_refused(strides, size_px, message):
    with pytest.raises(ConfigError, match=message):
        Pyramid((8,) * len(strides), strides, size_px, 8, 4)
