import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models as published

from longspan.errors import ConfigError, ShapeError, WeightsError
from longspan.models import FCNVGGConfig, create, from_json, to_json
from longspan.models.vision.fcn_vgg import FCNVGG
from longspan.nn.without_memory import without_memory

SMALL = FCNVGGConfig(width=4, fc_channels=16)


def small(**options):
    return create(SMALL, **options)


def narrow_vgg16():
    """torchvision's vgg16 with other widths, so that a test need not draw 138 million weights."""
    with without_memory():
        net = published.VGG(nn.Sequential(), num_classes=7, init_weights=False)
    layers = [
        width for factor, count in ((4, 2), (8, 2), (16, 3), (32, 3), (32, 3)) for width in [factor] * count + ["M"]
    ]
    net.features = published.vgg.make_layers(layers)
    for place, reads, gives in ((0, 32 * 49, 16), (3, 16, 16), (6, 16, 7)):
        net.classifier[place] = nn.Linear(reads, gives)
    return net.eval()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A narrow vgg16 and a file of its weights under torchvision's names."""
    torch.manual_seed(1)
    net = narrow_vgg16()
    path = tmp_path_factory.mktemp("weights") / "vgg16.safetensors"
    save_file(net.state_dict(), path)
    return net, path


def test_with_vgg16s_weights_it_answers_as_vgg16s_classifier_does(narrow):
    net, path = narrow
    model = create(SMALL, weights=path).eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(net.classifier[6](model(images)), net(images), rtol=1e-4, atol=1e-5)
        fc7 = model.features(images)[-1]
        assert fc7.shape == (2, 16, 7, 7)
        torch.testing.assert_close(fc7[:, :, 3, 3], model(images), rtol=1e-4, atol=1e-5)
        pool3, pool4, _ = model.features(images)
        torch.testing.assert_close(pool3, net.features[:17](images), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(pool4, net.features[:24](images), rtol=1e-4, atol=1e-5)


def test_a_larger_image_gives_the_mean_of_its_windows():
    model = small().eval()
    images = torch.randn(1, 3, 256, 320)
    with torch.no_grad():
        fc7 = model.features(images)[-1]
        assert fc7.shape == (1, 16, 8, 10)
        torch.testing.assert_close(model(images), fc7[:, :, 3:-3, 3:-3].mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_pth_files_and_other_channels(narrow, tmp_path):
    net, path = narrow
    torch.save(net.state_dict(), tmp_path / "vgg16.pth")
    images = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        colour = create(SMALL, weights=tmp_path / "vgg16.pth").eval()(images.expand(-1, 3, -1, -1))
        grey = create(SMALL, in_channels=1, weights=path).eval()(images)
    torch.testing.assert_close(grey, colour, rtol=1e-4, atol=1e-5)


def test_its_own_files_are_read_too(tmp_path):
    trained = small(in_channels=1)
    save_file(trained.state_dict(), tmp_path / "own.safetensors")
    again = create(SMALL, in_channels=1, weights=tmp_path / "own.safetensors")
    assert all(value.equal(trained.state_dict()[name]) for name, value in again.state_dict().items())


def test_weights_of_other_widths_are_refused_with_names(narrow):
    _, path = narrow
    with pytest.raises(WeightsError, match=r"fc6\.weight is \(16, 32, 7, 7\), the network has \(8, 32, 7, 7\)"):
        create(FCNVGGConfig(width=4, fc_channels=8), weights=path)


def test_the_full_network_has_the_layers_of_vgg16():
    with without_memory():
        ours, theirs = FCNVGG(), published.vgg16()
    shapes = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    converted = ours.from_published({name: torch.empty(shape) for name, shape in shapes.items()})
    assert {name: tuple(value.shape) for name, value in converted.items()} == {
        name: tuple(value.shape) for name, value in ours.state_dict().items()
    }


@pytest.mark.parametrize("size_px", [(180, 240), (65, 33), (1, 1)])
def test_maps_cover_the_image(size_px):
    maps = small(size_px=size_px).eval().features(torch.randn(1, 3, *size_px))
    for each, channels, stride in zip(maps, (16, 32, 16), (8, 16, 32), strict=True):
        assert each.shape == (1, channels, -(-size_px[0] // stride), -(-size_px[1] // stride))
    assert small().eval()(torch.randn(2, 3, *size_px)).shape == (2, 16)


def test_options_travel_and_are_checked():
    built = small(in_channels=1, size_px=(48, 64))
    again = from_json(to_json(built))
    assert again.config == SMALL
    assert to_json(again) == to_json(built)
    with pytest.raises(ConfigError, match=r"FCNVGGConfig\.width must be at least 1"):
        FCNVGGConfig(width=0)
    with pytest.raises(ConfigError, match=r"FCNVGGConfig\.dropout"):
        FCNVGGConfig(dropout=1.0)
    with pytest.raises(ConfigError, match="pool='avg' needs a network that ends in global pooling, and vgg16_fcn"):
        small(pool="avg")
    with pytest.raises(ShapeError, match=r"vgg16_fcn reads \(B, 3, H, W\)"):
        small()(torch.randn(1, 1, 64, 64))
