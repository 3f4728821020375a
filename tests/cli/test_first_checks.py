"""Slips are refused without PyTorch, and the table of names that this needs is that of the registries."""

import json
import subprocess
import sys

import pytest

from longspan.cli import first_checks
from longspan.cli.first_checks import check_device, check_first, check_system_words
from longspan.cli.known_names import described_names, stored_names
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, DependencyError, LongspanError, UnknownNameError
from longspan.systems import SYSTEMS
from longspan.systems.options import parse_options
from longspan.train.designs import split_weights

# Every one must be refused before PyTorch is imported.
REFUSED = [
    (["train", "nowhere/photos"], "There is no file or folder nowhere/photos"),
    (["train", "mnits"], "Did you mean 'mnist'"),
    (["train", ".", "--model", "resnt18"], "Did you mean 'resnet18'"),
    (["train", ".", "--model", "resnet18:imgnet"], "Did you mean 'imagenet'"),
    (["train", ".", "--model", "lenet5:imagenet"], "No weights trained on ImageNet"),
    (["train", ".", "--weights", "nowhere.safetensors"], "There is no weights file"),
    (["train", ".", "--optimizer", "adam"], "There is no optimizer 'adam'"),
    (["train", ".", "--schedule", "cosin"], "Did you mean 'cosine'"),
    (["train", ".", "--epochs", "0"], "epochs must be"),
    (["train", ".", "--dropout", "1.5"], "--dropout must be"),
    (["train", ".", "--valid", "1.5"], "--valid=1.5 must be a fraction"),
    (["train", ".", "--column", "x=categry"], "Did you mean 'category'"),
    (["train", ".", "--column", "x=text:subwrds"], "Did you mean 'subwords'"),
    (["train", ".", "--target", "x:categry"], "Did you mean 'category'"),
    (["train", "t.csv", "--target", "B"], "There is no column 'B'. Did you mean 'b'? Valid: a, b."),
    (["train", "t.csv", "--target", "b", "--group", "c"], "There is no column 'c'"),
    (["train", "t.csv", "--target", "b", "--split-by", "time:date"], "There is no column 'date'"),
    (["train", ".", "--device", "gpu7"], "There is no device 'gpu7'"),
    (["train", ".", "--out", "there.safetensors"], "exists already"),
    (["train", ".", "--split-by", "time:t", "--gap", "long"], "is not a length of time"),
    (["study", ".", "--model", "resnt18"], "Did you mean 'resnet18'"),
    (["study", ".", "--model", "resnet18", "--backend", "threads"], "--backend called 'threads'"),
    (["predict", "nowhere.safetensors", "a.png"], "nowhere.safetensors does not exist"),
    (["evaluate", "nowhere.safetensors", "."], "nowhere.safetensors does not exist"),
    (["explain", "there.safetensors", "."], "there.safetensors is cut short"),
    (["predict", "images.safetensors", "mising.png"], "There is no file mising.png. Did you mean missing.png?"),
    (
        ["predict", "images.safetensors", "no/a", "no/b"],
        "There is no file no/a. Nor is there no/b. The folder no does not",
    ),
    (["predict", "texts.safetensors", "gone.txt"], "There is no file gone.txt. A text that ends like"),
    (["predict", "m.onnx", "gone.png"], "There is no file gone.png"),
    (["export", "nowhere.safetensors"], "nowhere.safetensors does not exist"),
    (["export", "images.safetensors", "gone.png"], "There is no file gone.png"),
    (["listen", "nowhere.safetensors", "a.wav"], "nowhere.safetensors does not exist"),
    (["listen", "images.safetensors", "gone.wav"], "There is no file gone.wav"),
    (["serve", "nowhere.safetensors"], "nowhere.safetensors does not exist"),
    (["serve", "pets=nowhere.onnx"], "The model file nowhere.onnx does not exist"),
    (["transcribe", "nowhere.safetensors", "a.wav"], "nowhere.safetensors does not exist"),
    (["leaks", "nowhere.csv"], "There is no file or folder nowhere.csv"),
    (["leaks", ".", "--column", "x=categry"], "Did you mean 'category'"),
    (["plan", "nowhere", "--difference", "0.1"], "There is no pilot nowhere"),
    (["report", "nowhere.csv"], "There is no file or folder nowhere.csv"),
    (["train", "t.csv", "--target", "b", "--row-weights", "w"], "There is no column 'w'"),
    (["run", "keyword", "--out", "x"], "Did you mean 'keywords'"),
    (["run", "quickstart", "--out", "x", "--sedes", "3"], "Did you mean '--seeds'"),
    (["run", "quickstart", "--out", "x", "--seeds", "0"], "--seeds must be at least 1, got 0"),
    (["run", "quickstart"], "--out is missing"),
    (["run", "read-numbers", "--out", "x", "--sizes", "100,x"], "--sizes must be whole numbers separated by commas"),
    (["run", "read-numbers", "--out", "x", "--strategies", "in"], "There is no strategy 'in'"),
    (["run", "transcribe", "--out", "x", "--hours", "1,x"], "--hours must be numbers separated by commas"),
    (["run", "cats-or-dogs", "--out", "x", "--model", "resnt18"], "Did you mean 'resnet18'"),
    (["run", "cats-or-dogs", "--out", "x", "--model", "lenet5"], "No weights trained on ImageNet"),
    (["run", "lanes", "--out", "x", "--weights", "nowhere.pth"], "There is no weights file nowhere.pth"),
    (["run", "pedestrians", "--out", "x", "--networks", "unet"], "--networks must be some of"),
    (["run", "keywords", "--out", "x", "--background", "--data", "arabic"], "leave out --data arabic"),
    (["run", "adult", "--out", "x", "--model", "mlp_plrr"], "Did you mean 'mlp_plr'"),
    (["run", "spoken-numbers", "--out", "x", "--held-out", "teo"], "Did you mean 'theo'"),
    (["datasets", "mnits"], "Did you mean 'mnist'"),
]


def test_what_cannot_be_right_is_refused_before_pytorch_is_imported(tmp_path):
    (tmp_path / "there.safetensors").write_text("x")
    (tmp_path / "t.csv").write_text("a;b\n1;2\n")
    (tmp_path / "missing.png").write_bytes(b"")
    (tmp_path / "m.onnx").write_bytes(b"")
    for name, kind in (("images", "image"), ("texts", "text")):
        header = {"longspan": json.dumps({"format": "longspan model", "inputs": {name: {"kind": kind}}})}
        header = json.dumps({"__metadata__": header}).encode()
        (tmp_path / f"{name}.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    code = (
        "import contextlib, io, json, sys\nfrom longspan.cli import main\nfound = []\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    err = io.StringIO()\n    sys.argv = ['longspan', *words]\n"
        "    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):\n"
        "        try:\n            main()\n        except SystemExit as end:\n            code = end.code\n"
        "    found.append((code, err.getvalue(), 'torch' in sys.modules))\n"
        "print(json.dumps(found))"
    )
    words = json.dumps([words for words, _ in REFUSED])
    ran = subprocess.run([sys.executable, "-c", code, words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    for (words, said), (code, err, torch) in zip(REFUSED, json.loads(ran.stdout), strict=True):
        assert (code, said in err, torch) == (2, True, False), (words, err)


def test_the_stored_table_is_that_of_the_registries():
    again = json.loads(json.dumps(described_names()))
    assert stored_names() == again, "write it anew: longspan.cli.known_names.write_known_names()"


@pytest.fixture
def stored(monkeypatch):
    """As if PyTorch were not imported yet."""
    monkeypatch.setattr(first_checks, "names_are_known", lambda: True)


@pytest.mark.parametrize(
    "model", ["resnt18", "unet:resnt", "resnet18:imgnet", "segnet:resnet18", "unet:resnet18:imgnet"]
)
def test_models_are_refused_with_the_words_of_the_registries(stored, model):
    with pytest.raises(LongspanError) as slow:
        split_weights(model)
    with pytest.raises(LongspanError) as first:
        check_first(TrainOptions(source=".", model=model))
    assert (type(first.value), str(first.value)) == (type(slow.value), str(slow.value))


def test_what_is_right_passes(stored, tmp_path):
    for model in (None, "resnet18", "resnet18:imagenet", "unet", "unet:resnet18", "minilm"):
        check_first(TrainOptions(source=".", model=model, target=("digit:category",), column=("a=number:kg",)))
    for target in ("b", "boxes", "c:d", "a:number"):
        path = tmp_path / "t.csv"
        path.write_text('a,"b",c:d\n1,2,3\n')
        check_first(TrainOptions(source=str(path), target=(target,)))
    check_first(TrainOptions(source="."), ["boosting", "tfidf", "unet:resnet18:imagenet"])
    for device in ("auto", "cpu", "cpu:0"):
        check_device(device)
    for name, system in SYSTEMS.items():
        check_system_words(name, [])
        assert parse_options(system.options, []) == system.options()


def test_a_missing_extra_of_a_system_is_named(stored, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    hidden = lambda name, *_: None if name == "faster_coco_eval" else find(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    with pytest.raises(DependencyError, match=r"The system pedestrians needs faster_coco_eval.*longspan\[detect\]"):
        check_system_words("pedestrians", [])


@pytest.mark.parametrize(
    ("words", "error"),
    [(["--epochs", "0"], ConfigError), (["--lr", "0"], ConfigError), (["--columns", "al"], UnknownNameError)],
)
def test_options_of_a_system_are_refused_in_its_own_words(stored, words, error):
    with pytest.raises(error) as found:
        check_system_words("adult", words)
    with pytest.raises(error) as slow:
        parse_options(SYSTEMS["adult"].options, words)
    assert str(found.value) == str(slow.value)


def test_every_system_checks_its_options_without_pytorch():
    """A module that imports PyTorch makes the user wait for it before an option is refused."""
    code = (
        "import sys, longspan.systems\nassert 'longspan.systems.registry' not in sys.modules\n"
        "from longspan.systems import SYSTEMS\nassert len([each.options() for each in SYSTEMS.values()]) > 20\n"
        "print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout == "False\n", ran.stderr
