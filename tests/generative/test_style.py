"""Style transfer on small images, with an eye of random weights: losses by hand, and that they fall."""

import numpy as np
import pytest
import torch
from PIL import Image

from longspan.errors import ConfigError, DataError, ModelFileError, ShapeError
from longspan.generative import (
    StyleConfig,
    StyleTraining,
    apply_style,
    load_style,
    save_style,
    train_style,
    transfer_style,
)
from longspan.generative.style import read_photo
from longspan.generative.style_losses import StyleLosses, gram
from longspan.models.generative.style_network import StyleNetwork

SMALL = {"size_px": 64, "network": "squeezenet1_1", "weights": None}


@pytest.fixture(scope="module")
def eye():
    torch.manual_seed(0)
    return StyleLosses("squeezenet1_1", None)


@pytest.fixture(scope="module")
def photo():
    rows, columns = np.mgrid[:64, :64]
    return np.stack([rows * 4, columns * 4, 255 - rows * 4], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def painting():
    return np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)


def test_gram_matrices_are_those_of_a_loop():
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    by_hand = torch.zeros(2, 3, 3)
    for image in range(2):
        for one in range(3):
            for other in range(3):
                by_hand[image, one, other] = (maps[image, one] * maps[image, other]).sum() / 20
    torch.testing.assert_close(gram(maps), by_hand)


def test_losses_are_0_for_photo_and_painting_themselves(eye, photo, painting):
    photo, painting = read_photo(photo, 64, "photo"), read_photo(painting, 64, "painting")
    eye.look_at_content(photo)
    eye.look_at_style(painting)
    content, _ = eye(photo)
    assert content.tolist() == [0.0]
    eye.look_at_content(painting)
    content, style = eye(painting)
    assert style.item() == pytest.approx(0, abs=1e-10)
    assert eye(torch.rand(painting.shape, generator=torch.Generator().manual_seed(0)))[1].item() > 1e-6


def test_style_does_not_depend_on_where_things_are_but_content_does(eye, painting):
    painting = read_photo(painting, 64, "painting")
    moved = painting.roll((16, 32), (-2, -1))
    eye.look_at_content(painting)
    eye.look_at_style(painting)
    content, style = eye(moved)
    assert style.item() < 0.1 * content.item()


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_style_loss_falls_and_pixels_stay_pixels(eye, photo, painting, optimizer):
    config = StyleConfig(**SMALL, steps=25, optimizer=optimizer, frames=3)
    result = transfer_style(photo, painting, config=config, losses=eye)
    weighted = np.array(result.content_losses) + config.style_weight * np.array(result.style_losses)
    assert result.content_losses[0] < 0.01
    assert weighted[-1] < 0.7 * weighted[0]
    assert result.image.shape == (64, 64, 3)
    assert result.image.dtype == np.uint8
    assert [step for step, _ in result.frames] == [0, 1, 25]
    assert np.abs(result.frames[0][1].astype(int) - photo).max() <= 6  # 0 and 255 have no logit


def test_the_same_seed_gives_the_same_image(eye, photo, painting):
    config = StyleConfig(**SMALL, steps=3, start="noise")
    one, again = (transfer_style(photo, painting, config=config, losses=eye, seed=1).image for _ in range(2))
    other = transfer_style(photo, painting, config=config, losses=eye, seed=2).image
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_network_learns_to_paint(eye, photo, painting, tmp_path):
    config = StyleConfig(**SMALL)
    training = StyleTraining(steps=30, batch_size=1, crop_px=64, width=4, blocks=1)
    photos = [photo, photo[::-1].copy()]

    def weighted(network):
        target = read_photo(photo, 64, "photo")
        eye.look_at_content(target)
        with torch.no_grad():
            content, style = eye(network(target))
        return content.item() + config.style_weight * style.item()

    untrained = train_style(
        photos,
        painting,
        config=config,
        losses=eye,
        training=StyleTraining(steps=1, batch_size=1, crop_px=64, width=4, blocks=1, lr=1e-9),
    )
    before = weighted(untrained)
    network = train_style(photos, painting, config=config, losses=eye, training=training)
    assert weighted(network) < 0.7 * before
    loaded = load_style(save_style(network, tmp_path / "painter.safetensors"))
    odd = photo[:61, :50]
    painted, seconds = apply_style(network, odd, 61)
    assert painted.shape == (61, 50, 3)
    assert seconds > 0
    assert np.array_equal(apply_style(loaded, odd, 61)[0], painted)


def test_a_network_reads_sides_divisible_by_4():
    with pytest.raises(ShapeError, match="pad them to 68 x 64"):
        StyleNetwork(4, 1)(torch.zeros(1, 3, 66, 64))


def test_errors_say_what_and_how_to_mend_it(photo, painting, tmp_path):
    with pytest.raises(ConfigError, match=r"size_px must be at least 64, got 8; steps .* 0; optimizer must be"):
        StyleConfig(size_px=8, steps=0, optimizer="sgd")
    with pytest.raises(ConfigError, match="style_weight must be a finite number above 0, got nan"):
        StyleConfig(style_weight=float("nan"))
    with pytest.raises(ConfigError, match="crop_px must be divisible by 4, got 66"):
        StyleTraining(crop_px=66)
    (tmp_path / "painting.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"The painting .*painting\.jpg cannot be read"):
        transfer_style(photo, tmp_path / "painting.jpg", config=StyleConfig(**SMALL))
    with pytest.raises(DataError, match="would be 64 x 6 px"):
        transfer_style(photo[:6], painting, config=StyleConfig(**SMALL))
    with pytest.raises(DataError, match="there are none"):
        train_style([], painting)
    with pytest.raises(ConfigError, match="no feature maps"):
        StyleLosses("vit_b_16", None)
    Image.new("RGB", (8, 8)).save(tmp_path / "painter.png")
    with pytest.raises(ModelFileError):
        load_style(tmp_path / "painter.png")
