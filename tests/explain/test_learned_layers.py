"""Strongest patches, reconstructions against a deconvolution network written by hand, and purity on a planted case."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.explain.learned_layers import _Deconvolution, _reconstruct, _same_class
from longspan.report import Document


@pytest.fixture(scope="module")
def squares():
    """A network that tells a bright square from a dark one, and rows with both somewhere on a grey ground."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 130, (60, 24, 24), dtype=np.uint8)
    classes = np.arange(60) % 2
    places = rng.integers(0, 17, (60, 2))
    for image, bright, (top, left) in zip(images, classes, places, strict=True):
        image[top : top + 7, left : left + 7] = 255 if bright else 0
    table = ls.Table.from_arrays(
        {"image": images, "bright": classes.tolist()}, {"image": ls.Image(), "bright": ls.Category()}
    )
    task = ls.Task(table.split(valid=0.25, seed=0), "image", "bright", allow_leaks=True)
    learner = ls.Learner(task, "lenet5", seed=0, config=ls.TrainConfig(batch_size=16), device="cpu", progress=False)
    return learner.fit_one_cycle(4, lr=3e-3).predictor(), table, places


@pytest.fixture(scope="module")
def layers(squares):
    model, table, _ = squares
    return ls.explain.learned_layers(model, table, channels=3, patches=4)


def test_a_patch_is_where_its_channel_is_strongest(squares, layers):
    model, table, _ = squares
    images = np.stack(list(table.column_values("image")))
    ((_, column),) = model.inputs.items()
    prepared = column.prepare(torch.from_numpy(images)[..., None], None)
    backbone = model.network.get_submodule("backbone")
    for layer in layers:
        maps = []
        hook = backbone.get_submodule(layer.name).register_forward_hook(lambda _, __, out, m=maps: m.append(out))
        with torch.no_grad():
            backbone(prepared)
        hook.remove()
        seen, shown = layer.field, layer.channels[0]
        channel = maps[0][:, shown.channel].numpy()
        best = np.sort(channel.max(axis=(1, 2)))[::-1][:4]
        np.testing.assert_allclose(shown.activations, best, rtol=1e-4)
        row = shown.rows[0]
        place = np.unravel_index(channel[row].argmax(), channel[row].shape)
        top, left = (round(s + p * seen.stride_px) for s, p in zip((seen.top_px, seen.left_px), place, strict=True))
        patch = shown.patches[0][..., 0]
        assert patch.shape == (seen.height_px, seen.width_px)
        inner = images[row][max(top, 0) : top + patch.shape[0], max(left, 0) : left + patch.shape[1]]
        begin = (max(-top, 0), max(-left, 0))
        np.testing.assert_array_equal(
            patch[begin[0] : begin[0] + inner.shape[0], begin[1] : begin[1] + inner.shape[1]], inner
        )


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
    torch.testing.assert_close(_reconstruct(network, "5", 1, images, spots), expected, rtol=1e-4, atol=1e-6)
    gradient = images.clone().requires_grad_(True)
    chosen = network(gradient)[:, 1].flatten(1).gather(1, spots[:, None])
    (plain,) = torch.autograd.grad(chosen.square().sum() / 2, gradient)
    assert not torch.allclose(plain, expected)  # the plain gradient is another picture


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(), nn.SiLU(), nn.GELU(), nn.ReLU6(), nn.Hardswish()])
def test_every_activation_gives_what_it_gives_and_rectifies_on_the_way_back(activation):
    values = torch.linspace(-2, 2, 9, requires_grad=True)
    with _Deconvolution():
        found = activation(values)
    torch.testing.assert_close(found, activation(values))
    found.backward(torch.linspace(1, -1, 9))
    torch.testing.assert_close(values.grad, torch.linspace(1, -1, 9).clamp_min(0))


def test_purity_counts_pairs_of_one_class():
    values = torch.tensor([[9.0, 1], [8, 2], [7, 3], [1, 9], [2, 8], [3, 7.5]])
    labels = ["a", "a", "a", "b", "a", "b"]
    # Channel 0: a a a. Channel 1: b a b, one of three pairs.
    np.testing.assert_allclose(_same_class(values, labels, 3), [1, 1 / 3])


def test_deep_channels_are_purer_than_random_ones_and_chance(layers):
    assert [layer.name for layer in layers] == ["s2", "c3", "s4"]  # from the image upwards
    assert all(layer.purity.chance == pytest.approx((30 * 29 * 2) / (60 * 59)) for layer in layers)
    last = layers[-1].purity
    assert last.trained > last.chance
    assert last.interval[0] < last.trained < last.interval[1]


def test_the_model_stays_and_the_same_seed_gives_the_same(squares):
    model, table, _ = squares
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    state = torch.get_rng_state()
    one, again = (ls.explain.learned_layers(model, table, channels=1, patches=3, rows=20, seed=5) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    assert [each.purity for each in one] == [each.purity for each in again]
    assert one[0].channels[0].rows == again[0].channels[0].rows


def test_sheets_stand_in_the_page(squares, tmp_path):
    model, table, _ = squares
    page = tmp_path / "page.html"
    ls.explain.write_explanation(page, model, table, layers=True)
    text = page.read_text()
    assert "What each layer learned" in text
    assert "random weights" in text
    assert Document("x").to_html() not in text


def test_what_cannot_be_shown_is_told(squares):
    model, table, _ = squares
    with pytest.raises(UnknownNameError, match="Did you mean"):
        ls.explain.learned_layers(model, table, layers=[ls.explain.learned_layers(model, table)[0].name + "x"])
    with pytest.raises(ConfigError, match="patches at least 2, got 6 and 1"):
        ls.explain.learned_layers(model, table, patches=1)
    with pytest.raises(ConfigError, match="There are 2 rows, but 9 patches"):
        ls.explain.learned_layers(model, table.take(np.arange(2)))
