import copy

import pytest
import torch
from torch import nn

from longspan.columns import Category, Number
from longspan.errors import ConfigError, ShapeError
from longspan.heads import Classify, Regress
from longspan.inference.network import Network, eval_view, place
from longspan.models import SmallResNetConfig, create

LABEL = Classify(column=Category(vocab=("a", "b", "c")))
AGE = Regress(column=Number(mean=0.0, std=1.0))
IMAGES = torch.randn(2, 1, 8, 8)


def resnet():
    return create(SmallResNetConfig(blocks=1, width=4), in_channels=1, size_px=(8, 8))


class Features(nn.Module):
    """Gives `width` features and claims `num_features`."""

    def __init__(self, num_features=4, width=4):
        super().__init__()
        self.num_features = num_features
        self.linear = nn.Linear(64, width)

    def forward(self, x):
        return self.linear(x.flatten(1))


class Whole(nn.Module):
    """Gives what it is told to."""

    def __init__(self, give):
        super().__init__()
        self.give = give
        self.linear = nn.Linear(64, 3)

    def forward(self, x):
        return self.give(self.linear(x.flatten(1)))


def test_a_backbone_gets_a_head_per_target_whatever_its_name():
    heads = {"values": LABEL, "a.b": AGE}
    outputs = Network(Features(), heads)(IMAGES)
    assert list(outputs) == ["values", "a.b"]
    assert outputs["values"].shape == (2, 3)
    assert outputs["a.b"].shape == (2, 1)


def test_a_whole_network_gives_the_outputs_itself():
    single = Network(Whole(lambda x: x), {"y": LABEL})
    assert single.whole
    assert single(IMAGES)["y"].shape == (2, 3)
    several = Network(Whole(lambda x: {"y": x, "z": x[:, :1]}), {"y": LABEL, "z": AGE})
    several.check((IMAGES,), {"y": LABEL, "z": AGE})
    assert list(several.heads.parameters()) == []


def test_several_inputs_reach_the_backbone_in_order():
    class Two(nn.Module):
        num_features = 2

        def forward(self, image, age):
            return torch.stack([image.mean(dim=(1, 2, 3)), age], dim=1)

    net = Network(Two(), {"y": LABEL})
    inputs = (IMAGES, torch.tensor([3.0, 5.0]))
    net.check(inputs, {"y": LABEL})
    assert net.backbone(*inputs)[:, 1].tolist() == [3.0, 5.0]


@pytest.mark.parametrize(
    ("backbone", "heads", "words"),
    [
        (Whole(lambda x: x[:, :2]), {"y": LABEL}, r"gives \(2, 2\) for target 'y', whose head needs \(2, 3\). End it"),
        (Whole(lambda x: x[0]), {"y": LABEL}, r"gives \(3,\) for target 'y'"),
        (Whole(lambda x: {"y": "x"}), {"y": LABEL}, "gives str for target 'y'"),
        (Features(num_features=5), {"y": LABEL}, r"Features gives \(2, 4\), but with num_features = 5 it must give"),
        (nn.Linear(7, 3), {"y": LABEL}, r"cannot read inputs of shape \(2, 1, 8, 8\): .*mat1 and mat2"),
    ],
)
def test_outputs_of_another_shape_say_what_would_fit(backbone, heads, words):
    with pytest.raises(ShapeError, match=words):
        Network(backbone, heads).check((IMAGES,), heads)


@pytest.mark.parametrize(
    ("give", "words"),
    [
        (lambda x: (x, x), "gives tuple; it must give the outputs of the one target, or a dict"),
        (lambda x: {"x": x}, r"gives \['x'\], the task needs \['y'\]"),
    ],
)
def test_outputs_of_another_kind_say_what_would_fit(give, words):
    with pytest.raises(ConfigError, match=words):
        Network(Whole(give), {"y": LABEL}).check((IMAGES,), {"y": LABEL})


def test_a_check_leaves_no_trace():
    net = Network(resnet(), {"y": LABEL}).train()
    before = copy.deepcopy(net.state_dict())
    net.check((IMAGES,), {"y": LABEL})
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    with pytest.raises(ShapeError):
        net.check((torch.randn(2, 3, 8, 8),), {"y": LABEL})
    assert net.training


def test_groups_go_from_the_lowest_layers_to_the_heads():
    net = Network(resnet(), {"y": LABEL})
    groups = net.groups()
    assert [id(p) for group in groups for p in group] == [id(p) for p in net.parameters()]
    assert [id(p) for p in groups[-1]] == [id(p) for p in net.heads.parameters()]


@pytest.mark.parametrize(("fraction", "frozen"), [(0.0, 0), (0.25, 1), (0.5, 2), (1.0, 4)])
def test_a_fraction_of_the_layers_is_frozen_lowest_first_and_rests(fraction, frozen):
    net = Network(resnet(), {"y": LABEL})
    net.freeze(fraction)
    learning = [all(p.requires_grad for p in group) for group in net.groups()]
    assert learning == [False] * frozen + [True] * (5 - frozen)
    net.train()
    parts = [net.backbone.stem, *net.backbone.stages, net.heads]
    assert [part.training for part in parts] == learning
    net.freeze(0.0)
    assert all(p.requires_grad for p in net.parameters())


def test_what_the_user_froze_stays_so():
    backbone = Features()
    backbone.linear.bias.requires_grad_(False)
    net = copy.deepcopy(Network(backbone, {"y": LABEL}))
    net.freeze(1.0)
    net.freeze(0.0)
    assert net.backbone.linear.weight.requires_grad
    assert not net.backbone.linear.bias.requires_grad


def test_an_eval_view_shares_tensors_and_switches_no_module():
    net = Network(resnet(), {"y": LABEL})
    net.freeze(0.5)
    net.train()
    modes = [module.training for module in net.modules()]
    assert len(set(modes)) == 2
    view = eval_view(net)
    assert not any(module.training for module in view.modules())
    assert [module.training for module in net.modules()] == modes
    own, shared = net.state_dict(keep_vars=True), view.state_dict(keep_vars=True)
    assert all(shared[name] is tensor for name, tensor in own.items())
    assert not set(net.modules()) & set(view.modules())


def test_kernels_over_images_are_channels_last_and_others_as_they_were():
    class Mixed(nn.Module):
        num_features = 3

        def __init__(self):
            super().__init__()
            self.flat = nn.Conv2d(4, 3, 3)
            self.solid = nn.Conv3d(4, 3, 3)

    net = Network(Mixed(), {"y": LABEL})
    before = copy.deepcopy(net.state_dict())
    place(net, torch.device("cpu"))
    assert net.backbone.flat.weight.is_contiguous(memory_format=torch.channels_last)
    assert net.backbone.solid.weight.is_contiguous()
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
