"""Quick looks at the systems for sound."""

import json

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.keywords import KeywordsOptions
from longspan.systems.sound_as_image import SoundOptions


def result_of(name, options, folder):
    find_system(name).run(options, SystemRun(name, folder, quiet=True))
    return json.loads((folder / "result.json").read_text())


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
def test_digits_by_speakers_left_out(tmp_path):
    options = SoundOptions(
        data="fsdd", protocol="speakers", model="bc_resnet1", weights="none", head_epochs=0, epochs=1, folds=2,
        limit=8, mels=40,
    )  # fmt: skip
    result = result_of("sound-as-image", options, tmp_path)
    assert list(result["accuracy_by_fold"]) == ["speaker george", "speaker jackson"]
    assert result["metrics"]["accuracy"] == pytest.approx(np.mean(list(result["accuracy_by_fold"].values())), abs=1e-5)
    model = ls.load(tmp_path / "model.safetensors")
    assert sum(model.info["training"]["rows"].values()) < 80


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
def test_keywords_from_scratch(tmp_path):
    options = KeywordsOptions(model="bc_resnet1", limit=120, epochs=1)
    result = result_of("keywords", options, tmp_path)
    assert 0 <= result["metrics"]["test_accuracy"] <= 1
    model = ls.load(tmp_path / "model.safetensors")
    assert model.inputs["audio"].spec().size_px == (40, 101)


def test_options_that_cannot_be():
    for options in (
        {"protocol": "speakers"},
        {"model": "speech_embedding"},
        {"folds": 0},
        {"limit": 1},
        {"head_epochs": 0},
    ):
        with pytest.raises(ConfigError):
            SoundOptions(**options)
    for options in ({"data": "arabic", "background": True}, {"limit": 3}, {"head_epochs": 0, "epochs": 0}):
        with pytest.raises(ConfigError):
            KeywordsOptions(**options)
