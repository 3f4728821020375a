"""Costs of layers: arithmetic by hand and as published, times that add up, and a network that stays as it was."""

import importlib
import warnings

import pytest
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

import longspan as ls
from longspan.columns.ragged import pad
from longspan.errors import ConfigError
from longspan.explain import layer_costs, write_layer_costs


class Small(nn.Module):
    """A convolution that is used twice, a layer that works in place, and one of numbers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.classes = nn.Linear(4, 2, bias=False)

    def forward(self, image):
        return self.classes(self.conv(self.relu(self.conv(image))).mean(dim=(2, 3)))


def test_counts_by_hand():
    costs = layer_costs(Small(), [torch.randn(3, 4, 8, 8)], repeats=1)
    conv, relu, classes = costs.layers
    assert [each.name for each in costs.layers] == ["conv", "relu", "classes"]
    assert conv.parameters == 4 * 4 * 9 + 4
    assert conv.multiply_adds == 2 * 3 * 64 * 4 * 4 * 9
    assert conv.output == (3, 4, 8, 8)
    assert conv.output_bytes == 2 * 3 * 4 * 64 * 4
    assert relu.parameters == relu.multiply_adds == 0
    assert classes.multiply_adds == 3 * 4 * 2
    assert conv.receptive_field is not None
    assert conv.receptive_field.height_px == 5
    assert costs.batch == 3


def test_every_layer_has_its_time_and_shares_sum_to_one():
    costs = layer_costs(Small(), [torch.randn(3, 4, 8, 8)])
    assert all(each.forward_seconds > 0 and each.backward_seconds > 0 for each in costs.layers)
    assert [sum(share[i] for share in costs.by_kind().values()) for i in (0, 1)] == pytest.approx([1, 1])
    assert costs.forward_seconds > max(each.forward_seconds for each in costs.layers) / 2


def test_a_larger_convolution_takes_longer():
    network = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 64, 7, padding=3))
    small, large = layer_costs(network, [torch.randn(4, 8, 48, 48)]).layers
    assert large.forward_seconds > small.forward_seconds
    assert large.backward_seconds > small.backward_seconds


@pytest.mark.parametrize(
    "name",
    [
        "squeezenet1_1",
        "resnet18",
        "shufflenet_v2_x0_5",
        pytest.param("mobilenet_v2", marks=pytest.mark.slow),
        pytest.param("mobilenet_v3_small", marks=pytest.mark.slow),
    ],
)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    meta = get_model_weights(name)["DEFAULT"].meta
    costs = layer_costs(get_model(name, weights=None), [torch.randn(1, 3, 224, 224)], repeats=1)
    assert costs.parameters == meta["num_params"]
    assert costs.multiply_adds / 1e9 == pytest.approx(meta["_ops"], abs=6e-4)  # three decimals are published


def test_the_network_is_as_before_and_nothing_learns():
    network = Small().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    image = torch.randn(2, 4, 8, 8)
    kept = image.clone()
    layer_costs(network, [image], repeats=1)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(image, kept)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_networks_of_texts_and_recurrent_layers_are_measured():
    from longspan.columns.spec import TokensSpec

    network = ls.models.create("text_lstm", inputs={"text": TokensSpec(vocab_size=50, max_length=20)})
    costs = layer_costs(network, [pad([torch.ones(9, dtype=torch.int64), torch.ones(4, dtype=torch.int64)])])
    assert costs.batch == 2
    assert costs.multiply_adds > 0
    assert all(each.receptive_field is None for each in costs.layers)


def test_options_out_of_range():
    with pytest.raises(ConfigError, match="repeats"):
        layer_costs(Small(), [torch.randn(1, 4, 8, 8)], repeats=0)
    with pytest.raises(ConfigError, match="inputs"):
        layer_costs(Small(), [])


def test_the_page_names_every_layer(tmp_path):
    costs = layer_costs(Small(), [torch.randn(3, 4, 8, 8)], repeats=1)
    write_layer_costs(tmp_path / "page.html", costs, title="Layers of a small network")
    page = (tmp_path / "page.html").read_text()
    assert all(f"<td>{each.name}</td>" in page for each in costs.layers)
    assert "Layers of a small network" in page


def test_why_receptive_fields_are_not_known_is_said():
    class Moody(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 3)

        def forward(self, images):
            found = self.layer(images)
            return found if found.sum().item() > 0 else -found

    costs = layer_costs(Moody(), [torch.zeros(1, 1, 8, 8)], repeats=1)
    assert costs.layers[0].receptive_field is None
    assert "torch.export cannot trace this network" in costs.fields_unknown
    told = layer_costs(nn.Linear(3, 2), [torch.zeros(1, 3)], repeats=1).fields_unknown
    assert told == "only networks that read one image have receptive fields"
    assert layer_costs(nn.Conv2d(1, 1, 3), [torch.zeros(1, 1, 8, 8)], repeats=1).fields_unknown is None


TEN = (
    "alexnet", "vgg11", "resnet18", "googlenet", "squeezenet1_1", "mobilenet_v2", "shufflenet_v2_x0_5", "mnasnet0_5",
    "densenet121", "efficientnet_b0",
)  # fmt: skip


@pytest.fixture(scope="module")
def references():
    """fvcore and torchinfo, imported when they are used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("fvcore.nn"), importlib.import_module("torchinfo")


@pytest.mark.parametrize("name", TEN)
def test_multiply_adds_are_fvcores_and_parameters_torchinfos(name, references):
    fvcore, torchinfo = references
    network = get_model(name, weights=None, **({"init_weights": False} if name == "googlenet" else {})).eval()
    if name == "googlenet":
        network.aux1 = network.aux2 = None
    images = torch.zeros(1, 3, 64, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fvcore traces with torch.jit
        counted = fvcore.FlopCountAnalysis(network, images)
        operators = counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
        parameters = torchinfo.summary(network, input_data=images, verbose=0).total_params
    costs = layer_costs(network, [images], repeats=1)
    # fvcore counts normalisation and pooling too; multiply-adds are those of products.
    assert costs.multiply_adds == operators["conv"] + operators["linear"]
    assert costs.parameters == parameters
