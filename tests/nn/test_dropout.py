"""Dropout, beside what its definition says of it."""

import pytest
import torch
from torch import nn

from longspan.inference.network import Network
from longspan.nn.dropout import Dropout, replace_dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.7])
def test_keeps_values_with_its_probability_and_scales_them(p):
    torch.manual_seed(0)
    found = Dropout(p).train()(torch.ones(1000, 333))
    kept = found != 0
    assert float(kept.double().mean()) == pytest.approx(1 - p, abs=0.004)  # five standard deviations
    assert found[kept] == pytest.approx(1 / (1 - p), abs=1e-4)
    assert float(found.double().mean()) == pytest.approx(1, abs=0.02)


def test_draws_are_independent_of_each_other():
    torch.manual_seed(0)
    kept = (Dropout(0.5).train()(torch.ones(400_000)) != 0).double() - 0.5
    for distance in (1, 2, 3, 4, 5, 8):
        assert abs(float((kept[:-distance] * kept[distance:]).mean()) / 0.25) < 0.01, distance


def test_gradient_flows_through_kept_values_alone():
    torch.manual_seed(0)
    values = torch.randn(7, 3, 5, requires_grad=True)
    found = Dropout(0.25).train()(values.transpose(0, 2))
    found.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad.transpose(0, 2) != 0, found != 0)
    torch.testing.assert_close(found, (values * values.grad).transpose(0, 2))


@pytest.mark.parametrize("p", [0.0, 1.0, 1e-9])
def test_the_ends_of_its_range_are_those_of_pytorch(p):
    values = torch.randn(4, 4)
    assert torch.equal(Dropout(p).train()(values), values if p < 0.5 else torch.zeros(4, 4))


def test_leaves_values_alone_in_evaluation_mode():
    values = torch.randn(4, 4)
    assert Dropout(0.5).eval()(values) is values


def test_keeps_the_type_of_its_values():
    assert Dropout(0.5).train()(torch.ones(8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_equal_seeds_drop_the_same_values():
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(Dropout(0.5).train()(torch.ones(1001)))
    assert torch.equal(*found)


def test_networks_have_it_in_the_place_of_that_of_pytorch():
    layers = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True)
    before = set(layers.state_dict())
    replace_dropout(layers.eval())
    found = [module for module in layers.modules() if isinstance(module, nn.Dropout)]
    assert [type(each) for each in found] == [Dropout] * 3
    assert [(each.p, each.training) for each in found] == [(0.3, False)] * 3
    assert set(layers.state_dict()) == before


def test_a_network_of_the_user_has_it_too():
    class Body(nn.Module):
        num_features = 4

        def __init__(self):
            super().__init__()
            self.dropout = nn.Dropout(0.5)

        def forward(self, values):
            return self.dropout(values)

    assert type(Network(Body(), {}).backbone.dropout) is Dropout
