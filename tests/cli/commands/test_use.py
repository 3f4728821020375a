import csv
import json
import shlex

import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls

PATTERN = r"(?P<breed>.+)_\d+\.png"


def test_a_readable_line_per_file(longspan, trained, pets):
    files = [pets / "pug_1.png", pets / "bengal_10.png"]
    answer = longspan("predict", trained, *files)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines] == [str(file) for file in files]
    assert [line.split()[1] for line in lines] == ["breed=pug", "breed=bengal"]
    assert all(0.5 <= float(line.split()[2]) <= 1 for line in lines)


def test_json_is_an_object_for_one_file_and_a_list_for_several(longspan, trained, pets):
    one = json.loads(longspan("predict", trained, pets / "pug_1.png", "--json").out)
    assert one["file"] == str(pets / "pug_1.png")
    assert one["breed"] == "pug"
    assert set(one["probabilities"]) == {"pug", "bengal"}
    several = json.loads(longspan("predict", trained, pets / "pug_1.png", pets / "pug_2.png", "--json").out)
    assert [answer["file"] for answer in several] == [str(pets / "pug_1.png"), str(pets / "pug_2.png")]
    assert several[0]["probability"] == pytest.approx(one["probability"], abs=1e-5)


def test_a_table_of_predictions(longspan, trained, pets, tmp_path):
    files = sorted(pets.iterdir())
    answer = longspan("predict", trained, *files, "--out", tmp_path / "answers.csv")
    assert answer.code == 0
    rows = list(csv.DictReader((tmp_path / "answers.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == [str(file) for file in files]
    assert [row["breed"] for row in rows] == [file.name.split("_")[0] for file in files]
    again = longspan("predict", trained, *files, "--out", tmp_path / "answers.csv")
    assert again.code == 2
    assert "--force" in again.err


def test_more_files_than_are_held_at_once(longspan, trained, pets, monkeypatch):
    from longspan.cli.commands import predict

    files = sorted(pets.iterdir())[:5]
    together = longspan("predict", trained, *files).out
    monkeypatch.setattr(predict, "_AT_A_TIME", 2)
    assert longspan("predict", trained, *files).out == together
    files[0].write_bytes(b"")
    files[4].write_bytes(b"no image")
    answer = longspan("predict", trained, *files)
    assert answer.code == 2
    assert answer.out == ""
    assert str(files[0]) in answer.err
    assert str(files[4]) in answer.err


def test_views(longspan, trained, pets):
    assert longspan("predict", trained, pets / "pug_1.png", "--views", "4").code == 0
    answer = longspan("predict", trained, pets / "pug_1.png", "--views", "0")
    assert (answer.code, answer.out) == (2, "")


def test_every_file_that_cannot_be_read_is_named(longspan, trained, pets, tmp_path):
    empty, cut, text = tmp_path / "empty.png", tmp_path / "cut.png", tmp_path / "text.png"
    empty.write_bytes(b"")
    cut.write_bytes((pets / "pug_1.png").read_bytes()[:200])
    text.write_text("hello")
    answer = longspan("predict", trained, pets / "pug_1.png", empty, cut, text, "--out", tmp_path / "a.csv")
    assert answer.code == 2
    for file in (empty, cut, text):
        assert str(file) in answer.err
    assert "pug_1" not in answer.err
    assert answer.out == ""
    assert not (tmp_path / "a.csv").exists()
    answer = longspan("predict", trained, pets / "pug_1.png", tmp_path / "emty.png", tmp_path / "gone.png")
    assert f"There is no file {tmp_path / 'emty.png'}. Nor is there {tmp_path / 'gone.png'}. Did you mean" in answer.err
    assert f"{tmp_path / 'empty.png'}?" in answer.err


def test_a_folder_stands_for_the_images_in_it(longspan, trained, pets, tmp_path):
    folder = longspan("predict", trained, pets)
    assert folder.code == 0
    assert folder.out == longspan("predict", trained, *sorted(pets.glob("*.png"))).out
    (tmp_path / "nothing").mkdir()
    answer = longspan("predict", trained, tmp_path / "nothing")
    assert (answer.code, "There are no images or recordings in the folder" in answer.err) == (2, True)


@pytest.mark.parametrize("kind", ["missing", "cut", "foreign", "pickle"])
def test_a_model_file_that_is_none(longspan, trained, pets, tmp_path, kind):
    import torch
    from safetensors.torch import save_file

    path = tmp_path / ("model.pth" if kind == "pickle" else "model.safetensors")
    if kind == "cut":
        path.write_bytes(trained.read_bytes()[:1000])
    elif kind == "foreign":
        save_file({"x": torch.zeros(2)}, path)
    elif kind == "pickle":
        path.write_bytes(b"\x80\x04.")
    for words in (("predict", path, pets / "pug_1.png"), ("evaluate", path, pets, "--pattern", PATTERN)):
        answer = longspan(*words)
        assert answer.code == 2
        assert str(path) in answer.err
        assert answer.err.startswith("longspan: error: ")


def test_a_run_folder_is_no_model_but_holds_one(longspan, trained, pets):
    answer = longspan("predict", trained.parent, pets / "pug_1.png")
    assert (answer.code, f"Did you mean {trained}?" in answer.err) == (2, True)


def test_measures_on_a_folder(longspan, trained, tmp_path):
    for label, level in (("pug", 20), ("bengal", 150)):
        for number in range(50, 56):
            noise = np.random.default_rng([level, number]).integers(0, 60, (28, 28))
            PILImage.fromarray((noise + level).astype(np.uint8)).save(tmp_path / f"{label}_{number}.png")
    answer = longspan("evaluate", trained, tmp_path, "--pattern", PATTERN)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"12 rows of {tmp_path}\n")
    metrics = dict(line.split() for line in answer.out.splitlines()[1:])
    assert float(metrics["accuracy"]) == 1
    as_json = json.loads(longspan("evaluate", trained, tmp_path, "--pattern", PATTERN, "--json").out)
    assert as_json["accuracy"] == 1
    assert as_json["rows"] == 12


def test_rows_that_trained_or_chose_the_model_are_measured_apart(longspan, trained, pets):
    answer = longspan("evaluate", trained, pets, "--pattern", PATTERN)
    assert (answer.code, answer.err) == (0, "")
    table = {line.split()[0]: line.split()[1:] for line in answer.out.splitlines()[1:4]}
    assert table["part"][:2] == ["rows", "loss"]
    assert (table["train"][0], table["valid"][0]) == ("19", "5")
    assert "train: the model was trained on these rows" in answer.out
    as_json = json.loads(longspan("evaluate", trained, pets, "--pattern", PATTERN, "--json").out)
    assert {part: each["rows"] for part, each in as_json["parts"].items()} == {"train": 19, "valid": 5}
    assert "accuracy" not in as_json


def test_sealed_rows_are_measured_for_a_reason_that_the_file_keeps(longspan, pets, tmp_path):
    model = tmp_path / "m.safetensors"
    said = longspan(
        "train", pets, "--pattern", PATTERN, "--model", "lenet5", "--epochs", 1, "--test", 4, "--out", model
    )
    command = next(line for line in said.out.splitlines() if "--open-vault REASON" in line).split()
    assert command[:2] == ["longspan", "evaluate"]
    words = shlex.split(" ".join(command[1:]))
    closed = longspan(*words[:-2])
    assert "test: sealed test rows; --open-vault REASON measures on them" in closed.out
    assert "-" in next(line for line in closed.out.splitlines() if line.startswith("test "))
    opened = json.loads(longspan(*words[:-1], "for the paper", "--json").out)
    assert opened["parts"]["test"]["rows"] == 4
    info = ls.load(model).info
    assert [each["reason"] for each in info["vault"]["openings"]] == ["for the paper"]
    assert info["metrics"]["test"]["accuracy"] == opened["accuracy"] == opened["parts"]["test"]["accuracy"]
    assert longspan("evaluate", model, tmp_path / "pets", "--pattern", PATTERN, "--open-vault", " ").code == 2


def test_metrics_of_each_class(longspan, trained, pets):
    answer = longspan("evaluate", trained, pets, "--pattern", PATTERN, "--per-class")
    assert answer.code == 0
    assert "classes of breed" in answer.out
    bengal = next(line for line in answer.out.splitlines() if line.startswith("bengal")).split()
    assert bengal == ["bengal", "12", *["1.0000"] * 5]
    values = json.loads(longspan("evaluate", trained, pets, "--pattern", PATTERN, "--per-class", "--json").out)
    assert [each["label"] for each in values["classes"]["breed"]] == ["bengal", "pug"]


def test_a_vault_without_rows_is_not_opened(longspan, trained, pets):
    answer = longspan("evaluate", trained, pets, "--pattern", PATTERN, "--open-vault", "why")
    assert answer.code == 2
    assert "None of these rows is a sealed test row of this model" in answer.err


def test_measures_on_some_rows(longspan, trained, pets):
    told = ("evaluate", trained, pets, "--pattern", PATTERN, "--where")
    assert "12 rows" in longspan(*told, "breed=pug").out
    none = longspan(*told, "breed=poodle")
    assert none.code == 2
    assert "holds bengal, pug" in none.err
    assert "COLUMN=VALUE" in longspan(*told, "breed").err


def test_a_source_without_the_models_columns(longspan, trained, pets):
    answer = longspan("evaluate", trained, pets, "--pattern", r"(?P<bred>.+)_\d+\.png")
    assert answer.code == 2
    assert "There is no column 'breed'. Did you mean 'bred'?" in answer.err


def test_a_pipeline_is_measured(longspan, pets, tmp_path):
    table = ls.Table.from_files(pets, PATTERN)
    recipe = ls.Recipe("lenet5", epochs=1, config=ls.TrainConfig(batch_size=8))
    stage = ls.Stage("tell", recipe, reads="image", adds={"breed": ls.Category()})
    pipeline = ls.Pipeline([stage]).fit(table)
    pipeline.save(tmp_path / "tell.safetensors")
    answer = longspan("evaluate", tmp_path / "tell.safetensors", pets, "--pattern", PATTERN, "--json")
    assert (answer.code, answer.err) == (0, "")
    said = json.loads(answer.out)
    assert (said["rows"], said["error"]) == (24, pytest.approx(pipeline.evaluate(table)["error"]))
    answer = longspan("evaluate", tmp_path / "tell.safetensors", pets, "--pattern", PATTERN, "--views", "3")
    assert (answer.code, "this model is a pipeline" in answer.err) == (2, True)
