import pytest
import torch
import torch.nn.functional as F

from longspan.errors import ConfigError, ShapeError
from longspan.models import SpaceDisplacementLeNetConfig, create, from_json, load_weights, to_json
from longspan.models.vision.lenet import LeNet5
from longspan.models.vision.space_displacement_lenet import SpaceDisplacementLeNet, to_space_displacement
from longspan.storage.files import write_tensors


def single(height=32, channels=1):
    torch.manual_seed(0)
    return LeNet5(in_channels=channels, size_px=(height, 32)).eval()


@pytest.mark.parametrize(("height", "channels", "width"), [(32, 1, 32), (32, 1, 128), (32, 3, 60), (37, 1, 71)])
def test_each_step_is_the_single_network_on_its_window(height, channels, width):
    model = single(height, channels)
    slid = to_space_displacement(model, width, margin_px=0)
    images = torch.randn(2, channels, height, width)
    steps = slid(images)
    windows = F.pad(images, (0, 3, 0, 0), mode="replicate").unfold(3, 32, 4).unbind(dim=3)
    windows = windows[: -(-(width - 32) // 4) + 1]
    assert steps.shape == (2, len(windows), 84)
    for step, window in enumerate(windows):
        torch.testing.assert_close(steps[:, step], model(window), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("width", "steps"), [(4, 1), (32, 8), (33, 9), (128, 32)])
def test_with_margins_there_is_a_window_over_the_middle_of_every_4_px(width, steps):
    model = single()
    slid = to_space_displacement(model, width)
    images = torch.randn(1, 1, 32, width)
    assert slid(images).shape == (1, steps, 84)
    columns = torch.arange(-14, 18).clamp(0, width - 1)  # 16 px to both sides of px 2
    torch.testing.assert_close(slid(images)[:, 0], model(images[..., columns]), rtol=1e-5, atol=1e-5)


def test_weights_of_a_trained_lenet5_fit_by_name(tmp_path):
    write_tensors(tmp_path / "lenet.safetensors", single().state_dict(), {})
    slid = create("space_displacement_lenet", in_channels=1, size_px=(32, 64))
    load_weights(slid, tmp_path / "lenet.safetensors")
    images = torch.randn(1, 1, 32, 64)
    assert slid(images).equal(to_space_displacement(single(), 64)(images))


def test_the_single_network_stays_as_it_was():
    model = single()
    slid = to_space_displacement(model, 64)
    with torch.no_grad():
        slid.c1.zero_()
        slid.c5.weight.zero_()
    assert model.c1.any()
    assert model.c5.weight.any()
    assert not slid.training


def test_options_survive_json():
    model = create(SpaceDisplacementLeNetConfig(margin_px=3), in_channels=1, size_px=(32, 64))
    again = from_json(to_json(model))
    assert isinstance(again, SpaceDisplacementLeNet)
    assert (again.name, again.margin_px) == ("space_displacement_lenet", 3)


def test_what_cannot_be_slid_is_refused():
    for size_px in ((28, 28), (28, 32), (32, 28), (32, 64)):
        with pytest.raises(ShapeError, match=rf"windows of 32 px width .* {size_px[0]} x {size_px[1]} px"):
            to_space_displacement(LeNet5(size_px=size_px), 128)
    with pytest.raises(ShapeError, match="at least 26 px width, got 20"):
        SpaceDisplacementLeNet(SpaceDisplacementLeNetConfig(margin_px=3), size_px=(32, 20))
    with pytest.raises(ShapeError, match="built for images of 32 px height and any width, got 40 x 64"):
        SpaceDisplacementLeNet()(torch.randn(1, 1, 40, 64))
    with pytest.raises(ConfigError, match="space_displacement_lenet has other layers"):
        SpaceDisplacementLeNet(pool="avg")
    with pytest.raises(ConfigError, match="margin_px must be at least 0"):
        SpaceDisplacementLeNetConfig(margin_px=-1)
