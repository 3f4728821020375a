import copy

import pytest
import torch
import torchvision
from torch import nn
from torchvision import models as published
from torchvision.models.feature_extraction import create_feature_extractor

from longspan.errors import ConfigError, ShapeError
from longspan.models import create
from longspan.models.vision import torchvision_nets
from longspan.models.vision.families import FAMILIES, HALF_NORMALISED, family_of
from longspan.models.vision.torchvision_nets import TorchvisionNet, build_published, find_layout, layout_of
from longspan.nn.without_memory import without_memory

ALL_NAMES = [name for family in FAMILIES for name in family.names]


def _on_meta(name, **options) -> TorchvisionNet:
    with without_memory():
        net = create(name, **options)
    assert isinstance(net, TorchvisionNet)
    return net.to("meta").eval()


def _pair(name, side=64):
    """Torchvision's whole network, and the backbone with the same weights."""
    torch.manual_seed(1)
    whole = build_published(name, (side, side)).eval()
    with torch.no_grad():  # numbers that tell the layers apart
        for key, value in whole.state_dict().items():
            if "running_var" in key or key.endswith(("norm.weight", "bn.weight")):
                value.uniform_(0.5, 1.5)
    model = create(name, size_px=(side, side)).eval()
    assert isinstance(model, TorchvisionNet)
    own = {f"net.{key}": value for key, value in whole.state_dict().items()}
    model.load_state_dict({**model.state_dict(), **{key: own[key] for key in model.state_dict() if key in own}})
    return whole, model


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("squeezenet1_1", 64),
        ("resnet18", 64),
        ("mobilenet_v3_small", 64),
        ("shufflenet_v2_x0_5", 64),
        ("mnasnet0_5", 64),
        ("regnet_x_400mf", 64),
        ("densenet121", 64),
        ("efficientnet_b0", 64),
        ("swin_t", 64),
    ],
)
def test_forward_is_what_torchvisions_class_layer_reads(name, side):
    whole, model = _pair(name, side)
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        features = model(images)
        class_layer = whole.get_submodule(model.layout.class_layer)
        if isinstance(class_layer, nn.Linear):
            logits = class_layer(features)
        else:  # SqueezeNet: the class layer is a 1 x 1 convolution before the pooling, so the pooled maps must do
            torch.testing.assert_close(features, whole.get_submodule("features")(images).mean((2, 3)))
            return
        torch.testing.assert_close(logits, whole(images), rtol=1e-4, atol=1e-4)


def test_resnet_maps_are_torchvisions_layers():
    whole, model = _pair("resnet18")
    images = torch.randn(1, 3, 65, 97)
    names = ["relu", "layer1", "layer2", "layer3", "layer4"]
    with torch.no_grad():
        wanted = create_feature_extractor(whole, names)(images)
        for name, maps in zip(names, model.features(images), strict=True):
            torch.testing.assert_close(maps, wanted[name])
    assert model.strides == (2, 4, 8, 16, 32)
    assert model.channels == (64, 64, 128, 256, 512)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t"])
def test_last_map_is_what_the_pooling_reads(name):
    model = create(name, size_px=(64, 64)).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.features(images)[-1].mean((2, 3)), model(images))


def test_average_beside_maximum():
    model = create("densenet121", size_px=(64, 64), pool="avg_max").eval()
    with torch.no_grad():
        images = torch.randn(1, 3, 64, 64)
        last = model.features(images)[-1]
        torch.testing.assert_close(model(images), torch.cat([last.mean((2, 3)), last.amax((2, 3))], dim=1))
    normed = _on_meta("convnext_tiny", pool="avg_max")
    assert normed(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 2 * 768)


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "mobilenet_v3_small", "maxvit_t", "vit_b_16"])
def test_pooling_elsewhere_is_refused(name):
    with pytest.raises(ConfigError, match=f"ends in global pooling, and {name} has other layers"):
        create(name, pool="avg_max")


def test_vit_has_no_maps_and_says_so():
    model = _on_meta("vit_b_16")
    assert model.strides == model.channels == ()
    with pytest.raises(ConfigError, match=r"vit_b_16 has no feature maps.*swin_t"):
        model.features(torch.empty(1, 3, 224, 224, device="meta"))
    assert len(model.groups()) == 12 + 1


@pytest.mark.parametrize(
    ("name", "size_px", "message"),
    [
        ("inception_v3", (74, 299), "smallest size is 75 x 75"),
        ("alexnet", (62, 62), "smallest size is 63 x 63"),
        ("vit_b_16", (224, 200), r"squares whose sides are a multiple of 16 px.*size_px=\(224, 224\)"),
        ("vit_h_14", (220, 220), r"multiple of 14 px, got 220 x 220. Use size_px=\(224, 224\)"),
        ("maxvit_t", (256, 448), r"multiple of 224 px.*size_px=\(224, 448\)"),
    ],
)
def test_sizes_that_cannot_be_are_refused_with_one_that_can(name, size_px, message):
    with pytest.raises(ShapeError, match=message):
        create(name, size_px=size_px)


def test_images_that_do_not_fit_are_refused():
    model = _on_meta("vit_b_32", size_px=(64, 64))
    with pytest.raises(ShapeError, match="built for images of 64 x 64 px, got 96 x 96"):
        model(torch.empty(1, 3, 96, 96, device="meta"))
    with pytest.raises(ShapeError, match=r"reads \(B, 3, H, W\), got \(1, 1, 64, 64\)"):
        model(torch.empty(1, 1, 64, 64, device="meta"))


@pytest.mark.parametrize(
    "name", ["alexnet", "vgg11", "googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1", "densenet121"]
)
def test_smallest_size_is_the_smallest(name):
    smallest = family_of(name).smallest_px
    with without_memory():
        net = build_published(name, (smallest, smallest))
    net = net.to("meta").eval()
    assert net(torch.empty(1, 3, smallest, smallest, device="meta")).shape == (1, 1000)
    with pytest.raises(RuntimeError, match=r"too small|greater than actual input size|non-zero|positive"):
        net(torch.empty(1, 3, smallest - 1, smallest - 1, device="meta"))


def test_groups_go_by_stride():
    model = create("resnet18")
    assert isinstance(model, TorchvisionNet)
    stages = [[*model.net.get_submodule(name).parameters()] for name in ("layer1", "layer2", "layer3", "layer4")]
    groups = model.groups()
    assert len(groups) == 5
    assert [len(group) for group in groups] == [3, *map(len, stages)]
    assert all(group[0] is stage[0] for group, stage in zip(groups[1:], stages, strict=True))


def test_other_channels_keep_the_spread_of_the_first_layer():
    torch.manual_seed(0)
    color, grey = create("resnet18"), create("resnet18", in_channels=1)
    assert isinstance(color, TorchvisionNet)
    assert isinstance(grey, TorchvisionNet)
    conv = color.net.get_submodule("conv1"), grey.net.get_submodule("conv1")
    assert tuple(conv[1].weight.shape) == (64, 1, 7, 7)
    images = torch.randn(4, 3, 64, 64)
    assert (conv[1](images[:, :1]).std() / conv[0](images).std()).item() == pytest.approx(1, abs=0.1)


def test_networks_that_expect_another_normalisation_convert():
    model = create("googlenet", size_px=(64, 64))
    assert isinstance(model, TorchvisionNet)
    images = torch.rand(2, 3, 64, 64)  # 0..1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    assert model._checked(normalised).equal(normalised)
    model.expect_half_normalised()
    torch.testing.assert_close(model._checked(normalised), (images - 0.5) / 0.5)
    assert {"input_scale", "input_offset"} <= set(model.state_dict())


def test_mnasnet_loads_a_plain_state_dict_and_so_does_its_copy():
    model = create("mnasnet0_5")
    twin = copy.deepcopy(model)
    twin.load_state_dict({name: torch.full_like(value, 2) for name, value in twin.state_dict().items()})
    assert all((parameter == 2).all() for parameter in twin.parameters())
    assert not all((parameter == 2).all() for parameter in model.parameters())


def test_finding_the_layout_draws_no_random_numbers():
    state = torch.get_rng_state()
    find_layout("swin_t")
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "resnet18", "mobilenet_v3_small", "vit_b_32", "maxvit_t"])
def test_the_table_of_layouts_holds_what_is_found(name):
    assert layout_of(name) == find_layout(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL_NAMES)
def test_the_table_of_layouts_holds_what_is_found_of_every_network(name):
    assert layout_of(name) == find_layout(name)


def test_another_torchvision_has_its_layouts_found(monkeypatch):
    layout_of.cache_clear()
    monkeypatch.setattr(torchvision, "__version__", "0.0.1+cpu")
    monkeypatch.setattr(torchvision_nets, "find_layout", lambda name: f"found {name}")
    try:
        assert layout_of("resnet18") == "found resnet18"
    finally:
        layout_of.cache_clear()


def test_every_classification_network_of_torchvision_is_there():
    assert sorted(ALL_NAMES) == published.list_models(module=published)


def test_normalisation_of_the_published_weights_is_known():
    for name in ALL_NAMES:
        transforms = published.get_model_weights(name)["DEFAULT"].value.transforms()
        half = transforms.mean == [0.5, 0.5, 0.5]
        ported = name in ("googlenet", "inception_v3")  # their builders switch `transform_input` on with weights
        assert (name in HALF_NORMALISED) == (half or ported), name
        assert half or transforms.mean == [0.485, 0.456, 0.406]


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL_NAMES)
def test_every_network_builds_and_runs_without_numbers(name):
    side = max(224, family_of(name).smallest_px)
    model = _on_meta(name, in_channels=4, size_px=(side, side))
    images = torch.empty(2, 4, side, side, device="meta")
    assert model(images).shape == (2, model.num_features)
    parameters = [id(p) for group in model.groups() for p in group]
    assert sorted(parameters) == sorted(id(p) for p in model.parameters())
    unpadded = {"alexnet": 1, "squeezenet1_0": 3, "squeezenet1_1": 1, "inception_v3": 4}  # they lose borders
    if model.strides:
        for maps, channels, stride in zip(model.features(images), model.channels, model.strides, strict=True):
            assert maps.shape[1] == channels
            assert abs(maps.shape[-1] - side / stride) <= unpadded.get(name, 0)
        assert model.strides == tuple(model.strides[0] * 2**i for i in range(len(model.strides)))


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "convnext_tiny", "vgg11"])
def test_both_at_once_are_the_vector_and_the_maps(name):
    model = create(name, size_px=(64, 64)).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        vector, maps = model.both(images)
        torch.testing.assert_close(vector, model(images))
        for one, other in zip(maps, model.features(images), strict=True):
            torch.testing.assert_close(one, other)
