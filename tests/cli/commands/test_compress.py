import json

import numpy as np
import pytest
from PIL import Image

import longspan as ls
from longspan.cli import main
from longspan.deploy import timing


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of images by class, a model that was trained on them, and where it lies."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(60):
        side = ("left", "right")[number % 2]
        pixels = random.integers(0, 90, (16, 16), np.uint8)
        pixels[5:10, (2 if side == "left" else 10) :][:, :4] += 140
        (folder / side).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / side / f"{number}.png")
    table = ls.Table.from_files(folder, r"(?P<side>.+)/\d+\.png")
    task = ls.Task(table.split(valid=0.3), inputs="image", targets="side", allow_leaks=True)
    learner = ls.Learner(task, "resnet20", config=ls.TrainConfig(batch_size=16), device="cpu", progress=False)
    path = tmp_path_factory.mktemp("model") / "sides.safetensors"
    learner.fit(1, 1e-3).save(path)
    return folder, path


PATTERN = ("--pattern", r"(?P<side>.+)/\d+\.png")


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["longspan", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        main()
    printed = capsys.readouterr()
    return done.value.code, printed.out, printed.err


def test_compress_writes_variants_that_predict_takes(saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(timing, "_ROUNDS", 1)  # each file is timed in a process of its own, in every round
    folder, path = saved
    out = tmp_path / "small"
    code, printed, _ = run(
        monkeypatch, capsys, "compress", path, folder, *PATTERN, "--out", out, "--variant", "int8", "--runs", 4,
        "--threads", 1,
    )  # fmt: skip
    assert code == 0
    assert "18 held-out rows measure, 42 training rows" in printed
    assert "layers are computed in 8-bit integers" in printed
    described = json.loads((out / "frontier.json").read_text())
    assert described["recommendation"] in printed
    code, printed, _ = run(monkeypatch, capsys, "predict", out / "int8.onnx", folder / "left" / "0.png", "--json")
    assert code == 0
    assert json.loads(printed)["side"] in ("left", "right")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--variant", "int9"), "Did you mean 'int8'?"),
        (("--variant", "student"), "--variant student needs --student NETWORK"),
        (("--variant", "student", "--student", "resnett20"), "Did you mean 'resnet20'?"),
        (("--variant", "prune50", "--augment", "photo"), "Did you mean 'photos'?"),
        (("--variant", "int8", "--max-drop", "2"), "max_drop must be at least 0 and below 1"),
        (("--variant", "int8", "--calibration", "nowhere.csv"), "There is no file or folder nowhere.csv"),
    ],
)
def test_what_cannot_be_right_ends_with_exit_code_2_and_leaves_nothing(
    saved, tmp_path, monkeypatch, capsys, words, message
):
    folder, path = saved
    code, _, error = run(monkeypatch, capsys, "compress", path, folder, *PATTERN, "--out", tmp_path / "out", *words)
    assert code == 2
    assert message in error
    assert not (tmp_path / "out").exists()


def test_a_model_of_a_newer_version_is_refused(saved, tmp_path, monkeypatch, capsys):
    from longspan.storage.files import read_tensors, write_tensors

    folder, path = saved
    tensors, described = read_tensors(path)
    newer = tmp_path / "newer.safetensors"
    write_tensors(newer, tensors, {**described, "format_version": 99})
    code, _, error = run(
        monkeypatch, capsys, "compress", newer, folder, *PATTERN, "--out", tmp_path / "out", "--variant", "onnx"
    )
    assert code == 2
    assert "format version 99" in error
    assert not (tmp_path / "out").exists()
