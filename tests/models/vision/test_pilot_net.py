import pytest
import torch
import torch.nn.functional as F

from longspan.errors import ConfigError, ShapeError
from longspan.models import PilotNetConfig, create, from_json, to_json


def test_layers_give_what_the_paper_says():
    model = create("pilot_net", size_px=(66, 200)).eval()
    images = torch.rand(2, 3, 66, 200)
    maps, sizes = images, []
    for conv, stride in zip(model.convs, (2, 2, 2, 1, 1), strict=True):
        maps = F.elu(F.conv2d(maps, conv.weight, conv.bias, stride=stride))
        sizes.append(tuple(maps.shape[1:]))
    # Fig. 4 of the paper.
    assert sizes == [(24, 31, 98), (36, 14, 47), (48, 5, 22), (64, 3, 20), (64, 1, 18)]
    units = maps.flatten(1)
    assert units.shape[1] == 1152
    for layer in model.layers:
        units = F.elu(F.linear(units, layer.weight, layer.bias))
    torch.testing.assert_close(model(images), units)
    assert (model.num_features, [layer.out_features for layer in model.layers]) == (10, [100, 50, 10])


def test_it_has_about_the_parameters_of_the_paper():
    model = create("pilot_net", size_px=(66, 200))
    assert sum(each.numel() for each in model.parameters()) + 11 == pytest.approx(250_000, rel=0.02)  # with the output


def test_padding_is_for_small_images():
    config = PilotNetConfig(padding=True, batch_norm=True, dropout=0.2, units=(20, 8))
    model = create(config, in_channels=1, size_px=(48, 64)).eval()
    image = torch.rand(1, 1, 48, 64)
    assert model(image).shape == (1, 8)
    assert [tuple(each.shape[2:]) for each in model.features(image)] == [(24, 32), (12, 16), (6, 8)]
    again = from_json(to_json(model)).eval()
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again(image), model(image))
    with pytest.raises(ShapeError, match="smallest size is 61 x 61"):
        create("pilot_net", size_px=(48, 64))


@pytest.mark.parametrize("options", [{"channels": (1, 2)}, {"units": ()}, {"dropout": 1.0}])
def test_values_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match="PilotNetConfig"):
        PilotNetConfig(**options)
