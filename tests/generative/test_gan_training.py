"""Training of a network that makes images: it learns, is repeatable, notices collapse, and refuses what cannot work."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from longspan.columns import Image, Number
from longspan.data import Table
from longspan.errors import ConfigError, DataError, ModelFileError
from longspan.generative import GanConfig, Variety, load_generator, train_gan
from longspan.generative.variety import effective_number

TINY: dict[str, Any] = {"steps": 30, "width": 4, "latent": 4, "batch_size": 16}


def squares(count=128, seed=0):
    """Grey images with a bright square somewhere."""
    rng = np.random.default_rng(seed)
    images = np.full((count, 8, 8, 1), 20, np.uint8)
    for image in images:
        top, left = rng.integers(0, 5, 2)
        image[top : top + 3, left : left + 3] = 220
    return images


@pytest.fixture(scope="module")
def table():
    return Table.from_arrays({"image": squares()}, {"image": Image()})


@pytest.mark.parametrize("loss", ["classic", "relativistic"])
def test_made_images_come_nearer_to_real_ones(table, loss):
    def distance(steps):
        config = GanConfig(loss=loss, steps=steps, width=8, latent=8, batch_size=32, lr=2e-3, average=0.9)
        made = train_gan(table, config=config).generator.sample(64).reshape(64, 1, -1).astype(float)
        real = squares().reshape(1, 128, -1).astype(float)
        return np.sqrt(((made - real) ** 2).mean(axis=-1)).min(axis=1).mean()

    assert distance(150) < 0.75 * distance(1)


def test_the_same_seed_gives_the_same_network_and_a_file_the_same_images(table, tmp_path):
    one, again = (train_gan(table, config=GanConfig(**TINY), seed=1) for _ in range(2))
    other = train_gan(table, config=GanConfig(**TINY), seed=2)
    made = one.generator.sample(5, seed=3)
    assert made.shape == (5, 8, 8, 1)
    assert np.array_equal(made, again.generator.sample(5, seed=3))
    assert not np.array_equal(made, other.generator.sample(5, seed=3))
    loaded = load_generator(one.generator.save(tmp_path / "g.safetensors"))
    assert np.array_equal(made, loaded.sample(5, seed=3))
    assert loaded.info["config"]["steps"] == 30
    assert [record["step"] for record in loaded.info["curve"]] == list(range(1, 31))


def test_truncation_shortens_the_latent_vectors(table):
    generator = train_gan(table, config=GanConfig(**TINY)).generator
    drawn = []
    generator.network.register_forward_pre_hook(lambda _, args: drawn.append(args[0]))
    generator.sample(5, seed=3)
    generator.sample(5, seed=3, truncation=0.5)
    assert torch.equal(drawn[1], drawn[0] / 2)
    for wrong in (0, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="truncation must be above 0 and at most 1"):
            generator.sample(5, truncation=wrong)


def test_the_ends_of_an_interpolation_are_images_of_their_own(table):
    generator = train_gan(table, config=GanConfig(**TINY)).generator
    strip = generator.interpolate(5, seed=4)
    assert strip.shape == (5, 8, 8, 1)
    drawn = []
    generator.network.register_forward_pre_hook(lambda _, args: drawn.append(args[0]))
    generator.interpolate(5, seed=4)
    norms = drawn[0].norm(dim=1)
    # A straight line between independent vectors dips to about 0.7 of their length.
    assert norms.min() > 0.95 * min(norms[0], norms[-1])


def test_the_effective_number_counts_what_is_different():
    apart = 100 * torch.eye(6)
    assert effective_number(apart, 1.0) == pytest.approx(6)
    assert effective_number(apart[[0, 0, 0, 0, 1, 1]], 1.0) == pytest.approx(
        np.exp(-(4 / 6 * np.log(4 / 6) + 2 / 6 * np.log(2 / 6)))
    )
    assert effective_number(torch.zeros(6, 3), 1.0) == pytest.approx(1)


def test_planted_collapse_is_noticed_and_real_images_are_not_taken_for_it():
    real = torch.from_numpy(squares(256)).permute(0, 3, 1, 2).float()
    further = torch.from_numpy(squares(256, seed=9)).permute(0, 3, 1, 2).float()
    variety = Variety(real)
    assert variety.of(further) > 0.8
    assert variety.of(further[:3].repeat(86, 1, 1, 1)[:256]) < 0.3


def test_collapse_in_training_is_told_and_kept(table, monkeypatch):
    monkeypatch.setattr(Variety, "of", lambda self, made: 0.1)
    told = []
    training = train_gan(table, config=GanConfig(**TINY), tell=told.append)
    warnings = [line for line in told if "Mode collapse" in line]
    assert len(warnings) == 1
    assert "0.10 times as varied" in warnings[0]
    assert training.collapsed_at == 8  # the first look after a quarter of the steps
    assert training.warning == warnings[0]
    assert training.generator.info["collapsed_at"] == 8


def test_few_images_and_unreadable_ones_are_refused(tmp_path):
    folder = tmp_path / "three"
    folder.mkdir()
    for name in "abc":
        Pillow.new("L", (8, 8)).save(folder / f"{name}.png")
    with pytest.raises(ConfigError, match="There are 3 images, but a network that makes images needs 100"):
        train_gan(folder)
    for number, image in enumerate(squares(101)):
        Pillow.fromarray(image[..., 0]).save(folder / f"{number}.png")
    (folder / "bad.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"bad\.png"):
        train_gan(folder, config=GanConfig(**TINY))
    assert train_gan(folder, config=GanConfig(**TINY), on_error="skip").images == 104


def test_wrong_options_and_files_are_told(table, tmp_path):
    with pytest.raises(ConfigError, match=r"steps must be at least 1, got 0; lr must be above 0 and finite, got nan"):
        GanConfig(steps=0, lr=float("nan"))
    with pytest.raises(ConfigError, match="images of 33 px: take 28 or 32"):
        GanConfig(size_px=33)
    numbers = Table.from_arrays({"x": np.arange(200.0)}, {"x": Number()})
    with pytest.raises(ConfigError, match="this table has 0"):
        train_gan(numbers)
    with pytest.raises(ModelFileError, match=r"none\.safetensors"):
        load_generator(tmp_path / "none.safetensors")
