import json

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems import SystemRun, find_system
from longspan.systems.mnist_deep_cnn import MnistOptions

pytestmark = pytest.mark.usefixtures("data_folder")


@pytest.mark.parametrize("preset", [pytest.param("book", marks=pytest.mark.slow), "fast"])
def test_a_quick_look(tmp_path, preset):
    options = MnistOptions(preset=preset, limit=240, epochs=1)
    find_system("mnist-deep-cnn").run(options, SystemRun("mnist-deep-cnn", tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert set(result["metrics"]) == {"valid_accuracy", "test_accuracy"}
    info = ls.load(tmp_path / "model.safetensors").info
    assert info["training"]["rows"] == {"train": 192, "valid": 48}
    [opening] = info["vault"]["openings"]
    assert opening["rows"] == 40
    wrong = round((1 - result["metrics"]["test_accuracy"]) * 40)
    assert f"{wrong} of 40 test digits are misread" in (tmp_path / "report.html").read_text()


def test_the_official_test_digits_are_the_vault():
    digits = ls.datasets.load("mnist")
    split = digits.split(column="part", valid=2000, seed=0, stratify="digit")
    assert (len(split.train), len(split.valid), len(split.vault)) == (58_000, 2_000, 10_000)
    assert np.array_equal(split.vault.rows_for_leak_check(), np.arange(60_000, 70_000))


def test_a_limit_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="--limit must be at least 200 and at most 60000, got 7"):
        MnistOptions(limit=7)
