"""Receptive fields: published values, and the pixels from which a gradient arrives."""

import math

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from longspan.explain import receptive_fields


def by_gradients(network, name, size=65):
    """Height and width of what the middle of a layer's output sees: where its gradient is not zero.

    All weights are positive, so that no two ways through the network cancel.
    """
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    kept = []
    hook = network.get_submodule(name).register_forward_hook(lambda *given: kept.append(given[2]))
    image = torch.ones(1, 3, size, size, requires_grad=True)
    network(image)
    hook.remove()
    middle = kept[0][0, 0, kept[0].shape[2] // 2, kept[0].shape[3] // 2]
    (gradient,) = torch.autograd.grad(middle, image)
    rows, columns = torch.nonzero(gradient[0].abs().sum(dim=0), as_tuple=True)
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


class Branches(nn.Module):
    """Convolutions of several strides, dilations and shapes, pooling by the mean, a way around, and a concatenation."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.wide = nn.Conv2d(4, 4, (1, 5), padding="same")
        self.apart = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.pool = nn.AvgPool2d(3, 2)
        self.last = nn.Conv2d(8, 4, 1)
        self.classes = nn.Linear(4, 2)

    def forward(self, image):
        low = self.norm(self.first(image)).relu()
        high = self.apart(self.wide(low)) + low
        return self.classes(self.last(self.pool(torch.cat([high, low], dim=1))).mean(dim=(2, 3)))


def test_every_layer_sees_the_pixels_from_which_its_gradient_arrives():
    network = Branches().eval()
    fields = receptive_fields(network, torch.zeros(2, 3, 65, 65))
    names = ["first", "norm", "wide", "apart", "pool", "last"]
    found = {name: (fields[name].height_px, fields[name].width_px) for name in names}
    assert found == {name: by_gradients(network, name) for name in names}
    assert found["wide"] == (3, 11)
    assert fields["last"].stride_px == 4
    assert fields["classes"].whole
    assert fields[""].whole


@pytest.mark.parametrize(
    ("name", "layer", "px"),
    [
        ("alexnet", "features", 195),
        ("vgg16", "features", 212),
        ("resnet18", "layer4", 435),
        ("resnet50", "layer4", 427),
    ],
)
def test_published_values(name, layer, px):
    """Araujo, Norris and Sim 2019, table 1; ResNet-50 has the stride in its 3 x 3 convolutions here (483 in 1 x 1)."""
    with torch.device("meta"):
        network = get_model(name, weights=None)
    field = receptive_fields(network, torch.zeros(2, 3, 256, 256, device="meta"))[layer]
    assert (field.height_px, field.width_px, field.stride_px) == (px, px, 32)


def test_layers_behind_what_moves_values_freely_are_left_out_and_the_network_is_as_before():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 4, 2, 2), nn.Conv2d(4, 4, 3)).train()
    fields = receptive_fields(network, torch.zeros(2, 3, 16, 16))
    assert fields.keys() == {"0"}
    assert network.training


def test_tokens_of_patches_are_not_said_to_see_the_whole_image():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.mix = nn.Conv2d(3, 4, 8, stride=8), nn.Linear(4, 4)

        def forward(self, image):
            return self.mix(self.patch(image).flatten(2).transpose(1, 2))

    assert receptive_fields(Patches(), torch.zeros(2, 3, 32, 32)).keys() == {"patch"}


def test_squeeze_and_excitation_sees_the_whole_image():
    class Squeezed(nn.Module):
        def __init__(self):
            super().__init__()
            self.low = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, image):
            low = self.low(image)
            return low * low.mean(dim=(2, 3), keepdim=True).sigmoid()

    fields = receptive_fields(Squeezed(), torch.zeros(2, 3, 16, 16))
    assert fields["low"].height_px == 3
    assert fields[""].height_px == math.inf
