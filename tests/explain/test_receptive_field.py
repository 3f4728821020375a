"""Receptive fields: published values, and the pixels from which a gradient arrives."""

import math

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from longspan.explain import receptive_fields
from longspan.models.vision.small_resnet import SmallResNet, SmallResNetConfig


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


def by_formula(layers):
    """Araujo et al. 2019, equation 2, for a chain of (kernel, stride)."""
    px, jump = 1, 1
    for kernel, stride in layers:
        px, jump = px + (kernel - 1) * jump, jump * stride
    return px, jump


def vgg_chain(*counts):
    return [layer for count in counts for layer in [(3, 1)] * count + [(2, 2)]]


def resnet_chain(*counts, before=(), strided=((3, 2),), usual=((3, 1),), after=()):
    """The longest way through a residual network: every convolution of every block."""
    chain = [(7, 2), (3, 2)]
    for stage, count in enumerate(counts):
        for block in range(count):
            chain += [*before, *(strided if stage and not block else usual), *after]
    return chain


BASIC = {"after": ((3, 1),)}
EARLY = {"strided": ((1, 2), (3, 1)), "usual": ((1, 1), (3, 1))}
"""Of the published networks: the stride is in the first 1 x 1 convolution of a stage, not in its 3 x 3 as here."""


class MobileNetV1(nn.Sequential):
    """The convolutions of Howard et al. 2017, table 1."""

    def __init__(self):
        layers, width = [nn.Conv2d(3, 8, 3, 2, 1)], 8
        for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1):
            layers += [nn.Conv2d(width, width, 3, stride, 1, groups=width), nn.ReLU(), nn.Conv2d(width, width, 1)]
        super().__init__(*layers)


def strides_first(network):
    """Move the stride of each stage from the 3 x 3 convolution to the 1 x 1 before it, as published."""
    for stage in (network.layer2, network.layer3, network.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return network


def field_of(network, layer):
    field = receptive_fields(network, torch.zeros(2, 3, 299, 299, device="meta"))[layer]
    assert field.height_px == field.width_px
    return field.height_px, field.stride_px


@pytest.mark.parametrize(
    ("name", "layer", "published", "chain"),
    [
        ("alexnet", "features", 195, [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]),
        ("vgg16", "features", 212, vgg_chain(2, 2, 3, 3, 3)),
        ("resnet50", "layer4", 483, resnet_chain(3, 4, 6, 3, **EARLY)),
        pytest.param("resnet101", "layer4", 1027, resnet_chain(3, 4, 23, 3, **EARLY), marks=pytest.mark.slow),
        pytest.param("resnet152", "layer4", 1507, resnet_chain(3, 8, 36, 3, **EARLY), marks=pytest.mark.slow),
        pytest.param("inception_v3", "Mixed_7c", 1311, None, marks=pytest.mark.slow),
    ],
)
def test_published_values(name, layer, published, chain):
    """Araujo, Norris and Sim 2019, table 1; and equation 2 by hand."""
    options = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        network = get_model(name, weights=None, **options)
    found = field_of(strides_first(network) if name.startswith("resnet") else network, layer)
    assert found == (published, 32)
    if chain is not None:
        assert by_formula(chain) == found


def test_mobilenet_has_its_published_value():
    with torch.device("meta"):
        network = MobileNetV1()
    assert field_of(network, "") == (315, 32)


@pytest.mark.parametrize(
    ("name", "layer", "chain"),
    [
        ("vgg11", "features", vgg_chain(1, 1, 2, 2, 2)),
        ("vgg19", "features", vgg_chain(2, 2, 4, 4, 4)),
        ("squeezenet1_1", "features", [(3, 2), (3, 2), (3, 1), (3, 1), (3, 2), (3, 1), (3, 1), (3, 2)] + 4 * [(3, 1)]),
        ("resnet18", "layer4", resnet_chain(2, 2, 2, 2, **BASIC)),
        pytest.param("resnet34", "layer4", resnet_chain(3, 4, 6, 3, **BASIC), marks=pytest.mark.slow),
        pytest.param("resnet50", "layer4", resnet_chain(3, 4, 6, 3), marks=pytest.mark.slow),
        pytest.param(
            "googlenet", "inception5b",
            [(7, 2), (3, 2), (3, 1), (3, 2), (3, 1), (3, 1), (3, 2)] + 5 * [(3, 1)] + [(2, 2), (3, 1), (3, 1)],
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_values_worked_by_hand(name, layer, chain):
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    with torch.device("meta"):
        network = get_model(name, weights=None, **options)
    assert field_of(network, layer) == by_formula(chain)


def test_convolutions_along_time_see_all_bands_and_a_window_of_frames():
    class Spoken(nn.Module):
        """As MatchboxNet: frequencies are channels."""

        def __init__(self):
            super().__init__()
            self.first, self.norm = nn.Conv1d(8, 4, 5, stride=2, padding=2), nn.BatchNorm1d(4)
            self.last = nn.Conv1d(4, 4, 3, dilation=2)

        def forward(self, image):
            steps = self.norm(self.first(image.flatten(1, 2))).relu()
            return self.last(steps)[:, :, None].mean(dim=(2, 3))

    network = Spoken().eval()
    fields = receptive_fields(network, torch.zeros(2, 1, 8, 65))
    assert {name: (fields[name].height_px, fields[name].width_px) for name in ("first", "norm", "last")} == {
        "first": (math.inf, 5), "norm": (math.inf, 5), "last": (math.inf, 13),
    }  # fmt: skip
    # The pixels from which the gradient of one place arrives.
    kept = []
    hook = network.last.register_forward_hook(lambda *given: kept.append(given[2]))
    with torch.no_grad():  # positive, so that no rectifier is silent
        for parameter in network.parameters():
            parameter.fill_(0.1)
    image = torch.ones(1, 1, 8, 65, requires_grad=True)
    network(image)
    hook.remove()
    (gradient,) = torch.autograd.grad(kept[0][0, :, 10].sum(), image)
    rows, columns = torch.nonzero(gradient[0, 0], as_tuple=True)
    assert (len(rows.unique()), int(columns.max() - columns.min()) + 1) == (8, 13)


def test_shortcuts_that_take_every_second_place_are_followed():
    network = SmallResNet(SmallResNetConfig(blocks=1, width=4), in_channels=3, size_px=(65, 65)).eval()
    fields = receptive_fields(network, torch.zeros(2, 3, 65, 65))
    names = [f"stages.{stage}.0" for stage in (1, 2)]
    chain = [(3, 1), (3, 1), (3, 1), (3, 2), (3, 1), (3, 2), (3, 1)]
    assert [(fields[name].height_px, fields[name].stride_px) for name in names] == [
        by_formula(chain[:5]), by_formula(chain),
    ]  # fmt: skip
    assert [(fields[name].height_px,) * 2 for name in names] == [by_gradients(network, name) for name in names]


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
