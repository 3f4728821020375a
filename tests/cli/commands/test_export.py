import json

import numpy as np
import pytest
from PIL import Image

from longspan.cli import main


@pytest.fixture
def model(exported, tmp_path):
    """A saved model and an image for it."""
    path, photo = tmp_path / "tiny.safetensors", tmp_path / "photo.png"
    exported[0].save(path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)).save(photo)
    return path, photo


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["longspan", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        main()
    printed = capsys.readouterr()
    return done.value.code, printed.out, printed.err


def test_export_compares_on_real_rows_and_predicts_the_same(model, monkeypatch, capsys):
    path, photo = model
    code, out, _ = run(monkeypatch, capsys, "export", path, photo, "--fixed-size")
    assert code == 0
    assert "on 1 rows" in out
    assert "animal: 100 % of predictions are the same" in out
    predicted = [
        run(monkeypatch, capsys, "predict", each, photo, "--json") for each in (path, path.with_suffix(".onnx"))
    ]
    one, other = (json.loads(text) for _, text, _ in predicted)
    assert one["animal"] == other["animal"]
    assert one["probabilities"] == pytest.approx(other["probabilities"], abs=2e-6)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--to", "onx"], "Did you mean 'onnx'"),
        (["--rows", "0"], "--rows must be at least 1"),
        (["--opset", "99"], "Opset 99 is not there"),
        (["--out", "model.pt"], "ends in .onnx"),
    ],
)
def test_wrong_options_are_told(words, error, model, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, told = run(monkeypatch, capsys, "export", model[0], *words)
    assert code == 2
    assert error in told
    assert not (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("words", [["--views", "2"], ["--tiles"], ["--device", "cuda"]])
def test_options_that_need_pytorch_are_refused(words, exported, model, monkeypatch, capsys):
    code, _, told = run(monkeypatch, capsys, "predict", exported[1].path, model[1], *words)
    assert code == 2
    assert "not for exported models" in told


def test_score_is_refused(exported, model, monkeypatch, capsys):
    code, _, told = run(monkeypatch, capsys, "predict", exported[1].path, model[1], "--score", "0.4")
    assert code == 2
    assert "this model is an exported model" in told
