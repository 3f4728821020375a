"""What is wrong with options is said before any data is read."""

import importlib.util
import json
import subprocess
import sys

import pytest

import longspan as ls
from longspan.errors import ConfigError, DependencyError, UnknownNameError
from longspan.train.designs import split_weights, with_weights


@pytest.fixture
def no_reading(monkeypatch):
    """Fails the test when data is read."""

    def read(*_, **__):
        raise AssertionError("data was read")

    for name in ("longspan.cli.tasks.read_source", "longspan.data.readers.open_path.open_path"):
        monkeypatch.setattr(name, read)


@pytest.fixture
def without(monkeypatch):
    """`without("faster_coco_eval")`: as if it were not installed."""
    find = importlib.util.find_spec

    def hide(module):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None if name == module else find(name))

    return hide


@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [
        (("--model", "faster_rcnn:resnet18"), "faster_coco_eval", "detect"),
        (("--format", "yolo", "--annotations", "."), "faster_coco_eval", "detect"),
        (("--format", "instance-masks", "--annotations", "."), "faster_coco_eval", "detect"),
        (("--target", "where:boxes"), "faster_coco_eval", "detect"),
        (("--column", "sound=audio"), "soundfile", "audio"),
    ],
)
@pytest.mark.parametrize("command", ["train", "study"])
def test_a_missing_extra_is_named_before_data_is_read(
    longspan, pets, tmp_path, monkeypatch, no_reading, without, command, words, module, extra
):
    monkeypatch.chdir(tmp_path)
    without(module)
    strategies = ("--model", "resnet18") if command == "study" and "--model" not in words else ()
    answer = longspan(command, pets, *words, *strategies)
    assert answer.code == 2
    assert module in answer.err
    assert f"pip install 'longspan[{extra}]'" in answer.err


def test_studies_on_ray_and_yaml_name_their_extra_first(longspan, pets, tmp_path, monkeypatch, no_reading, without):
    monkeypatch.chdir(tmp_path)
    without("ray")
    assert "longspan[ray]" in longspan("study", pets, "--model", "resnet18", "--backend", "ray").err
    without("yaml")
    (tmp_path / "data.yaml").write_text("names: [a]\n")
    assert "longspan[yaml]" in longspan("train", "data.yaml").err


def test_a_learner_names_a_missing_extra_before_samples_are_read(tmp_path, without, monkeypatch):
    rows = {"image": ["a.png", "b.png"] * 4, "boxes": [[{"box": [0, 0, 1, 1], "label": "a"}]] * 8}
    task = ls.Task(ls.Table.from_arrays(rows, {"image": ls.Image(), "boxes": ls.Boxes()}).split(), "image", "boxes")
    monkeypatch.setattr(ls.Task, "prepare", lambda *_: pytest.fail("samples were read"))
    without("faster_coco_eval")
    with pytest.raises(DependencyError, match=r"Measuring 'boxes' \(boxes\) needs faster_coco_eval"):
        ls.Learner(task, "faster_rcnn:resnet18")
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet18'"):
        ls.Learner(task, "resnet8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "resnet81"), "Did you mean 'resnet18'"),
        (("--model", "resnet18:imagenett"), "Did you mean 'imagenet'"),
        (("--model", "resnet18:imagenet", "--weights", "none"), "give one"),
        (("--weights", "nowhere.safetensors"), "There is no weights file nowhere.safetensors"),
        (("--model", "lenet5:imagenet"), "No weights trained on ImageNet are published for lenet5"),
        (("--split-by", "patient"), "group:patient"),
        (("--epochs", "0"), "at least 1"),
        (("--batch-size", "0"), "batch_size"),
        (("--device", "gpu7"), "gpu7"),
        (("--relabel", "nowhere.csv"), "--relabel nowhere.csv: there is no such file"),
        (("--classes", "nowhere.txt", "--format", "yolo", "--annotations", "."), "--classes nowhere.txt"),
    ],
)
def test_slips_are_said_before_data_is_read(longspan, pets, tmp_path, monkeypatch, no_reading, words, said):
    monkeypatch.chdir(tmp_path)
    answer = longspan("train", pets, *words)
    assert (answer.code, said in answer.err) == (2, True), answer.err
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_source_that_is_missing_is_said_before_a_model_that_exists(longspan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").touch()
    answer = longspan("train", "pettts")
    assert "There is no file or folder pettts" in answer.err
    assert len(answer.err) < 400


def test_a_misspelt_source_gets_the_file_that_is_there_or_the_data_set(longspan, pets, tmp_path):
    assert f"Did you mean {pets}?" in longspan("train", tmp_path / "pet").err
    assert "Did you mean 'mnist'?" in longspan("train", "mnits").err
    assert "does not exist either" in longspan("train", tmp_path / "no" / "x.csv").err


def test_weights_stand_behind_a_model_in_train_study_and_python(longspan, pets, tmp_path, monkeypatch):
    assert split_weights("unet:resnet18:imagenet") == ("unet:resnet18", "imagenet")
    assert with_weights("resnet18:none", None) == ("resnet18", None)
    with pytest.raises(ConfigError, match="say one"):
        with_weights("resnet18:imagenet", "other.safetensors")
    messages = []
    for command in ("train", "study"):
        monkeypatch.chdir(tmp_path)
        messages.append(longspan(command, pets, "--pattern", r"(?P<b>.+)_\d+\.png", "--model", "resnet18:imgnet").err)
    with pytest.raises(UnknownNameError) as error:
        split_weights("resnet18:imgnet")
    assert messages == [f"longspan: error: {error.value}\n"] * 2


def test_lenet_without_weights_by_its_name_trains(longspan, pets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = longspan("train", pets, "--pattern", r"(?P<b>.+)_\d+\.png", "--model", "lenet5:none", "--epochs", "1")
    assert answer.code == 0, answer.err
    assert "from scratch" in answer.out


def test_every_extra_of_the_project_is_described():
    import tomllib
    from pathlib import Path

    from longspan.extras import EXTRAS

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"])


def test_probabilities_of_all_classes_and_json_by_the_ending(longspan, trained, pets, tmp_path):
    files = sorted(pets.iterdir())[:3]
    assert longspan("predict", trained, *files, "--probabilities", "--out", tmp_path / "p.csv").code == 0
    head, *rows = (tmp_path / "p.csv").read_text().splitlines()
    assert head == "file,breed,breed_probability,breed_probability_bengal,breed_probability_pug"
    for row in rows:
        _, label, top, *each = row.split(",")
        assert sum(map(float, each)) == pytest.approx(1, abs=1e-5)
        assert float(top) == pytest.approx(float(each[["bengal", "pug"].index(label)]))
    assert longspan("predict", trained, *files, "--out", tmp_path / "q.json").code == 0
    objects = json.loads((tmp_path / "q.json").read_text())
    assert [each["file"] for each in objects] == [str(file) for file in files]
    assert set(objects[0]["probabilities"]) == {"pug", "bengal"}
    assert longspan("predict", trained, files[0], "--out", tmp_path / "q.tsv").code == 0
    assert (tmp_path / "q.tsv").read_text().startswith("file\tbreed\tbreed_probability\n")
    refused = longspan("predict", trained, files[0], "--out", tmp_path / "q.xlsx")
    assert (refused.code, "such as q.csv" in refused.err) == (2, True)
    shown = longspan("predict", trained, files[0], "--probabilities").out
    assert "(bengal " in shown


def test_a_model_is_measured_on_a_path(trained, pets, tmp_path):
    model = ls.load(trained)
    lines = ["image,breed", *(f"{file},{file.name.split('_')[0]}" for file in sorted(pets.iterdir()))]
    path = tmp_path / "pets.csv"
    path.write_text("\n".join(lines) + "\n")
    table = ls.Table.from_csv(path, {"image": ls.Image()})
    with pytest.warns(UserWarning, match="trained this model"):
        expected = model.evaluate(table)
    with pytest.warns(UserWarning, match="trained this model"):
        assert model.evaluate(path) == expected
    path.write_text(path.read_text().replace("image,breed", "photo,breed"))  # the file may call its images otherwise
    with pytest.warns(UserWarning, match="trained this model"):
        assert model.evaluate(str(path)) == expected


def test_a_path_that_is_missing_is_refused_before_pytorch_is_imported():
    code = (
        "import sys\nfrom longspan.cli import main\nsys.argv = ['longspan', 'train', 'nowhere/photos']\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "There is no file or folder nowhere/photos" in found.stderr
    assert found.stdout.strip() == "False"
