import pytest
import torch
from torch import nn

from longspan.columns import Category
from longspan.heads import Classify
from longspan.inference.network import Network
from longspan.models import SmallResNetConfig, create
from longspan.train import Phase, TrainConfig
from longspan.train.optimization.optimizer import make_optimizer

HEADS = {"y": Classify(hidden=(5,), column=Category(vocab=("a", "b")))}


def network():
    backbone = create(SmallResNetConfig(blocks=1, width=4), in_channels=1, size_px=(8, 8))
    return Network(backbone, HEADS)


def groups_of(optimizer):
    """Rate and decay by parameter identity."""
    return {
        id(parameter): (group["rate"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_every_parameter_is_there_once_and_only_matrices_decay(optimizer):
    net = network()
    made = make_optimizer(net, TrainConfig(optimizer=optimizer, weight_decay=0.3), Phase(epochs=1, lr=0.01))
    listed = [id(p) for group in made.param_groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in net.parameters())
    for parameter in net.parameters():
        assert groups_of(made)[id(parameter)] == (1.0, 0.3 if parameter.ndim > 1 else 0.0)


def test_parameters_that_learn_alike_are_one_group_and_keep_their_places():
    """An optimizer takes as many steps as it has groups; checkpoints count parameters from the lowest layers up."""
    net = network()
    made = make_optimizer(net, TrainConfig(weight_decay=0.3), Phase(epochs=1, lr=0.01))
    assert [group["weight_decay"] for group in made.param_groups] == [0.3, 0.0]
    place = {
        id(p): place for group in made.param_groups for p, place in zip(group["params"], group["places"], strict=True)
    }
    by_layer = [p for group in net.groups() for part in (True, False) for p in group if (p.ndim > 1) is part]
    assert [place[id(p)] for p in by_layer] == list(range(len(by_layer)))


def test_settings_reach_torch():
    adam = make_optimizer(network(), TrainConfig(momentum=0.8, beta2=0.95), Phase(epochs=1, lr=0.01))
    assert isinstance(adam, torch.optim.AdamW)
    assert adam.defaults["betas"] == (0.8, 0.95)
    assert adam.defaults["lr"] == 0.01
    sgd = make_optimizer(network(), TrainConfig(optimizer="sgd", momentum=0.8), Phase(epochs=1, lr=0.01))
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.8, True)
    plain = make_optimizer(network(), TrainConfig(optimizer="sgd", momentum=0.0), Phase(epochs=1, lr=0.01))
    assert plain.defaults["nesterov"] is False


def test_rates_fall_evenly_on_a_log_scale_from_the_heads_to_the_lowest_layers():
    net = network()
    rates = groups_of(make_optimizer(net, TrainConfig(), Phase(epochs=1, backbone_lr_mult=1e-4)))
    by_group = [{rates[id(p)][0] for p in group} for group in net.groups()]
    assert len(by_group) == 5  # stem, three stages, head
    assert [rate for (rate,) in by_group] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert {rates[id(p)][0] for p in net.heads.parameters()} == {1.0}
    assert rates[id(net.backbone.stem[0].weight)][0] == pytest.approx(1e-4)


def test_frozen_parameters_are_not_in_it():
    net = network()
    net.freeze(1.0)
    made = groups_of(make_optimizer(net, TrainConfig(), Phase(epochs=1, frozen=1.0, backbone_lr_mult=0.1)))
    assert made.keys() == {id(p) for p in net.heads.parameters()}
    assert {rate for rate, _ in made.values()} == {1.0}
    net.freeze(0.5)
    half = groups_of(make_optimizer(net, TrainConfig(), Phase(epochs=1, frozen=0.5)))
    lowest = [p for group in net.groups()[:2] for p in group]
    assert half.keys() == {id(p) for p in net.parameters()} - {id(p) for p in lowest}


def test_a_plain_module_is_one_group_below_the_heads():
    class Raw(nn.Module):
        num_features = 3

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

    net = Network(Raw(), HEADS)
    rates = groups_of(make_optimizer(net, TrainConfig(), Phase(epochs=1, backbone_lr_mult=0.01)))
    assert {rates[id(p)][0] for p in net.backbone.parameters()} == {0.01}
    assert {rates[id(p)][0] for p in net.heads.parameters()} == {1.0}


def test_weight_decay_of_adamw_is_decoupled_and_of_sgd_an_l2_term():
    """One step from zero gradients: AdamW shrinks by lr x decay, SGD moves by lr x decay x weight."""
    for name in ("adamw", "sgd"):
        net = network()
        made = make_optimizer(net, TrainConfig(optimizer=name, weight_decay=0.1, momentum=0.0), Phase(epochs=1, lr=0.5))
        before = {key: value.clone() for key, value in net.named_parameters()}
        for parameter in net.parameters():
            parameter.grad = torch.zeros_like(parameter)
        made.step()
        for key, value in net.named_parameters():
            expected = before[key] * (1 - 0.5 * 0.1) if value.ndim > 1 else before[key]
            torch.testing.assert_close(value.detach(), expected)
