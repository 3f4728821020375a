import importlib.util
import itertools
import json
from pathlib import Path

import pytest

from longspan.cli import speed_test
from longspan.extras import EXTRAS

ROOT = Path(__file__).parents[3]
FAST = speed_test.SpeedTest("resnet18", 224, 8, "cpu", "float32", 1, 4.0, 16.0)


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr("longspan.cli.commands.doctor._speed", lambda: FAST)


def test_it_says_what_each_extra_enables_and_how_to_install_it(longspan, monkeypatch, measured):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == "soundfile" else find(name))
    answer = longspan("doctor")
    assert (answer.code, answer.err) == (0, "")
    for extra in EXTRAS.values():
        assert extra.enables in answer.out
    lines = answer.out.splitlines()
    (audio,) = (place for place, line in enumerate(lines) if line.split()[:2] == ["audio", "missing"])
    assert lines[audio + 1].strip() == "python -m pip install 'longspan[audio]'"
    assert "GB free in" in answer.out
    assert "needs no download: digits" in answer.out
    assert "wider-face" in answer.out
    assert max(map(len, lines)) < 130
    assert "resnet18 at 224 px trains on 4.0 images/s and predicts 16.0 images/s (float32)" in answer.out
    assert "an epoch of 1,000 such images takes about 4 min" in answer.out
    assert "for comparison: 3.7 images/s on one core" in answer.out


def test_without_any_extra_it_works_and_gives_json(longspan, monkeypatch, measured):
    modules = {module for extra in EXTRAS.values() for module in extra.modules}
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name in modules else find(name))
    facts = json.loads(longspan("doctor", "--json").out)
    assert {name: each["installed"] for name, each in facts["extras"].items()} == dict.fromkeys(EXTRAS, False)
    assert facts["speed"]["epoch_of_1000_images_s"] == 250
    assert facts["disk"]["cache"]["free_gb"] > 0
    assert "digits" in facts["data"]
    assert "speed" not in json.loads(longspan("doctor", "--json", "--no-speed").out)


def test_the_speed_test_counts_images_over_the_time_and_ends_in_time(monkeypatch):
    found = speed_test.speed_test("cpu", seconds=0.2, model="resnet20", side_px=32)
    assert found.trained_per_s > 0
    assert found.predicted_per_s > 0
    assert found.side_px == 32
    clock = itertools.count(0.0, 0.5)
    monkeypatch.setattr(speed_test.time, "perf_counter", lambda: next(clock))
    steps = []
    per_s = speed_test._images_per_s(lambda: steps.append(1), 2.0, "cpu")
    assert len(steps) == 1 + 5  # the first warms up; two follow whatever the clock says
    assert per_s == 5 * 8 / 2.5


def test_the_machine_it_compares_with_was_measured():
    result = json.loads((ROOT / "benchmarks/results/doctor_speed.json").read_text())
    (speed,) = speed_test.REFERENCES.values()
    assert speed == round(result["trained_images_per_s"], 1)


def test_only_networks_of_imagenet_are_named_where_its_weights_are(longspan, monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    for name in ("squeezenet1_1", "mobilefacenet", "mtcnn_pnet"):
        (tmp_path / "weights" / f"{name}.safetensors").touch()
    monkeypatch.setenv("LONGSPAN_DATA", str(tmp_path))
    monkeypatch.setenv("LONGSPAN_CACHE", str(tmp_path / "cache"))
    facts = json.loads(longspan("doctor", "--no-speed", "--json").out)
    assert facts["weights"] == ["squeezenet1_1"]
