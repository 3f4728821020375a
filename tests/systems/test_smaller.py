import json
from typing import Any

import pytest
from scipy import stats

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.systems import SystemRun, find_system
from longspan.systems.smaller import SmallerOptions, closed_gaps


def test_the_gap_is_that_of_the_means_and_its_interval_that_of_the_seeds():
    found = closed_gaps({"teacher": [0.8, 0.9], "student alone": [0.6, 0.7], "student, same photos": [0.7, 0.82]})
    assert found["accuracy, teacher"] == pytest.approx(0.85)
    assert found["gap closed, same photos"] == pytest.approx(0.55)
    assert found["error"] == pytest.approx(0.24)
    low, high = stats.t.interval(0.95, 1, 0.55, 0.05)  # of 0.5 and 0.6
    assert found["gap closed, same photos, low"] == pytest.approx(low)
    assert found["gap closed, same photos, high"] == pytest.approx(high)
    worse = closed_gaps({"teacher": [0.5], "student alone": [0.6], "student, same photos": [0.7]})
    assert worse["gap closed, same photos"] == 0.0


def test_ranges_are_checked():
    out_of_range: list[dict[str, Any]] = [
        {"rows": 5},
        {"seeds": 0},
        {"max_drop": 1.5},
        {"variants": "int8,,onnx"},
        {"temperature": 0.0},
    ]
    for options in out_of_range:
        with pytest.raises(ConfigError, match="must be"):
            SmallerOptions(**options)
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet20'"):
        SmallerOptions(model="resnett20")


def test_a_variant_that_does_not_exist_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(ls, "Learner", None)
    with pytest.raises(UnknownNameError, match="int8"):
        find_system("smaller").run(SmallerOptions(variants="int7"), SystemRun("smaller", tmp_path, quiet=True))


@pytest.mark.slow
def test_a_student_of_cifar(tmp_path, data_folder):
    options = SmallerOptions(data="cifar10", rows=200, unlabelled=200, test_rows=100, epochs=2, seeds=1)
    find_system("smaller").run(options, SystemRun("smaller", tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert set(result["accuracies"]) == {
        "teacher", "student alone", "student, same photos", "student, more photos"
    }  # fmt: skip
    assert ls.load(tmp_path / "model.safetensors").heads["label"].num_outputs == 10
