import copy

import pytest
import torch
from torch import nn

from longspan.deploy.refitting import refit


def compute(network, *inputs):
    return network(*inputs)


def pruned(network, gone):
    """A copy whose first layer lacks a channel, and whose second reads one less."""
    smaller = copy.deepcopy(network)
    kept = torch.tensor([i for i in range(network[0].out_channels) if i != gone])
    smaller[0].weight, smaller[0].bias = (nn.Parameter(each[kept]) for each in (network[0].weight, network[0].bias))
    smaller[1].weight = nn.Parameter(network[1].weight[:, kept])
    return smaller, {"0": kept}


@pytest.mark.parametrize("bias", [True, False])
def test_a_channel_that_others_can_stand_in_for_leaves_no_trace(bias):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 4, 3, stride=2, padding=1, bias=bias)).eval()
    with torch.no_grad():  # the last channel is a mixture of two others
        network[0].weight[4] = 2 * network[0].weight[1] - network[0].weight[0]
        network[0].bias[4] = 2 * network[0].bias[1] - network[0].bias[0]
        smaller, kept = pruned(network, 4)
        batches = [(torch.randn(8, 3, 12, 10),) for _ in range(3)]
        wanted = network(batches[0][0])
        assert (smaller(batches[0][0]) - wanted).abs().max() > 0.1
        assert refit(smaller, network, kept, batches, compute) == 1
        assert (smaller(batches[0][0]) - wanted).abs().max() < 0.02


def test_what_is_lost_is_made_good_as_far_as_least_squares_can():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1)).eval()
    with torch.no_grad():
        smaller, kept = pruned(network, 2)
        batches = [(torch.randn(16, 3, 9, 9),) for _ in range(4)]
        new = torch.randn(40, 3, 9, 9)
        before = (smaller(new) - network(new)).square().mean()
        refit(smaller, network, kept, batches, compute)
        after = (smaller(new) - network(new)).square().mean()
    assert after < before


def test_layers_whose_inputs_are_all_there_stay():
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1)).eval()
    same = copy.deepcopy(network)
    assert refit(same, network, {}, [(torch.randn(2, 3, 9, 9),)], compute) == 0
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), same.parameters(), strict=True))
