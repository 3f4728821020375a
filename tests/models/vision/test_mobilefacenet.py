import pytest
import torch
from safetensors.torch import load_file

from longspan.errors import ConfigError, ShapeError, WeightsError
from longspan.models import create


def test_size_and_shape_are_those_of_the_published_network():
    network = create("mobilefacenet", size_px=(112, 112)).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == 999_936
    with torch.inference_mode():
        assert network(torch.rand(2, 3, 112, 112)).shape == (2, 128)
        maps = network.features(torch.rand(1, 3, 112, 112))
    assert [tuple(each.shape[1:]) for each in maps] == [(64, 56, 56), (64, 28, 28), (128, 14, 14), (512, 7, 7)]


def test_other_sizes_and_pools_are_refused():
    network = create("mobilefacenet", size_px=(64, 48)).eval()
    assert network(torch.rand(1, 3, 64, 48)).shape == (1, 128)
    with pytest.raises(ShapeError, match="was built for images of 64 x 48"):
        network(torch.rand(1, 3, 48, 48))
    with pytest.raises(ConfigError, match="pool"):
        create("mobilefacenet", pool="avg_max")


def test_published_weights_go_where_their_names_say(data_folder):
    """Against the same steps written with the published tensors, for the first block and the last layers."""
    published = load_file(data_folder / "weights" / "mobilefacenet.safetensors")
    network = create("mobilefacenet", size_px=(112, 112), weights="faces").eval()

    def norm(maps, name):
        parts = [published[f"{name}.{each}"].float() for each in ("running_mean", "running_var", "weight", "bias")]
        return torch.nn.functional.batch_norm(maps, *parts, training=False, eps=1e-5)

    def conv(maps, name, **options):
        return torch.nn.functional.conv2d(maps, published[f"{name}.weight"].float(), **options)

    image = torch.rand(1, 3, 112, 112)
    stem = norm(conv(image, "conv1.0", stride=2, padding=1), "conv1.1").clamp(0, 6)
    stem = norm(conv(stem, "dw_conv.depthwise", padding=1, groups=64), "dw_conv.bn1").relu()
    stem = norm(conv(stem, "dw_conv.pointwise"), "dw_conv.bn2").relu()
    with torch.inference_mode():
        maps = network.features(image)
        torch.testing.assert_close(maps[0], stem, atol=1e-4, rtol=1e-4)
        end = norm(conv(maps[-1], "gdconv.depthwise", groups=512), "gdconv.bn")
        end = norm(conv(end, "conv3", bias=published["conv3.bias"].float()), "bn").flatten(1)
        torch.testing.assert_close(network(image), end, atol=1e-4, rtol=1e-4)


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("LONGSPAN_DATA", str(tmp_path))
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"The weights of mobilefacenet are not here: put mobilefacenet\.safetensors"
    ):
        create("mobilefacenet", weights="faces")
