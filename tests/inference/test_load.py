import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import longspan as ls
from longspan.errors import ConfigError, ModelFileError
from longspan.inference.predictor import MODEL_FORMAT

FILES = Path(__file__).parent / "files"


@pytest.fixture(scope="module")
def learner(small):
    return small.learner(small.task(["side", "light", "lit"], missing=True, test=3)).fit(1)


@pytest.fixture
def path(learner, tmp_path):
    return learner.save(tmp_path / "m.safetensors")


@pytest.fixture(scope="module")
def images(learner):
    return list(learner.task.table.arrays["image"][:7])


def rewrite(path, change):
    """The file again, with a header that `change` was let at."""
    with safe_open(path, framework="pt") as file:
        described = json.loads(file.metadata()["longspan"])
    described = change(described) or described
    save_file(load_file(path), path, metadata={"longspan": json.dumps(described)})
    return path


def answers(model, data):
    return [prediction.to_json() for prediction in model.predict(data)]


# --- the way there and back ------------------------------------------------------------------------------------------


def test_a_loaded_model_says_exactly_what_the_learner_says(learner, path, images):
    loaded = ls.load(path, device="cpu")
    one, other = learner.predictor().raw_predictions(images).values, loaded.raw_predictions(images).values
    assert one.keys() == {"side", "light", "lit"}
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert answers(loaded, images) == answers(learner, images)
    # In another memory format sums are taken in another order: the last digits of larger networks would differ.
    kernel = loaded.network.backbone.stages[0][0].conv1.weight
    assert kernel.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("target", ["side", "light", "lit"])
def test_every_head_comes_back_with_its_options(small, tmp_path, images, target):
    make = {"side": ls.Classify, "light": ls.Regress, "lit": ls.MultiLabelClassify}[target]
    head = make(hidden=(5,), dropout=0.25)
    learner = small.learner(small.task(target), heads={target: head}).fit(1)
    loaded = ls.load(learner.save(tmp_path / "m.safetensors"), device="cpu")
    assert loaded.heads == learner.heads
    assert answers(loaded, images) == answers(learner, images)


@pytest.mark.parametrize("model", ["deep_cnn", "lenet5", ls.DeepCNNConfig(dropout=0.1)])
def test_every_sort_of_network_is_built_again(small, tmp_path, model):
    task = small.task(size_px=28)
    learner = small.learner(task, model)
    loaded = ls.load(learner.save(tmp_path / "m.safetensors"), device="cpu")
    images = list(task.table.arrays["image"][:3])
    again, first = (each.raw_predictions(images).values["side"] for each in (loaded, learner.predictor()))
    assert torch.equal(again, first)


def test_what_a_model_is_and_where_it_comes_from_travels_in_the_file(learner, tmp_path):
    learner.evaluate()
    learner.evaluate("test", reason="for the file")
    info = ls.load(learner.save(tmp_path / "m.safetensors"), device="cpu").info
    assert info["task"]["targets"] == ["side", "light", "lit"]
    assert info["task"]["split"]["kind"] == "random"
    assert info["training"]["seed"] == 0
    assert info["training"]["rows"] == {"train": 11, "valid": 6}
    assert info["training"]["phases"][0]["epochs"] == 1
    assert info["metrics"]["valid"] == learner.evaluations["valid"]
    assert [opening["reason"] for opening in info["vault"]["openings"]][-1] == "for the file"
    assert info["leaks"]["allowed"] is False


def test_saving_again_after_loading_changes_nothing(path, tmp_path, images):
    loaded = ls.load(path, device="cpu")
    again = ls.load(loaded.save(tmp_path / "again.safetensors"), device="cpu")
    assert answers(again, images) == answers(loaded, images)
    with safe_open(path, framework="pt") as one, safe_open(tmp_path / "again.safetensors", framework="pt") as other:
        assert json.loads(one.metadata()["longspan"]) == json.loads(other.metadata()["longspan"])


def test_loading_leaves_the_callers_random_numbers_alone(path):
    before = torch.get_rng_state()
    ls.load(path, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_precision_is_that_of_the_training(small, tmp_path):
    learner = small.learner(config=ls.TrainConfig(batch_size=5, precision="bfloat16"))
    loaded = ls.load(learner.save(tmp_path / "m.safetensors"), device="cpu")
    assert loaded.dtype == torch.bfloat16


def test_a_network_of_the_users_needs_a_new_instance(small, tmp_path, images):
    learner = small.learner(model=small.Net()).fit(1)
    path = learner.save(tmp_path / "m.safetensors")
    with pytest.raises(
        ModelFileError, match=r"m.safetensors: it holds the weights of your own class 'Net'.*load\(path, model"
    ):
        ls.load(path)
    loaded = ls.load(path, model=small.Net(), device="cpu")
    assert answers(loaded, images) == answers(learner, images)
    with pytest.raises(ModelFileError, match="weights and description do not fit together"):
        ls.load(path, model=small.Net(num_features=7))


def test_tied_weights_of_the_users_are_saved(small, tmp_path):
    class Tied(torch.nn.Module):
        num_features = 64

        def __init__(self):
            super().__init__()
            self.one = torch.nn.Linear(64, 64)
            self.two = torch.nn.Linear(64, 64)
            self.two.weight = self.one.weight

        def forward(self, x):
            return self.two(self.one(x.flatten(1)).relu())

    learner = small.learner(model=Tied())
    loaded = ls.load(learner.save(tmp_path / "m.safetensors"), model=Tied(), device="cpu")
    assert loaded.network.backbone.two.weight is loaded.network.backbone.one.weight
    assert small.same(loaded, learner)


# --- a file of each format version -----------------------------------------------------------------------------------


def test_the_file_of_format_version_1_loads_for_ever():
    """Written by the first version: a small ResNet on 8 x 8 grey images with one target of every kind."""
    model = ls.load(FILES / "model-v1.safetensors", device="cpu")
    expected = json.loads((FILES / "model-v1.json").read_text())
    image = np.asarray(expected["image"], np.uint8)
    found = model.predict(image).to_json()
    assert found["side"] == expected["answer"]["side"]
    assert found["lit"] == expected["answer"]["lit"]
    assert found["light"] == pytest.approx(expected["answer"]["light"], rel=1e-3)
    assert found["side_probabilities"] == pytest.approx(expected["answer"]["side_probabilities"], abs=1e-3)


# --- files that are not whole, not ours, or from the future ----------------------------------------------------------


def test_a_model_cut_short_anywhere_is_refused_by_name(path):
    content = path.read_bytes()
    for length in (0, 4, 100, len(content) // 3, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match=r"m.safetensors is cut short"):
            ls.load(path)


def test_a_newer_version_is_refused_with_both_versions(path):
    rewrite(path, lambda d: {**d, "format_version": 2, "library_version": "9.9"})
    with pytest.raises(ModelFileError, match=rf"version 2, .* longspan 9.9; .* {ls.__version__}, which reads up to 1"):
        ls.load(path)


@pytest.mark.parametrize("key", ["model", "inputs", "heads", "augment", "precision", "format", "format_version"])
def test_a_key_that_is_missing_is_a_model_file_error(path, key):
    rewrite(path, lambda d: {k: v for k, v in d.items() if k != key})
    with pytest.raises(ModelFileError, match=r"m\.safetensors"):
        ls.load(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(model={**d["model"], "name": "resnet999", "options": None}), "no model 'resnet999'"),
        (lambda d: d["model"].update(options={"blocks": 0}), "blocks must be at least 1"),
        (lambda d: d["model"].update(options={"blocks": 2, "width": 4}), "do not fit together"),
        (lambda d: d["model"].update(in_channels=3), "network reads 3 channels of .* its images have 1"),
        (lambda d: d["heads"]["side"].update(kind="clasify"), "Did you mean 'classify'"),
        (lambda d: d["heads"]["side"].update(new_option=1), "new_option"),
        (lambda d: d["heads"]["side"]["column"].update(vocab=["a"]), "do not fit together"),
        (lambda d: d["heads"]["side"]["column"].update(vocab=["a", "a"]), "twice"),
        (lambda d: d["heads"]["side"]["column"].update(vocab=5), "int"),
        (lambda d: d["inputs"]["image"].update(size_px=[0, 0]), "size_px"),
        (lambda d: d["inputs"]["image"].update(kind="sound"), "no column kind 'sound'"),
        (lambda d: d.update(inputs={}), "describes no input"),
        (lambda d: d["inputs"].update(other=d["inputs"]["image"]), "reads one image"),
        (lambda d: d["inputs"]["image"].update(size_px=[9, 9]), "channels of .* its images have"),
        (lambda d: d["inputs"]["image"].update(mean=None, std=None), "has no mean, std"),
        (lambda d: d["augment"].update(flip=3), "flip"),
        (lambda d: d["augment"].update(zoom=3), "zoom"),
        (lambda d: d.update(precision="float8"), "float8"),
        (lambda d: d.update(precision=[0.5]), "no precision"),
        (lambda d: d.update(heads=[]), "do not fit together"),
        (lambda d: d.update(model=None), "do not fit together"),
        (lambda d: d.update(format="longspan recipe"), "of kind 'longspan recipe', not a model"),
        (lambda d: d.update(format_version="one"), "no format version that is a number, but 'one'"),
    ],
)
def test_a_description_that_cannot_be_is_a_model_file_error_with_the_reason(path, change, words):
    def changed(described):
        change(described)

    rewrite(path, changed)
    with pytest.raises(ModelFileError, match=rf"m\.safetensors.*{words}"):
        ls.load(path)


def test_weights_that_are_missing_are_a_model_file_error(path):
    with safe_open(path, framework="pt") as file:
        metadata = {"longspan": file.metadata()["longspan"]}
    tensors = load_file(path)
    tensors.pop("backbone.stem.0.weight")
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(ModelFileError, match=r"do not fit together: backbone.stem.0.weight is missing"):
        ls.load(path)


def test_a_checkpoint_is_no_model(small, tmp_path):
    small.learner().fit(1, checkpoints=tmp_path)
    state = next(tmp_path.glob("step-*/state.safetensors"))
    with pytest.raises(ModelFileError, match="of kind 'longspan checkpoint', not a model"):
        ls.load(state)


def test_a_pickle_and_a_device_that_is_not_there_are_refused(path, tmp_path):
    with pytest.raises(ModelFileError, match="pickle"):
        ls.load(tmp_path / "m.pth")
    with pytest.raises((ConfigError, ModelFileError), match="no device 'gpu'"):
        ls.load(path, device="gpu")


def test_the_format_is_the_one_the_stored_file_has():
    """Raise the version only with a new stored file beside the old one."""
    assert MODEL_FORMAT == {"format": "longspan model", "format_version": 1}
