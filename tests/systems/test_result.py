import json

import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError, UnknownNameError
from longspan.systems import SystemRun, find_system


@pytest.fixture(scope="module")
def learner():
    rows = {"x": np.random.default_rng(0).integers(0, 256, (20, 16, 16), dtype=np.uint8), "digit": [0, 1] * 10}
    table = ls.Table.from_arrays(rows, {"x": ls.Image(), "digit": ls.Category()})
    task = ls.Task(table.split(), inputs="x", targets="digit")
    return ls.Learner(task, "deep_cnn", progress=False).fit(1)


def test_writes_result_report_and_model(tmp_path, learner, capsys):
    run = SystemRun("try", tmp_path / "a" / "b", seed=4)
    run.finish(learner, {"accuracy": 0.5}, train_seconds=1.5, options={"epochs": 3})
    folder = tmp_path / "a" / "b"
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "report.html", "result.json"]
    result = json.loads((folder / "result.json").read_text())
    assert result["system"] == "try"
    assert result["seed"] == 4
    assert result["metrics"] == {"accuracy": 0.5}
    assert result["seconds"] == {"train": 1.5}
    assert result["options"] == {"epochs": 3}
    assert result["environment"]["precision"] in ("float32", "bfloat16")
    assert ls.load(folder / "model.safetensors")
    assert str(folder / "report.html") in capsys.readouterr().out


def test_another_systems_result_is_safe(tmp_path, learner):
    SystemRun("one", tmp_path, quiet=True).finish(learner, {"a": 1.0}, train_seconds=0, options={})
    before = (tmp_path / "result.json").read_bytes()
    with pytest.raises(ConfigError, match="holds a result of 'one'"):
        SystemRun("two", tmp_path)
    assert (tmp_path / "result.json").read_bytes() == before
    SystemRun("one", tmp_path)
    SystemRun("two", tmp_path, force=True, quiet=True).finish(learner, {"a": 1.0}, train_seconds=0, options={})
    assert json.loads((tmp_path / "result.json").read_text())["system"] == "two"


def test_a_run_that_fails_leaves_the_earlier_result_whole(tmp_path, learner, monkeypatch):
    SystemRun("one", tmp_path, quiet=True).finish(learner, {"a": 1.0}, train_seconds=0, options={})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ls.Learner, "save", full)
    with pytest.raises(ConfigError, match="No space left"):
        SystemRun("one", tmp_path, quiet=True).finish(learner, {"a": 2.0}, train_seconds=0, options={})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_that_fails_loses_no_training(tmp_path, learner):
    SystemRun("one", tmp_path, quiet=True).finish(learner, {"a": 1.0}, train_seconds=0, options={})

    def broken():
        raise ZeroDivisionError

    run = SystemRun("one", tmp_path, quiet=True)
    with pytest.raises(ZeroDivisionError):
        run.finish(learner, {"a": 2.0}, train_seconds=0, options={}, report=broken)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "result.json"]
    assert json.loads((tmp_path / "result.json").read_text())["metrics"] == {"a": 2.0}
    assert "only the report is missing" in run.when_stopped


def test_a_folder_that_cannot_be_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="--out"):
            SystemRun("one", place)
    (tmp_path / "result.json").write_text("[]")
    with pytest.raises(ConfigError, match="something else"):
        SystemRun("one", tmp_path)


def test_an_unknown_system_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'mnist-deep-cnn'"):
        find_system("mnist-deepcnn")
