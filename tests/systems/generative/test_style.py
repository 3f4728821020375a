"""The system style on small images: its files, a painter that is used again, and wrong options."""

import json

import numpy as np
import pytest
from PIL import Image

from longspan.errors import ConfigError, UnknownNameError
from longspan.systems import SystemRun, find_system
from longspan.systems.generative.style import StyleOptions

TINY = {"size_px": 64, "weights": "none"}


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "b", "c", "d", "painting"):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((80, 64)).save((folder if len(name) == 1 else tmp_path) / f"{name}.png")
    return tmp_path


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


def run(folder, **options):
    find_system("style").run(StyleOptions(**options), SystemRun("style", folder, quiet=True))
    return json.loads((folder / "result.json").read_text())


def test_a_painter_is_trained_compared_and_used_again(images):
    files = {"content": str(images / "photos" / "a.png"), "style": str(images / "painting.png")}
    training = {"train_on": str(images / "photos"), "train_steps": 2, "steps": 3, "row": True}
    result = run(images / "out", **TINY, **files, **training)
    assert len(result["compared"]) == 2
    assert result["metrics"]["seconds in one pass, 512 px"] > 0
    assert len(result["style_losses"]) == 3
    shapes = {name: pixels_of(images / "out" / f"{name}.png").shape for name in ("style", "one_pass", "weights")}
    assert shapes == {"style": (51, 64, 3), "one_pass": (51, 64, 3), "weights": (51, 192, 3)}
    again = run(images / "again", size_px=64, content=files["content"], painter=str(images / "out/painter.safetensors"))
    assert set(again["metrics"]) == {"seconds"}
    assert np.array_equal(pixels_of(images / "out/one_pass.png"), pixels_of(images / "again/style.png"))


def test_wrong_options_are_told(images, monkeypatch):
    with pytest.raises(ConfigError, match="--painter paints with a network that is there already"):
        StyleOptions(painter="a.safetensors", train=True)
    with pytest.raises(ConfigError, match="--size-px must be at least 64"):
        StyleOptions(size_px=8)
    (images / "photos" / "one").mkdir()
    Image.new("RGB", (64, 64)).save(images / "photos" / "one" / "a.png")
    files = {"content": str(images / "photos" / "a.png"), "style": str(images / "painting.png"), "steps": 2}
    with pytest.raises(ConfigError, match="has 1 photos; a network needs two"):
        run(images / "few", **TINY, **files, row=False, train_on=str(images / "photos" / "one"))


def test_an_unknown_painting_is_told_with_the_nearest_name(images, data_folder):
    del data_folder
    with pytest.raises(UnknownNameError, match="starry_night"):
        run(images / "out", **TINY, content=str(images / "photos" / "a.png"), style="stary_night")
