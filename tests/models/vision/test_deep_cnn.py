import pytest
import torch
from torch import nn

from longspan.errors import ConfigError, ShapeError
from longspan.models import DeepCNNConfig, create
from longspan.models.vision.deep_cnn import DeepCNN


def _book(model: DeepCNN) -> nn.Sequential:
    """The network in the book's own order (activation before pooling), with the same weights."""
    convs = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    layers: list[nn.Module] = []
    for first, second in zip(convs[::2], convs[1::2], strict=True):
        layers += [first, nn.ReLU(), second, nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), model.units, nn.ReLU())


def test_agrees_with_the_order_of_the_book_in_values_and_gradients():
    model = DeepCNN(DeepCNNConfig(dropout=0.0))
    images = torch.randn(4, 1, 28, 28)
    gradients = []
    for net in (model, _book(model)):
        net.zero_grad()
        units = net(images)
        units.square().sum().backward()
        gradients.append([units.detach(), *(p.grad.clone() for p in model.parameters())])
    for ours, books in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, books)


def test_layers_are_those_of_the_book():
    model = DeepCNN()
    convs = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [16, 16, 32, 32, 64, 64]
    assert [conv.padding[0] for conv in convs] == [1, 1, 1, 2, 1, 1]
    assert model.units.in_features == 64 * 4 * 4
    assert [tuple(maps.shape[1:]) for maps in model.features(torch.randn(1, 1, 28, 28))] == [
        (16, 28, 28),
        (32, 16, 16),
        (64, 8, 8),
    ]


def test_he_initialisation_keeps_the_signal_and_small_loses_it():
    images = torch.randn(16, 1, 28, 28)
    he = DeepCNN(DeepCNNConfig(dropout=0.0))(images).std()
    small = DeepCNN(DeepCNNConfig(dropout=0.0, init="small"))(images).std()
    assert 0.1 < he < 10
    assert small < 1e-3
    weight = DeepCNN().units.weight
    assert weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.02)
    assert DeepCNN(DeepCNNConfig(init="small")).units.weight.std().item() == pytest.approx(0.01, rel=0.02)


def test_dropout_silences_the_stated_fraction_in_training_only():
    model = DeepCNN(DeepCNNConfig(dropout=0.25, units=4000))
    images = torch.randn(1, 1, 28, 28)
    alive = model.eval()(images) > 0
    trained = model.train()(images) > 0
    assert (trained.sum() / alive.sum()).item() == pytest.approx(0.75, abs=0.05)


def test_batch_norm_replaces_the_biases():
    model = create(DeepCNNConfig(batch_norm=True), in_channels=1, size_px=(28, 28))
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()) == 6
    assert all(layer.bias is None for layer in model.modules() if isinstance(layer, nn.Conv2d))
    assert model(torch.randn(2, 1, 28, 28)).shape == (2, 50)


@pytest.mark.parametrize("size_px", [(4, 4), (8, 8), (33, 21), (64, 64)])
def test_other_sizes(size_px):
    model = create("deep_cnn", in_channels=3, size_px=size_px)
    assert model(torch.randn(2, 3, *size_px)).shape == (2, 50)


def test_bad_options_and_sizes_are_refused():
    for options, message in (
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"init": "xavier"}, "'he' or 'small', got 'xavier'"),
        ({"units": 0}, "units must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            DeepCNNConfig(**options)
    with pytest.raises(ShapeError, match="smallest size is 4 x 4"):
        DeepCNN(size_px=(3, 28))
    with pytest.raises(ShapeError, match="got 32 x 28"):
        DeepCNN()(torch.randn(1, 1, 32, 28))


def test_learns_a_dozen_images_by_heart():
    model = DeepCNN(DeepCNNConfig(dropout=0.0))
    classes = nn.Linear(50, 4)
    images, targets = torch.randn(12, 1, 28, 28), torch.arange(12) % 4
    optimizer = torch.optim.Adam([*model.parameters(), *classes.parameters()], lr=2e-3)
    for _ in range(40):
        loss = nn.functional.cross_entropy(classes(model(images)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
