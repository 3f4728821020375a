"""What an augmentation draws stays within its settings and depends on the row alone."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longspan.errors import ConfigError, UnknownNameError
from longspan.vision.augment import Augment
from longspan.vision.augment_params import warp_images, warp_points

EVERYTHING = Augment(rotate_deg=20, shift=0.1, scale=0.2, crop=0.6, flip=True, brightness=0.2, contrast=0.3)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True), st.integers(0, 1000), st.integers(0, 2**40)
)
def test_a_row_draws_the_same_in_any_company(rows, epoch, seed):
    together = EVERYTHING.draw(torch.tensor(rows), epoch, seed, (32, 40))
    for place in (0, len(rows) - 1):
        alone = EVERYTHING.draw(torch.tensor(rows[place : place + 1]), epoch, seed, (32, 40))
        assert torch.equal(alone.matrix[0], together.matrix[place])
        assert alone.gain[0] == together.gain[place]
        assert alone.bias[0] == together.bias[place]


def test_epochs_seeds_and_rows_differ():
    rows = torch.arange(50)
    base = EVERYTHING.draw(rows, 0, 0, (32, 32)).matrix
    assert (base != EVERYTHING.draw(rows, 1, 0, (32, 32)).matrix).any(dim=(1, 2)).all()
    assert (base != EVERYTHING.draw(rows, 0, 1, (32, 32)).matrix).any(dim=(1, 2)).all()
    assert len(base.unique(dim=0)) == 50


def test_off_by_default():
    augment_params = Augment().draw(torch.arange(5), 0, 0, (8, 8))
    assert (augment_params.geometry, augment_params.colour) == ("none", False)
    assert not Augment().active
    images = torch.rand(5, 1, 8, 8)
    assert warp_images(images, augment_params) is images


def test_draws_fill_their_ranges_and_no_more():
    rows = torch.arange(4000)

    def drawn(**settings):
        return Augment(**settings).draw(rows, 0, 0, (101, 201))

    turned = drawn(rotate_deg=30).matrix
    angle = torch.rad2deg(torch.atan2(turned[:, 1, 0], turned[:, 0, 0]))
    assert angle.abs().max() <= 30.001
    assert angle.std() == pytest.approx(60 / 12**0.5, rel=0.05)
    zoom = 1 / drawn(scale=0.25).matrix[:, 0, 0]
    assert zoom.min() >= 1 / 1.25 - 1e-4
    assert zoom.max() <= 1.25 + 1e-4
    assert zoom.log().mean().abs() < 0.01
    moved = drawn(shift=0.1).matrix[:, :, 2]
    assert 20 < moved[:, 0].abs().max() <= 20.11
    assert 10 < moved[:, 1].abs().max() <= 10.11
    mirrored = (drawn(flip=True).matrix[:, 0, 0] < 0).float().mean()
    assert mirrored == pytest.approx(0.5, abs=0.03)
    lit = drawn(brightness=0.2, contrast=0.5)
    assert 0.19 < lit.bias.abs().max() <= 0.2
    assert lit.gain.min() == pytest.approx(1 / 1.5, abs=0.01)
    assert lit.gain.max() == pytest.approx(1.5, abs=0.01)


def test_crops_lie_inside_the_image_and_keep_their_fraction():
    augment_params = Augment(crop=0.3).draw(torch.arange(2000), 0, 0, (60, 90))
    corners = torch.tensor([[-0.5, -0.5], [89.5, 59.5]])
    seen = (
        corners * augment_params.matrix[:, [0, 1], [0, 1]][:, None, :] + augment_params.matrix[:, None, :, 2]
    )  # the frame, in input pixels
    assert seen.min() >= -0.51
    assert seen[..., 0].max() <= 89.51
    assert seen[..., 1].max() <= 59.51
    sides = (seen[:, 1] - seen[:, 0]) / torch.tensor([90.0, 60.0])
    fraction = sides.prod(dim=1)
    assert fraction.min() == pytest.approx(0.3, abs=0.01)
    assert fraction.max() == pytest.approx(1.0, abs=0.01)
    assert (sides[:, 0] / sides[:, 1]).max() <= 4 / 3 + 1e-3


def test_points_follow_the_images():
    """Three bright pixels stay at the points that the draws name."""
    images = torch.zeros(30, 3, 48, 48)
    places = torch.tensor([[20, 22], [28, 25], [24, 30]])
    for channel, (x, y) in enumerate(places.tolist()):
        images[:, channel, y - 1 : y + 2, x - 1 : x + 2] = 1
    augment_params = Augment(rotate_deg=20, shift=0.1, scale=0.1, crop=0.7, flip=True, fill=0.0).draw(
        torch.arange(30), 0, 0, (48, 48)
    )
    warped = warp_images(images, augment_params)
    said = warp_points(places[None].expand(30, 3, 2).float(), augment_params)
    axis = torch.arange(48.0)
    weight = warped.sum(dim=(2, 3))
    seen = torch.stack([(warped.sum(2) * axis).sum(-1) / weight, (warped.sum(3) * axis).sum(-1) / weight], dim=-1)
    inside = ((said > 4) & (said < 43)).all(dim=-1)
    assert inside.sum() > 60
    assert (seen - said)[inside].abs().max() < 1


def test_presets_hold_what_their_names_promise():
    assert Augment.photos().flip
    assert not Augment.digits().flip


def test_views_are_fixed_and_start_with_the_image():
    rows = torch.tensor([4, 9])
    views = EVERYTHING.views(4, rows, (10, 12))
    images = torch.rand(2, 3, 10, 12)
    assert warp_images(images, views[0]) is images
    assert torch.equal(warp_images(images, views[1]), images.flip(-1))
    assert not torch.equal(views[2].matrix, views[3].matrix)
    alone = EVERYTHING.views(4, rows[1:], (10, 12))
    assert all(torch.equal(one.matrix[0], both.matrix[1]) for one, both in zip(alone, views, strict=True))
    still = Augment.digits().views(3, rows, (10, 12))
    assert all((view.matrix[:, 0, 0] > 0).all() for view in still)
    with pytest.raises(ConfigError, match="at least 1"):
        EVERYTHING.views(0, rows, (10, 12))


def test_settings_survive_json():
    for augment in (EVERYTHING, Augment.digits(), Augment.photos()):
        assert Augment.from_json(json.loads(json.dumps(augment.to_json()))) == augment
    with pytest.raises(UnknownNameError, match="Did you mean 'rotate_deg'"):
        Augment.from_json({"rotate": 3})


def test_images_stay_sharp_unless_bilinear_is_asked_for_or_an_older_file_had_it():
    rows = torch.arange(2)
    assert Augment(rotate_deg=3).draw(rows, 0, 0, (8, 8)).resample == "bicubic"
    assert Augment.digits().views(3, rows, (8, 8))[2].resample == "bilinear"
    assert Augment.from_json({"rotate_deg": 3.0}).resample == "bilinear"


def test_all_faults_are_named_at_once():
    with pytest.raises(ConfigError, match=r"(?s)rotate_deg.*crop.*flip.*fill.*resample"):
        Augment(rotate_deg=-1, crop=0, flip=1, fill="mirror", resample="nearest")  # pyright: ignore
    with pytest.raises(ConfigError, match="brightness"):
        Augment(brightness=float("nan"))


def test_a_slant_moves_rows_sideways_about_the_middle_and_nothing_else():
    rows = torch.arange(200)
    matrix = Augment(shear_deg=30).draw(rows, 0, 0, (21, 40)).matrix.double()
    middle = matrix @ torch.tensor([7.0, 10.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(
        middle, torch.tensor([[7.0, 10.0]], dtype=torch.float64).expand(200, 2), atol=1e-4, rtol=0
    )
    lower = matrix @ torch.tensor([7.0, 20.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(lower[:, 1], torch.full((200,), 20.0, dtype=torch.float64), atol=1e-4, rtol=0)
    slopes = (lower[:, 0] - 7) / 10
    most = np.tan(np.deg2rad(30))
    assert -most <= slopes.min() < -0.9 * most
    assert 0.9 * most < slopes.max() <= most
    assert Augment(shear_deg=30).geometry == "affine"


def test_what_else_is_drawn_does_not_depend_on_the_slant():
    rows = torch.arange(50)
    plain = EVERYTHING.draw(rows, 3, 1, (28, 28))
    slanted = dataclasses.replace(EVERYTHING, shear_deg=1e-6).draw(rows, 3, 1, (28, 28))
    torch.testing.assert_close(slanted.matrix, plain.matrix, atol=1e-4, rtol=0)
    assert torch.equal(slanted.bias, plain.bias)
