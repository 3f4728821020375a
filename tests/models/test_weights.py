import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision import models as published

from longspan.errors import WeightsError
from longspan.models import DeepCNNConfig, create, load_weights
from longspan.models.vision.torchvision_nets import TorchvisionNet
from longspan.models.weights import _resized_embedding, to_channels

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def _plain(state):
    return {name: value.contiguous() for name, value in state.items()}


@pytest.fixture(scope="module")
def shufflenet(tmp_path_factory):
    """A whole small torchvision network and a file of its state dict."""
    net = published.shufflenet_v2_x0_5(weights=None).eval()
    path = tmp_path_factory.mktemp("weights") / "shufflenet.safetensors"
    save_file(_plain(net.state_dict()), path)
    return net, path


def test_squeezenet_gives_the_pooled_features_of_torchvisions_own(data_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))  # an empty cache: the data pack must serve
    whole = published.squeezenet1_1(weights=None).eval()
    whole.load_state_dict(load_file(data_folder / "weights" / "squeezenet1_1.safetensors"))
    model = create("squeezenet1_1", weights="imagenet").eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        features = model(images)
        torch.testing.assert_close(features, whole.features(images).mean((2, 3)))
        # The class layer is a convolution of places: what it makes of the maps is what torchvision answers.
        logits = whole.classifier[1](model.features(images)[-1]).relu().mean((2, 3))
        torch.testing.assert_close(logits, whole(images))
    assert features.std() > 0.1


def test_squeezenet_sees_the_same_in_grey_as_in_a_grey_colour_image(data_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path))
    color = create("squeezenet1_1", weights="imagenet").eval()
    grey = create("squeezenet1_1", in_channels=1, weights="imagenet").eval()
    six = create("squeezenet1_1", in_channels=6, weights="imagenet").eval()
    images = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        wanted = color(images.expand(-1, 3, -1, -1))
        torch.testing.assert_close(grey(images), wanted, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(six(images.expand(-1, 6, -1, -1)), wanted, rtol=1e-4, atol=1e-4)


def test_file_with_torchvisions_names(shufflenet):
    net, path = shufflenet
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net.fc(create("shufflenet_v2_x0_5", weights=path).eval()(images)), net(images))


def test_pth_file_is_read_too(shufflenet, tmp_path):
    net, _ = shufflenet
    torch.save(net.state_dict(), tmp_path / "net.pth")
    model = create("shufflenet_v2_x0_5", weights=tmp_path / "net.pth")
    assert model.state_dict()["net.conv5.0.weight"].equal(net.state_dict()["conv5.0.weight"])


def test_backbone_of_a_longspan_model_file(tmp_path):
    trained = create("resnet20", in_channels=1)
    state = {f"backbone.{name}": value for name, value in trained.state_dict().items()}
    save_file({**state, "head.weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    model = create("resnet20", in_channels=1, weights=tmp_path / "model.safetensors")
    for name, value in model.state_dict().items():
        assert value.equal(trained.state_dict()[name]), name


def test_own_names_of_a_torchvision_network(tmp_path):
    trained = create("squeezenet1_1", in_channels=1, pool="avg_max")
    save_file(trained.state_dict(), tmp_path / "own.safetensors")
    model = create("squeezenet1_1", in_channels=1, weights=tmp_path / "own.safetensors")
    assert all(value.equal(trained.state_dict()[name]) for name, value in model.state_dict().items())


def test_first_layer_by_channels():
    kernels = torch.randn(2, 3, 1, 1)
    assert to_channels(kernels, 1).equal(kernels.sum(1, keepdim=True))
    torch.testing.assert_close(to_channels(kernels, 2), kernels[:, :2] * 1.5)
    torch.testing.assert_close(to_channels(kernels, 4), torch.cat([kernels, kernels[:, :1]], dim=1) * 0.75)


def test_published_googlenet_reads_images_as_torchvisions_does(tmp_path):
    net = published.googlenet(weights=None, aux_logits=False, init_weights=True, transform_input=True).eval()
    state = {**net.state_dict(), "aux1.fc2.weight": torch.zeros(2)}  # the published file holds auxiliary heads
    save_file(_plain(state), tmp_path / "googlenet.safetensors")
    model = create("googlenet", weights=tmp_path / "googlenet.safetensors").eval()
    images = (torch.rand(1, 3, 64, 64) - MEAN) / STD
    with torch.no_grad():
        torch.testing.assert_close(net.fc(model(images)), net(images), rtol=1e-4, atol=1e-4)
    again = create("googlenet")
    again.load_state_dict(model.state_dict())
    assert again.state_dict()["input_scale"].flatten()[0] == pytest.approx(0.229 / 0.5)


def test_names_of_the_densenet_files_of_2017(tmp_path):
    net = published.densenet121(weights=None).eval()
    old = {}
    for name, value in net.state_dict().items():
        for part in ("norm", "conv"):
            name = name.replace(f".{part}1.", f".{part}.1.").replace(f".{part}2.", f".{part}.2.")
        if not name.endswith("num_batches_tracked"):
            old[name] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    save_file(_plain(old), tmp_path / "densenet121.safetensors")
    model = create("densenet121", weights=tmp_path / "densenet121.safetensors").eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net.classifier(model(images)), net(images), rtol=1e-4, atol=1e-4)


def test_position_embedding_is_resized_as_torchvision_does():
    embedding = torch.randn(1, 1 + 14 * 14, 6)
    wanted = published.vision_transformer.interpolate_embeddings(96, 16, {"encoder.pos_embedding": embedding})
    torch.testing.assert_close(_resized_embedding(embedding, 1 + 6 * 6), wanted["encoder.pos_embedding"])


def test_what_does_not_fit_is_listed_and_the_network_left_alone(shufflenet, tmp_path):
    net, path = shufflenet
    model = create("squeezenet1_1")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match=r"features\.0\.weight is missing(?s:.*)and \d+ more(?s:.*)What fits has 50"):
        load_weights(model, path)
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())

    state = _plain(net.state_dict())
    state["conv5.0.weight"] = torch.zeros(7, 192, 1, 1)
    save_file(state, tmp_path / "shape.safetensors")
    with pytest.raises(
        WeightsError, match=r"conv5\.0\.weight is \(7, 192, 1, 1\), the network has \(1024, 192, 1, 1\)"
    ):
        create("shufflenet_v2_x0_5", weights=tmp_path / "shape.safetensors")

    save_file(create("deep_cnn", in_channels=1, size_px=(28, 28)).state_dict(), tmp_path / "cnn.safetensors")
    with pytest.raises(WeightsError, match=r"units\.weight is \(50, 1024\).*\(9, 1024\)\n.*in_channels and size_px"):
        create(DeepCNNConfig(units=9), in_channels=1, size_px=(28, 28), weights=tmp_path / "cnn.safetensors")


def test_files_that_are_none(tmp_path):
    with pytest.raises(WeightsError, match="There is no weights file imagenett"):
        create("resnet20", weights="imagenett")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(WeightsError, match="cut short or not a safetensors file"):
        create("resnet20", weights=broken)
    with pytest.raises(WeightsError, match="No weights trained on ImageNet are published for resnet20"):
        create("resnet20", weights="imagenet")


def test_first_convolution_is_the_one_that_is_adapted(shufflenet):
    net, path = shufflenet
    model = create("shufflenet_v2_x0_5", in_channels=1, weights=path)
    assert isinstance(model, TorchvisionNet)
    assert model.net.get_parameter("conv1.0.weight").equal(net.conv1[0].weight.sum(1, keepdim=True))
