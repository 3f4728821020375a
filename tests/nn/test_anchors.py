import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from longspan.nn.anchors import Anchors, anchor_side_px


def test_they_are_torchvisions_where_the_strides_divide_the_image():
    maps = [torch.zeros(2, 3, 96 // stride, 128 // stride) for stride in (4, 8, 16)]
    ours = torch.cat(Anchors((4, 8, 16), 20, (0.5, 1.0, 2.0), per_octave=2)(maps))
    sizes = tuple((20.0 * f, 20.0 * f * 2**0.5) for f in (1, 2, 4))
    theirs = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 3)(
        ImageList(torch.zeros(2, 3, 96, 128), [(96, 128)] * 2), maps
    )
    torch.testing.assert_close(ours, theirs[0])


def test_they_stand_a_stride_apart_where_maps_do_not_divide_the_image():
    (anchors,) = Anchors((16,), 32, (1.0,))([torch.zeros(1, 3, 3, 2)])  # of 33 to 48 by 17 to 32 px
    middles = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert middles.tolist() == [[x, y] for y in (0, 16, 32) for x in (0, 16)]


def test_other_sizes_get_other_anchors_and_the_same_size_the_same():
    layer = Anchors((8,), 16, (1.0,))
    small, large = [torch.zeros(1, 3, 2, 2)], [torch.zeros(1, 3, 4, 4)]
    assert [len(layer(each)[0]) for each in (small, large, small)] == [4, 16, 4]
    assert layer(small)[0] is layer(small)[0]
    assert not layer.state_dict()


@pytest.mark.parametrize(
    ("strides", "size_px", "expected"),
    [
        ((4, 8, 16, 32, 64), (800, 1216), 32),  # Lin et al. 2017: 32 to 512
        ((4, 8, 16, 32), (96, 96), 16),
        ((4, 8, 16, 32), (320, 320), 28),
        ((4, 8), (96, 96), 32),
    ],
)
def test_sizes_follow_the_image(strides, size_px, expected):
    assert anchor_side_px(strides, size_px, per_octave=1, most=8) == pytest.approx(expected)
