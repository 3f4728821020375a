import numpy as np
import pytest
import torch
from torch.nn import functional as F

from longspan.vision import ResizeTransform
from longspan.vision.smooth_masks import classes_in_source


def logits(height, width, classes=3):
    return torch.randn(classes, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("source", [(96, 64), (50, 130), (20, 24)])
def test_stretched_is_torchs_bilinear_interpolation(source):
    values = logits(32, 40)
    expected = F.interpolate(values[None], size=source, mode="bilinear", align_corners=False)[0].argmax(dim=0)
    found = classes_in_source(values, ResizeTransform(source, (32, 40), "stretch"), 255)
    assert found.dtype == np.uint8
    assert (found == expected.numpy()).mean() > 0.9995  # ties of rounding


def test_probabilities_say_the_same_as_logits():
    values = logits(16, 16)
    transform = ResizeTransform((80, 80), (16, 16), "stretch")
    probable = classes_in_source(values.softmax(dim=0).log(), transform, 255)
    assert (probable == classes_in_source(values, transform, 255)).mean() > 0.999


@pytest.mark.parametrize("how", ["pad", "crop"])
def test_padding_has_no_say_and_what_was_cut_is_filled(how):
    transform = ResizeTransform((60, 120), (32, 32), how)
    x = torch.arange(32) + 0.5
    left, _ = transform.points_to_frame([60, 30])  # the middle of the source
    values = torch.stack([(left - x).expand(32, 32), (x - left).expand(32, 32), torch.full((32, 32), -1e3)])
    if how == "pad":
        top = int(transform.points_to_frame([0, 0])[1])
        values[2, :top] = values[2, 32 - top :] = 1e6  # a class of its own above and below
    found = classes_in_source(values, transform, 255)
    assert found.shape == (60, 120)
    near = transform.mask_to_source(values.argmax(dim=0).byte().numpy(), 255)
    assert ((found == 255) == (near == 255)).all()
    shown = found != 255
    assert set(np.unique(found[shown])) == {0, 1}
    expected = np.broadcast_to(np.arange(120) >= 60, (60, 120))
    assert (found[shown] == expected[shown]).all(), "exact to the pixel, not to the 4 pixels of the frame"


def test_a_border_is_smooth_where_the_nearest_pixel_makes_steps():
    y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
    distance = (x - 16) ** 2 + (y - 16) ** 2
    values = torch.stack([distance - 100, 100 - distance])
    transform = ResizeTransform((320, 320), (32, 32), "stretch")
    v, u = np.mgrid[:320, :320] + 0.5
    disc = (u / 10 - 16) ** 2 + (v / 10 - 16) ** 2 < 100
    smooth = classes_in_source(values, transform, 255) == 1
    steps = transform.mask_to_source(values.argmax(dim=0).byte().numpy(), 255) == 1
    assert (smooth != disc).sum() * 4 < (steps != disc).sum()


def test_strips_change_nothing(monkeypatch):
    values, transform = logits(20, 30), ResizeTransform((101, 77), (20, 30), "pad")
    whole = classes_in_source(values, transform, 255)
    monkeypatch.setattr("longspan.vision.smooth_masks._AT_A_TIME", 3 * 77 * 7)
    np.testing.assert_array_equal(classes_in_source(values, transform, 255), whole)
