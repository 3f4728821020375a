import json
import sys

import numpy as np
import pytest

import longspan as ls
from longspan.deploy import timing
from longspan.deploy.compress_rows import Rows
from longspan.errors import ConfigError, ModelFileError, UnknownNameError

MODULE = sys.modules["longspan.deploy.compress"]  # of that name the package has the function


@pytest.fixture(autouse=True)
def _one_round(monkeypatch):
    """Each file is timed in a process of its own, in every round."""
    monkeypatch.setattr(timing, "_ROUNDS", 1)


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    """Variants of every kind of step, in a folder."""
    folder = tmp_path_factory.mktemp("compressed") / "out"
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "_ROUNDS", 1)  # before the fixture above, which is made for each test
        frontier = ls.compress(
            trained, out=folder, variants=["bfloat16", "onnx", "int8", "prune50+int8", "student"], student="resnet20",
            epochs=1, student_epochs=1, runs=8, threads=[1], tell=told.append,
        )  # fmt: skip
    return frontier, folder, told


def test_every_variant_is_a_file_that_predicts(made, squares):
    frontier, folder, _ = made
    assert [each.name for each in frontier.variants] == [
        "original", "bfloat16", "onnx", "int8", "prune50+int8", "student",
    ]  # fmt: skip
    for each in frontier.variants[1:]:
        path = folder / each.file
        model = ls.OnnxModel.load(path) if path.suffix == ".onnx" else ls.load(path, device="cpu")
        assert model.predict(squares.value(0, "image")).value in ("left", "right")
    assert {path.name for path in folder.iterdir()} == {
        "bfloat16.safetensors", "onnx.onnx", "int8.onnx", "prune50+int8.onnx", "student.safetensors", "frontier.json",
        "report.html",
    }  # fmt: skip


def test_figures_are_those_of_the_files(made, trained):
    frontier, folder, _ = made
    held = trained.task.valid.numpy()
    table = trained.task.table.take(held)
    assert frontier.rows == len(held)
    assert frontier.original.metrics["side"] == pytest.approx(trained.evaluate()["accuracy"])
    right = [each.value == side for each, side in zip(
        ls.OnnxModel.load(folder / "int8.onnx").predict(table), table["side"], strict=True
    )]  # fmt: skip
    int8 = next(each for each in frontier.variants if each.name == "int8")
    assert int8.metrics["side"] == pytest.approx(np.mean(right))
    assert int8.losses["side"].lost == pytest.approx(frontier.original.metrics["side"] - np.mean(right))
    assert int8.megabytes == pytest.approx((folder / "int8.onnx").stat().st_size / 1e6, abs=1e-3)
    assert int8.memory_mb < frontier.original.memory_mb  # no PyTorch in its process


def test_half_precision_halves_the_file_and_layers_in_integers_are_counted(made):
    frontier, _, told = made
    found = {each.name: each for each in frontier.variants}
    assert found["bfloat16"].megabytes < 0.75 * found["student"].megabytes
    assert found["int8"].notes["integer_layers"] >= 20
    assert found["prune50+int8"].notes["multiply_adds_gone"] >= 0.5
    assert any("layers are computed in 8-bit integers" in line for line in told)


def test_the_page_and_the_json_say_the_same(made):
    frontier, folder, _ = made
    described = json.loads((folder / "frontier.json").read_text())
    assert described["recommendation"] == frontier.recommendation()
    assert [each["name"] for each in described["variants"]] == [each.name for each in frontier.variants]
    page = (folder / "report.html").read_text()
    assert "prune50+int8" in page
    assert "<svg" in page


def test_only_training_rows_calibrate_and_sealed_rows_measure_nothing(trained):
    predictor, table = trained.predictor(), trained.task.table
    rows = Rows.of(predictor, table, None, 1000, needed=["int8"])
    train, valid = trained.task.train.numpy(), trained.task.valid.numpy()
    assert len(rows.calibration.encoded["image"]) == len(train)
    assert len(rows.held_out) == len(valid)
    assert np.array_equal(
        np.stack(rows.encoded_held_out.encoded["image"])[..., 0], np.stack(table.take(valid)["image"])
    )


def test_sealed_and_validation_rows_may_not_calibrate(trained, tmp_path):
    table, task = trained.task.table, trained.task
    sealed = table.take(task.split.vault.rows_for_leak_check())
    with pytest.raises(ConfigError, match="24 sealed test rows of this model: only training rows may calibrate"):
        ls.compress(trained, out=tmp_path / "out", variants=["int8"], calibration=sealed)
    with pytest.raises(ConfigError, match="24 validation rows"):
        ls.compress(trained, out=tmp_path / "out", variants=["int8"], calibration=table.take(task.valid.numpy()))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_calibration_set_is_refused(trained, tmp_path):
    table = trained.task.table
    held = table.take(trained.task.valid.numpy())
    with pytest.raises(ConfigError, match="The calibration set is empty: int8 needs training rows"):
        ls.compress(trained, held, out=tmp_path / "out", variants=["int8"])
    with pytest.raises(ConfigError, match="is empty: it has no row"):
        ls.compress(trained, out=tmp_path / "out", variants=["int8"], calibration=table.take([]))
    with pytest.raises(ConfigError, match="can measure: 72 trained this model"):
        ls.compress(trained, table.take(trained.task.train.numpy()), out=tmp_path / "out", variants=["int8"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"variants": ["int7"]}, UnknownNameError, "int8"),
        ({"variants": []}, ConfigError, "No variant is named"),
        ({"variants": ["student"]}, ConfigError, "needs student="),
        ({"variants": ["student"], "student": "resnett20"}, UnknownNameError, "Did you mean 'resnet20'"),
        ({"variants": ["int8"], "student": "resnet20"}, ConfigError, "no variant is a student"),
        ({"max_drop": -0.1}, ConfigError, "max_drop must be at least 0"),
        ({"epochs": 0}, ConfigError, "epochs must be at least 1"),
        ({"threads": [0]}, ConfigError, "threads= must be at least 1"),
    ],
)
def test_what_cannot_be_right_is_refused_first(trained, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        ls.compress(trained, out=tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_variants_is_kept(trained, made, tmp_path):
    with pytest.raises(ConfigError, match=r"holds int8\.onnx already"):
        ls.compress(trained, out=made[1], variants=["int8"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        ls.compress(trained, out=tmp_path / "file", variants=["int8"])


def test_what_fails_leaves_nothing(trained, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ModelFileError("broken")

    monkeypatch.setattr(MODULE, "time_files", broken)
    with pytest.raises(ModelFileError, match="broken"):
        ls.compress(trained, out=tmp_path / "out", variants=["bfloat16"])
    assert list(tmp_path.iterdir()) == []


def test_of_all_variants_those_that_cannot_be_made_are_left_out_and_of_named_ones_they_are_errors(
    trained, tmp_path, monkeypatch
):
    def refuse(*_, **__):
        raise ConfigError("this network cannot be pruned")

    monkeypatch.setattr("longspan.deploy.variant_maker.prune", refuse)
    monkeypatch.setattr(MODULE, "default_variants", lambda student: ("bfloat16", "prune30"))
    found = ls.compress(trained, out=tmp_path / "out", runs=4, threads=[1])
    assert found.left_out == {"prune30": "this network cannot be pruned"}
    with pytest.raises(ConfigError, match="cannot be pruned"):
        ls.compress(trained, out=tmp_path / "other", variants=["prune30"])
