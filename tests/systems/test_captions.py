"""Captions through the system, from made-up images in the layout of Flickr8k."""

import json

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.captions import CaptionsOptions, _best_on_valid


def scenes(name="flickr8k-small"):
    rng = np.random.default_rng(0)
    pixels, captions, parts = [], [], []
    for row in range(20):
        colour, word = (((230, 40, 40), "red"), ((40, 200, 60), "green"))[row % 2]
        image = rng.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        x, y = rng.integers(2, 14, 2)
        image[y : y + 16, x : x + 16] = colour
        part = "train" if row < 12 else "valid" if row < 16 else "test"
        for text in (f"A {word} box stands on the ground.", f"There is a {word} box."):
            pixels.append(row)
            captions.append(text)
            parts.append(part)
        scenes.images[row] = image
    cells = {"image": [scenes.paths[row] for row in pixels], "caption": captions, "part": parts}
    return ls.Table.from_arrays(cells, {"image": ls.Image(), "caption": ls.Text(), "part": ls.Category()})


@pytest.fixture(autouse=True)
def _made_up(monkeypatch, tmp_path):
    from PIL import Image as PillowImage

    scenes.images, scenes.paths = {}, {row: str(tmp_path / f"{row}.png") for row in range(20)}
    monkeypatch.setattr(ls.datasets, "load", scenes)
    scenes_table = scenes()
    for row, image in scenes.images.items():
        PillowImage.fromarray(image).save(scenes.paths[row])
    assert len(scenes_table) == 40


def run(tmp_path, **options):
    chosen = CaptionsOptions(backbone="space_to_depth_cnn", weights="none", size_px=32, **options)
    find_system("captions").run(chosen, SystemRun("captions", tmp_path / "out", quiet=True))
    return json.loads((tmp_path / "out/result.json").read_text())


@pytest.mark.parametrize("strategy", ["nic", "attention"])
def test_a_network_writes_captions(strategy, tmp_path):
    result = run(tmp_path, strategy=strategy, width=16, epochs=2, beam=2)
    metrics = result["metrics"]
    assert {"cider, nearest", "cider, frequent", f"bleu4, {strategy}", "copied", "words"} <= set(metrics)
    assert metrics[f"cider low, {strategy}"] <= metrics[f"cider, {strategy}"] <= metrics[f"cider high, {strategy}"]
    model = ls.load(tmp_path / "out/model.safetensors")
    assert isinstance(model.predict(scenes.paths[0]).value, str)
    assert (model.heads["caption"].beam, model.heads["caption"].length_penalty) == (2, 1.0)


def test_validation_chooses_the_search(tmp_path):
    result = run(tmp_path, strategy="nic", width=16, epochs=1)
    head = ls.load(tmp_path / "out/model.safetensors").heads["caption"]
    assert result["chosen on validation"] == {"beam": head.beam, "length_penalty": head.length_penalty}
    written = {"a": ["a dog runs", "two cats sit"], "b": ["b dog runs", "two cats sit"]}
    assert _best_on_valid(["a", "b"], written.__getitem__, [["b dog runs"], ["no"]]) == "b"


def test_in_stages_words_are_detected_and_the_language_model_is_kept(tmp_path):
    result = run(tmp_path, strategy="staged", words=4, epochs=2)
    assert result["metrics"]["words"] >= 2
    assert (tmp_path / "out/captions.arpa").read_text().startswith("\\data\\")
    assert "Captions of test images" in (tmp_path / "out/report.html").read_text()


def test_options_that_cannot_be_are_refused():
    for options in ({"epochs": 0}, {"limit": 2}, {"words": 0}, {"beam": 0}):
        with pytest.raises(ConfigError, match="--"):
            CaptionsOptions(**options)
