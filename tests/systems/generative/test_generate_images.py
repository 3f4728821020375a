"""The system generate-images on small digits: its files, figures for each loss and seed, and wrong options."""

import json

import numpy as np
import pytest
from PIL import Image

from longspan.errors import ConfigError
from longspan.generative import load_generator
from longspan.systems import SystemRun, find_system
from longspan.systems.generative.generate_images import GenerateImagesOptions

TINY = {"data": "digits", "steps": 4, "width": 4, "batch_size": 16, "limit": 200, "compared": 60}


def run(folder, **options):
    find_system("generate-images").run(
        GenerateImagesOptions(**options), SystemRun("generate-images", folder, quiet=True)
    )
    return json.loads((folder / "result.json").read_text())


def test_both_losses_are_trained_measured_and_kept(tmp_path):
    result = run(tmp_path / "out", **TINY, runs=2)
    assert [(each["loss"], each["seed"]) for each in result["trainings"]] == [
        ("classic", 0), ("relativistic", 0), ("classic", 1), ("relativistic", 1),
    ]  # fmt: skip
    assert result["images"] == 200
    precisions = [each["precision"] for each in result["trainings"] if each["loss"] == "classic"]
    assert result["metrics"]["classic: precision"] == pytest.approx(np.mean(precisions))
    assert result["metrics"]["classic: precision, lowest of 2"] == min(precisions)
    assert result["metrics"]["real images: precision"] > 0.7
    assert result["classifier"].startswith("lenet5 ")
    for name in ("classic_images", "relativistic_between"):
        with Image.open(tmp_path / "out" / f"{name}.png") as image:
            assert image.size[0] > 64
    kept = load_generator(tmp_path / "out" / "generator.safetensors")
    assert kept.info["config"]["loss"] == "relativistic"
    assert "Copies?" in (tmp_path / "out" / "report.html").read_text()
    again = run(tmp_path / "again", **TINY, loss="classic", classifier=str(tmp_path / "out" / "classifier.safetensors"))
    assert again["classifier"] == result["classifier"]
    assert again["trainings"][0]["precision"] == result["trainings"][0]["precision"]


def test_a_folder_without_classes_is_compared_by_imagenet_weights(tmp_path, data_folder):
    del data_folder
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(220):
        Image.fromarray(rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    options = TINY | {"data": str(folder), "size_px": 16, "loss": "relativistic", "limit": 160}
    result = run(tmp_path / "out", **options)
    assert result["classifier"].startswith("squeezenet1_1 ")
    assert result["images"] == 160


def test_wrong_options_are_told(tmp_path):
    with pytest.raises(ConfigError, match="--loss must be classic, relativistic or both, got 'wgan'"):
        GenerateImagesOptions(loss="wgan")
    with pytest.raises(ConfigError, match="--compared must be at least 50, got 3"):
        GenerateImagesOptions(compared=3)
    folder = tmp_path / "three"
    folder.mkdir()
    for name in "abc":
        Image.new("L", (8, 8)).save(folder / f"{name}.png")
    with pytest.raises(ConfigError, match=r"has 3 images\. 100 are needed at least"):
        run(tmp_path / "out", **(TINY | {"data": str(folder)}))
    assert not (tmp_path / "out" / "result.json").exists()
