"""What holds for every backbone: longspan's own in full, one torchvision network of each kind.

Networks too large for a quick test run without numbers ("meta"); those that are not run through the checks of numbers.
"""

import copy
import functools

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.ops import StochasticDepth

from longspan.errors import ShapeError
from longspan.models import Backbone, create
from longspan.nn.without_memory import without_memory

# (name, channels the network is usually given, smallest comfortable size)
SMALL = [
    ("lenet5", 1, (28, 28)),
    ("deep_cnn", 1, (28, 28)),
    ("resnet20", 3, (32, 32)),
    ("space_to_depth_cnn", 1, (28, 28)),
    ("line_cnn", 1, (32, 64)),
    ("space_displacement_lenet", 1, (32, 64)),
    ("bc_resnet1", 1, (40, 64)),
    ("matchboxnet", 1, (40, 64)),
    ("squeezenet1_1", 3, (64, 64)),
    ("resnet18", 3, (64, 64)),
    ("mobilenet_v3_small", 3, (64, 64)),
    ("shufflenet_v2_x0_5", 3, (64, 64)),
    ("mnasnet0_5", 3, (64, 64)),
    ("efficientnet_b0", 3, (64, 64)),
    ("mobilefacenet", 3, (64, 64)),
    ("pilot_net", 3, (66, 72)),
]
LARGE = [
    ("googlenet", 3, (64, 64)),
    ("densenet121", 3, (64, 64)),
    ("regnet_x_400mf", 3, (64, 64)),
    ("mobilenet_v2", 3, (64, 64)),
    ("alexnet", 3, (96, 96)),
    ("vgg11_bn", 3, (64, 64)),
    ("inception_v3", 3, (128, 128)),
    ("convnext_tiny", 3, (64, 64)),
    ("swin_t", 3, (64, 64)),
    ("maxvit_t", 3, (224, 224)),
    ("vit_b_32", 3, (64, 64)),
    ("vgg16_fcn", 3, (64, 64)),
    ("segnet", 3, (64, 64)),
]
NAMES = [name for name, _, _ in SMALL + LARGE]
# Layers without padding, or with too much, move the borders of their maps by more than rounding.
LOOSE = {
    "lenet5": 4,
    "pilot_net": 8,
    "space_displacement_lenet": 6,
    "deep_cnn": 2,
    "alexnet": 2,
    "squeezenet1_1": 2,
    "inception_v3": 4,
}
ONE_SIZE = {"lenet5", "deep_cnn", "pilot_net", "maxvit_t", "vit_b_32", "mobilefacenet"}
ONE_HEIGHT = {"line_cnn", "space_displacement_lenet", "bc_resnet1", "matchboxnet"}
NO_MAPS = ("vit", "bc_resnet", "matchboxnet")
small = pytest.mark.parametrize(("name", "channels", "size_px"), SMALL, ids=[name for name, _, _ in SMALL])
SLOW = ("googlenet", "densenet121", "inception_v3", "swin_t", "maxvit_t")  # to build, whatever the size
every = pytest.mark.parametrize(
    ("name", "channels", "size_px"),
    [pytest.param(*row, marks=pytest.mark.slow if row[0] in SLOW else ()) for row in SMALL + LARGE], ids=NAMES,
)  # fmt: skip


@functools.cache
def _without_numbers(name, channels, size_px) -> Backbone:
    with without_memory():
        model = create(name, in_channels=channels, size_px=size_px)
    return model.to("meta").eval()


@functools.cache
def _drawn(name, channels, size_px) -> Backbone:
    torch.manual_seed(5)
    return create(name, in_channels=channels, size_px=size_px)


def _with_numbers(name, channels, size_px) -> Backbone:
    return copy.deepcopy(_drawn(name, channels, size_px))


def _shape(model, width_px, *, rows=2) -> tuple[int, ...]:
    """Of what `forward` gives: one vector, or a sequence with a step for every 4 px."""
    return (rows, -(-width_px // 4), model.num_features) if model.sequence else (rows, model.num_features)


def _images(channels, size_px, *, rows=2, device="cpu"):
    return torch.randn(rows, channels, *size_px, device=device)


@every
@pytest.mark.parametrize("in_channels", [1, 4])
def test_any_number_of_channels(name, channels, size_px, in_channels):
    model = _without_numbers(name, in_channels, size_px)
    assert model.in_channels == in_channels
    features = model(_images(in_channels, size_px, device="meta"))
    assert features.shape == _shape(model, size_px[1])
    assert features.dtype == torch.float32
    with pytest.raises(ShapeError, match=f"{name} reads"):
        model(_images(in_channels + 1, size_px, device="meta"))


@every
def test_odd_and_oblong_sizes(name, channels, size_px):
    oblong = (size_px[0] + 5, size_px[1] + 34)
    if name in ONE_SIZE - {"lenet5", "deep_cnn", "mobilefacenet", "pilot_net"}:
        with pytest.raises(ShapeError, match="multiple of"):
            create(name, in_channels=channels, size_px=oblong)
        return
    model = _without_numbers(name, channels, oblong)
    assert model(_images(channels, oblong, device="meta")).shape == _shape(model, oblong[1])
    other = _images(channels, (oblong[0] + 2, oblong[1]), device="meta")
    if name in ONE_SIZE | ONE_HEIGHT:
        with pytest.raises(ShapeError, match="was built for images of"):
            model(other)
    else:
        assert model(other).shape == _shape(model, oblong[1])
    if name in ONE_HEIGHT:
        wider = _images(channels, (oblong[0], oblong[1] + 13), device="meta")
        assert model(wider).shape == _shape(model, oblong[1] + 13)


@every
def test_maps_at_the_strides(name, channels, size_px):
    model = _without_numbers(name, channels, size_px)
    if not model.strides:
        assert name.startswith(NO_MAPS)
        return
    maps = model.features(_images(channels, size_px, device="meta"))
    assert len(maps) == len(model.strides) == len(model.channels)
    assert list(model.strides) == sorted(set(model.strides))
    for each, stride, map_channels in zip(maps, model.strides, model.channels, strict=True):
        assert each.shape[:2] == (2, map_channels)
        for places, side in zip(each.shape[2:], size_px, strict=True):
            assert abs(places - side / stride) <= LOOSE.get(name, 0), (name, stride)


@every
def test_groups_hold_every_parameter_once_and_the_first_layer_lowest(name, channels, size_px):
    model = _without_numbers(name, channels, size_px)
    groups = model.groups()
    grouped = [id(parameter) for group in groups for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    assert len(groups) >= 3
    assert all(groups)
    first = next(parameter for parameter in model.parameters() if parameter.ndim >= 3)
    assert any(parameter is first for parameter in groups[0])


@every
def test_has_no_class_layer(name, channels, size_px):
    model = _without_numbers(name, channels, size_px)
    sizes = {parameter.shape[0] for parameter in model.parameters() if parameter.ndim}
    assert 1000 not in sizes
    assert isinstance(model.strides, tuple)
    assert (model.name, model.size_px) == (name, size_px)


@small
def test_gradients_reach_every_parameter(name, channels, size_px):
    model = _with_numbers(name, channels, size_px)
    for layer in model.modules():  # a layer dropped by chance would have no gradient
        if isinstance(layer, nn.Dropout | StochasticDepth):
            object.__setattr__(layer, "p", 0.0)
    model(_images(channels, size_px, rows=4)).square().sum().backward()
    silent = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert silent == []
    assert sum(p.grad.abs().sum() > 0 for p in model.parameters() if p.grad is not None) >= 0.9 * len(
        list(model.parameters())
    )


@small
def test_same_seed_same_numbers_and_another_seed_others(name, channels, size_px):
    images = _images(channels, size_px)
    made = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        model = create(name, in_channels=channels, size_px=size_px).eval()
        with torch.no_grad():
            made.append(model(images))
    assert made[0].equal(made[1])
    assert not made[0].equal(made[2])


@small
def test_saved_and_loaded_gives_the_same_and_training_the_same_shape(name, channels, size_px, tmp_path):
    model = _with_numbers(name, channels, size_px)
    with torch.no_grad():
        trained = model(_images(channels, size_px))  # moves the statistics of batch normalisation
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    torch.manual_seed(99)
    again = create(name, in_channels=channels, size_px=size_px)
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    images = _images(channels, size_px)
    with torch.no_grad():
        evaluated = model.eval()(images)
        assert again.eval()(images).equal(evaluated)
        assert all(a.equal(b) for a, b in zip(again.features(images), model.features(images), strict=True))
    assert type(trained) is type(evaluated) is torch.Tensor
    assert trained.shape == evaluated.shape


@small
def test_evaluation_leaves_no_trace_and_rows_do_not_mix(name, channels, size_px):
    model = _with_numbers(name, channels, size_px).eval()
    images = _images(channels, size_px, rows=3)
    before, kept = copy.deepcopy(model.state_dict()), images.clone()
    with torch.no_grad():
        together = model(images)
        alone = torch.cat([model(row[None]) for row in images])
        model.features(images)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert images.equal(kept)
    assert all(value.equal(before[key]) for key, value in model.state_dict().items())


@small
def test_channels_last_gives_the_same(name, channels, size_px):
    model = _with_numbers(name, channels, size_px).eval()
    images = _images(channels, size_px)
    with torch.no_grad():
        wanted = model(images)
        model = model.to(memory_format=torch.channels_last)
        turned = model(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(turned, wanted, rtol=1e-3, atol=1e-4)
