import numpy as np
import pytest
import torch

from longspan.errors import ConfigError, ShapeError
from longspan.models import create
from longspan.models.vision.lenet import LeNet5


def test_has_the_60000_parameters_of_the_paper():
    counts = [sum(p.numel() for p in group) for group in LeNet5().groups()]
    assert counts == [156 + 12, 1516 + 32, 48120, 10164]
    assert sum(counts) == 60_000


def test_each_map_of_c3_reads_the_maps_of_table_one():
    model = LeNet5(size_px=(32, 32))
    reads = torch.zeros(16, 6, dtype=torch.bool)
    for source in range(6):
        maps = torch.zeros(1, 6, 14, 14)
        before = model.c3(maps)
        maps[:, source] = 1
        reads[:, source] = (model.c3(maps) != before).flatten(2).any(dim=2)[0]
    # Columns of table I, written as the paper prints them: one string per map of S2.
    table = [
        "X   XXX  XXXX XX",
        "XX   XXX  XXXX X",
        "XXX   XXX  X XXX",
        " XXX  XXXX  X XX",
        "  XXX  XXXX XX X",
        "   XXX  XXXX XXX",
    ]
    expected = torch.tensor([[cell == "X" for cell in row] for row in table]).T
    assert reads.equal(expected)


def test_numbers_agree_with_numpy():
    model = LeNet5(size_px=(16, 16)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    image = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    ours = model(image)[0].detach().numpy()

    def scaled_tanh(a):
        return 1.7159 * np.tanh(2 * a / 3)

    def conv(maps, kernels, bias):
        windows = np.lib.stride_tricks.sliding_window_view(maps, (5, 5), axis=(1, 2))
        return np.einsum("chwij,ocij->ohw", windows, kernels) + bias[:, None, None]

    def subsample(maps, layer):
        pooled = maps[:, ::2, ::2] + maps[:, 1::2, ::2] + maps[:, ::2, 1::2] + maps[:, 1::2, 1::2]
        return scaled_tanh(pooled / 4 * layer.coefficient.detach().numpy() + layer.bias.detach().numpy())

    n = {name: p.detach().numpy() for name, p in model.named_parameters()}
    maps = subsample(scaled_tanh(conv(image[0].numpy(), n["c1"], n["c1_bias"])), model.s2)
    dense = np.zeros((16 * 6, 25))
    dense[model.c3.pairs.numpy()] = n["c3.kernels"]
    maps = subsample(scaled_tanh(conv(maps, dense.reshape(16, 6, 5, 5), n["c3.bias"])), model.s4)
    c5 = scaled_tanh(n["c5.weight"] @ maps.ravel() + n["c5.bias"])
    np.testing.assert_allclose(ours, scaled_tanh(n["f6.weight"] @ c5 + n["f6.bias"]), rtol=1e-10)


@pytest.mark.parametrize(("size_px", "places"), [((28, 28), 25), ((32, 32), 25), ((16, 20), 2), ((64, 41), 13 * 7)])
def test_fully_connected_width_follows_the_size(size_px, places):
    model = create("lenet5", in_channels=2, size_px=size_px)
    assert isinstance(model, LeNet5)
    assert model.c5.in_features == 16 * places
    assert model(torch.randn(2, 2, *size_px)).shape == (2, 84)


def test_refuses_what_it_cannot_read():
    with pytest.raises(ShapeError, match="smallest size is 16 x 16"):
        LeNet5(size_px=(28, 15))
    with pytest.raises(ShapeError, match=r"built for images of 28 x 28 px, got 32 x 32.*size_px=\(32, 32\)"):
        LeNet5()(torch.randn(1, 1, 32, 32))
    with pytest.raises(ConfigError, match="lenet5 has other layers"):
        LeNet5(pool="avg_max")


def test_first_layers_keep_the_spread_of_the_image():
    maps = LeNet5(size_px=(32, 32)).features(torch.randn(64, 1, 32, 32))
    assert 0.5 < maps[0].std() < 1.5
