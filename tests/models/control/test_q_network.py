"""The network of DQN against convolutions of PyTorch."""

import pytest
import torch
import torch.nn.functional as F

from longspan.errors import ConfigError, ShapeError
from longspan.models.control import QNetwork, QNetworkConfig


@pytest.mark.parametrize(("shape", "actions"), [((10, 10, 4), 3), ((84, 84, 4), 6)])
def test_it_is_the_published_network_with_channels_last(shape, actions):
    torch.manual_seed(0)
    network = QNetwork(QNetworkConfig.of_shape(shape), shape=shape, num_actions=actions)
    images = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
    x = images.permute(0, 3, 1, 2).double() / 255
    for layer in network.convolutions:
        x = F.relu(F.conv2d(x, layer.weight.double(), layer.bias.double(), stride=layer.stride))
    x = x.permute(0, 2, 3, 1).reshape(3, -1)
    wanted = network.advantages.double()(x)
    network.float()
    assert torch.allclose(network(images).double(), wanted, atol=1e-5)


def test_the_numbers_of_weights_are_those_of_the_papers():
    nature = QNetwork(QNetworkConfig.of_shape((84, 84, 4)), shape=(84, 84, 4), num_actions=18)
    assert sum(each.numel() for each in nature.parameters()) == 1_693_362  # Mnih et al. 2015, with 18 actions
    grid = QNetwork(QNetworkConfig.of_shape((10, 10, 4)), shape=(10, 10, 4), num_actions=6)
    assert sum(each.numel() for each in grid.parameters()) == 16 * 37 + 128 * 1025 + 6 * 129


def test_advantages_of_a_dueling_network_have_mean_zero():
    network = QNetwork(QNetworkConfig.of_shape((5,), dueling=True), shape=(5,), num_actions=4)
    seen = torch.randn(7, 5)
    assert network.value is not None
    assert torch.allclose(network(seen).mean(1, keepdim=True), network.value(seen), atol=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="too small"):
        QNetwork(QNetworkConfig.of_shape((84, 84, 1)), shape=(20, 20, 1), num_actions=2)
    network = QNetwork(QNetworkConfig(), shape=(10, 10, 4), num_actions=2)
    with pytest.raises(ShapeError, match=r"built for observations of shape \(10, 10, 4\)"):
        network(torch.zeros(2, 10, 10, 6))
    with pytest.raises(ConfigError, match="channels, kernel, stride"):
        QNetworkConfig(convolutions=((16, 3),))  # type: ignore[arg-type]
