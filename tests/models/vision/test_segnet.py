import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models as published

from longspan.errors import ConfigError
from longspan.models import SegNetConfig, create, from_json, to_json
from longspan.models.vision.segnet import SegNet
from longspan.nn.without_memory import without_memory

SMALL = SegNetConfig(width=4)


def narrow_vgg16_bn():
    layers = [w for f, n in ((4, 2), (8, 2), (16, 3), (32, 3), (32, 3)) for w in [f] * n + ["M"]]
    return published.vgg.make_layers(layers, batch_norm=True)


def trained_statistics(net):
    """As after training: biases and statistics away from their start."""
    for name, value in net.state_dict().items():
        if name.endswith("running_var"):
            nn.init.uniform_(value, 0.5, 2)
        elif name.endswith(("bias", "running_mean")):
            nn.init.normal_(value)
    return net


@pytest.mark.parametrize("size_px", [(64, 64), (45, 62), (1, 3), (33, 32)])
def test_the_map_has_the_size_of_the_image(size_px):
    model = create(SMALL, size_px=size_px).eval()
    (maps,) = model.features(torch.randn(2, 3, *size_px))
    assert maps.shape == (2, 4, *size_px)
    assert (model.channels, model.strides) == ((4,), (1,))
    torch.testing.assert_close(
        model(torch.ones(1, 3, *size_px)), model.features(torch.ones(1, 3, *size_px))[0].mean((2, 3))
    )


def test_decoder_mirrors_the_encoder_less_the_layer_of_the_classes():
    with without_memory():
        model = SegNet()

    def widths(stage):
        return [(conv.in_channels, conv.out_channels) for conv in stage.modules() if isinstance(conv, nn.Conv2d)]

    assert widths(next(iter(model.encoder))) == [(3, 64), (64, 64)]
    assert [widths(stage) for stage in model.decoder] == [
        [(64, 64)],
        [(128, 128), (128, 64)],
        [(256, 256), (256, 256), (256, 128)],
        [(512, 512), (512, 512), (512, 256)],
        [(512, 512), (512, 512), (512, 512)],
    ]
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters + 64 * 12 + 12 == pytest.approx(29.5e6, rel=0.01)  # the paper's table: 29.45 million


def test_values_go_back_to_where_the_maximum_was():
    """With convolutions that change nothing, a lone bright pixel survives five poolings in its place."""
    model = create(SegNetConfig(width=1), in_channels=1).eval()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
            layer.weight.data[:, 0, 1, 1] = 1
    image = torch.zeros(1, 1, 64, 64)
    image[0, 0, 37, 22] = 100
    (maps,) = model.features(image)
    assert maps[0, 0].argmax() == 37 * 64 + 22
    assert (maps > 1).sum() == 1


def test_the_encoder_starts_from_vgg16_bn(tmp_path):
    net = trained_statistics(narrow_vgg16_bn()).eval()
    state = {f"features.{name}": value for name, value in net.state_dict().items()}
    save_file({**state, "classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg16_bn.safetensors")
    torch.manual_seed(3)
    model = create(SMALL, weights=tmp_path / "vgg16_bn.safetensors").eval()
    images = torch.randn(1, 3, 64, 64)
    values = images
    with torch.no_grad():
        assert isinstance(model, SegNet)
        for stage in model.encoder:
            values = nn.functional.max_pool2d(stage(values), 2)
        torch.testing.assert_close(values, net(images), rtol=1e-3, atol=1e-4)
    torch.manual_seed(3)
    fresh = create(SMALL).state_dict()
    assert all(v.equal(fresh[name]) for name, v in model.state_dict().items() if name.startswith("decoder."))


def test_the_full_network_has_the_layers_of_vgg16_bn():
    with without_memory():
        ours, theirs = SegNet(), published.vgg16_bn()
    state = {name: torch.empty(value.shape) for name, value in theirs.state_dict().items()}
    converted = ours.from_published(state)
    assert {name: tuple(value.shape) for name, value in converted.items()} == {
        name: tuple(value.shape) for name, value in ours.state_dict().items()
    }


def test_every_weight_learns_and_options_travel():
    model = create(SMALL, in_channels=1, pool="avg_max")
    model(torch.randn(2, 1, 64, 64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    again = from_json(to_json(model))
    assert to_json(again) == to_json(model)
    assert again.num_features == 8
    with pytest.raises(ConfigError, match=r"SegNetConfig\.width must be at least 1"):
        SegNetConfig(width=0)


def test_in_bfloat16_and_channels_last():
    model = create(SMALL).eval().to(memory_format=torch.channels_last)
    images = torch.randn(1, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    wanted = model.features(images.contiguous())[0]
    torch.testing.assert_close(model.features(images)[0], wanted, rtol=1e-3, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.features(images)[0].shape == wanted.shape
