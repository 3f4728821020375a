"""Reconstructions against a deconvolution network written by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from longspan.explain.deconvolution import Deconvolution, reconstruct


def test_the_projection_back_is_a_deconvolution_network_with_switches():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(3, 2, 3, padding=1), nn.ReLU(),
        nn.Conv2d(2, 2, 3, padding=1),
    )  # fmt: skip
    images = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        first = network[0](images)
        pooled, switches = F.max_pool2d(first.relu(), 2, return_indices=True)
        last = network[5](network[3](pooled).relu())
        spots = last[:, 1].flatten(1).argmax(dim=1)
        # Up again by hand: transposed filters, rectify, put each value back to its switch.
        signal = torch.zeros_like(last)
        for row, spot in enumerate(spots.tolist()):
            signal[row, 1, spot // 4, spot % 4] = last[row, 1, spot // 4, spot % 4]
        signal = F.conv_transpose2d(signal, network[5].weight, padding=1).relu()
        signal = F.conv_transpose2d(signal, network[3].weight, padding=1)
        signal = F.max_unpool2d(signal, switches, 2).relu()
        expected = F.conv_transpose2d(signal, network[0].weight, padding=1)
    torch.testing.assert_close(reconstruct(network, "5", 1, images, spots), expected, rtol=1e-4, atol=1e-6)
    gradient = images.clone().requires_grad_(True)
    chosen = network(gradient)[:, 1].flatten(1).gather(1, spots[:, None])
    (plain,) = torch.autograd.grad(chosen.square().sum() / 2, gradient)
    assert not torch.allclose(plain, expected)  # the plain gradient is another picture


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(), nn.SiLU(), nn.GELU(), nn.ReLU6(), nn.Hardswish()])
def test_every_activation_gives_what_it_gives_and_rectifies_on_the_way_back(activation):
    values = torch.linspace(-2, 2, 9, requires_grad=True)
    with Deconvolution():
        found = activation(values)
    torch.testing.assert_close(found, activation(values))
    found.backward(torch.linspace(1, -1, 9))
    torch.testing.assert_close(values.grad, torch.linspace(1, -1, 9).clamp_min(0))
