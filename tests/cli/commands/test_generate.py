"""`longspan train --task generate` and `longspan generate`."""

import numpy as np
import pytest
from PIL import Image

FAST = ("--task", "generate", "--set", "steps=4", "--set", "width=4", "--batch-size", "16")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(120):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def generator(longspan, photos, tmp_path):
    path = tmp_path / "g.safetensors"
    ended = longspan("train", photos, *FAST, "--out", path)
    assert ended.code == 0, ended.err
    assert "step 4 of 4" in ended.out
    assert "On the way" in (tmp_path / "g.html").read_text()
    return path


def test_a_network_is_trained_and_makes_the_same_images_for_the_same_seed(longspan, generator, tmp_path):
    ended = longspan("generate", generator, "--n", 5, "--out", tmp_path / "one", "--seed", 3)
    assert ended.code == 0, ended.err
    assert "5 in" in ended.out
    longspan("generate", generator, "--n", 5, "--out", tmp_path / "again", "--seed", 3)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["0000.png", "0001.png", "0002.png", "0003.png", "0004.png", "grid.png", "interpolation.png"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    with Image.open(tmp_path / "one" / "0000.png") as image:
        assert (image.size, image.mode) == ((8, 8), "L")
    longspan("generate", generator, "--n", 5, "--out", tmp_path / "typical", "--seed", 3, "--truncation", 0.1)
    assert (tmp_path / "typical" / "grid.png").read_bytes() != (tmp_path / "one" / "grid.png").read_bytes()
    ended = longspan("generate", generator, "--n", 5, "--out", tmp_path / "one")
    assert ended.code == 2
    assert "add --force" in ended.err
    ended = longspan("generate", generator, "--out", tmp_path / "none", "--truncation", 0)
    assert (ended.code, "--truncation must be above 0 and at most 1" in ended.err) == (2, True)


def test_images_are_compared_by_a_classifier(longspan, generator, photos, trained, tmp_path):
    words = ("generate", generator, "--n", 4, "--out", tmp_path / "made")
    ended = longspan(*words, "--compare", photos, "--features", trained)
    assert ended.code == 0, ended.err
    assert "compared  60 made images with 60 real ones" in ended.out
    for name in ("precision", "recall", "distance", "copies"):
        assert f"\n{name}" in ended.out
    ended = longspan(*words, "--force", "--compare", photos)
    assert ended.code == 2
    assert "--compare SOURCE and --features MODEL go together" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "classify"), "the only task that is named is generate"),
        ((*FAST, "--epochs", "3"), "leave out --epochs"),
        ((*FAST, "--set", "stps=3"), "Did you mean 'steps'?"),
        ((*FAST, "--set", "lr=fast"), "lr is a number"),
        ((*FAST, "--set", "width"), "write NAME=VALUE"),
        ((*FAST, "--set", "batch_size=8"), "--batch-size and --set batch_size say the same"),
        ((*FAST, "--size", "33"), "take 28 or 32"),
        ((*FAST, "--size", "8x9"), "made images are square"),
        ((*FAST, "--out", "run"), "must end in .safetensors"),
    ],
)
def test_wrong_words_are_told(longspan, photos, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    ended = longspan("train", photos, *words)
    assert ended.code == 2
    assert said in ended.err
    assert not list(tmp_path.iterdir())


def test_three_images_and_files_of_other_kinds_are_told(longspan, photos, generator, trained, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for number in range(3):
        Image.new("L", (8, 8)).save(few / f"{number}.png")
    ended = longspan("train", few, *FAST, "--out", tmp_path / "x.safetensors")
    assert ended.code == 2
    assert "There are 3 images" in ended.err
    assert not (tmp_path / "x.safetensors").exists()
    ended = longspan("generate", trained, "--out", tmp_path / "made")
    assert ended.code == 2
    assert "holds no network that makes images" in ended.err
    ended = longspan("predict", generator, photos)
    assert ended.code == 2
    assert "longspan generate" in ended.err
    data = bytearray(generator.read_bytes())
    data[-20] ^= 255
    generator.write_bytes(data)
    ended = longspan("generate", generator, "--out", tmp_path / "made")
    assert ended.code == 2
    assert "damaged" in ended.err
    assert not (tmp_path / "made").exists()
