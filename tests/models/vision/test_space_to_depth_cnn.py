import pytest
import torch
import torch.nn.functional as F

from longspan.errors import ConfigError
from longspan.models import SpaceToDepthCNNConfig, create, from_json, to_json


def test_layers_give_what_the_docstring_says():
    model = create("space_to_depth_cnn", in_channels=1, size_px=(28, 28)).eval()
    image = torch.rand(2, 1, 28, 28)
    # The four pixels of a 2 x 2 block, by hand.
    maps = torch.cat([image[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)
    for number, (conv, norm) in enumerate(zip(model.convs, model.norms, strict=True)):
        maps = F.conv2d(maps, conv.weight, padding=1)
        maps = maps if number != 1 else F.max_pool2d(maps, 2)
        maps = norm(maps).relu()
    expected = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)
    torch.testing.assert_close(model(image), expected)
    assert model.num_features == 128


def test_odd_sides_double_the_last_row_and_column():
    model = create("space_to_depth_cnn", in_channels=1, size_px=(27, 27)).eval()
    image = torch.rand(1, 1, 27, 27)
    doubled = torch.cat([image, image[..., -1:]], 3)
    doubled = torch.cat([doubled, doubled[:, :, -1:]], 2)
    assert model(image).equal(model(doubled))


def test_options_survive_json():
    model = create(SpaceToDepthCNNConfig(widths=(4, 8, 8, 8), dropout=0.0), in_channels=3, size_px=(32, 32), pool="avg")
    again = from_json(to_json(model))
    assert again.config == model.config
    assert again.num_features == 8


@pytest.mark.parametrize("options", [{"widths": (1, 2, 3)}, {"widths": (0, 1, 1, 1)}, {"dropout": 1.0}])
def test_values_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        SpaceToDepthCNNConfig(**options)
