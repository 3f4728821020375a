import dataclasses
import json

import numpy as np
import pytest

import longspan as ls
from longspan.data import Vault
from longspan.errors import ConfigError, UnknownNameError
from longspan.systems import SystemRun, find_system
from longspan.systems.cats_or_dogs import PetsOptions

pytestmark = pytest.mark.usefixtures("data_folder")


def test_a_quick_look(tmp_path):
    options = PetsOptions(limit=40, size_px=64, head_epochs=2)
    find_system("cats-or-dogs").run(options, SystemRun("cats-or-dogs", tmp_path, quiet=True))
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["metrics"]["error"] == pytest.approx(1 - result["metrics"]["accuracy"])
    model = ls.load(tmp_path / "model.safetensors")
    assert model.heads["cat"].column.vocab == (False, True)
    assert sum(model.info["training"]["rows"].values()) == 40
    assert model.info["leaks"]["allowed"] is False


@pytest.mark.slow
def test_other_networks_and_fresh_weights(tmp_path):
    options = PetsOptions(model="resnet20", weights="none", limit=20, size_px=32, head_epochs=1, epochs=0)
    find_system("cats-or-dogs").run(options, SystemRun("cats-or-dogs", tmp_path, quiet=True))
    assert ls.load(tmp_path / "model.safetensors").info["training"]["weights"] is None
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet20'"):
        PetsOptions(model="resnett20", limit=20, size_px=32)


def test_a_photo_and_its_near_copy_stand_on_one_side():
    split = ls.datasets.load("pets-small").split(valid=205, seed=0, stratify="cat")
    names = [str(name).rpartition("/")[2] for name in split.table.frame["image"]]
    twins = [names.index(name) for name in ("Abyssinian_122.jpg", "Abyssinian_172.jpg")]
    rest = np.setdiff1d(np.arange(0, len(names), 20), twins)
    split = dataclasses.replace(
        split, train=np.sort([*rest[::2], twins[0]]), valid=np.sort([*rest[1::2], twins[1]]), vault=Vault([])
    )
    task = ls.Task(split, inputs="image", targets="cat", size_px=224, move_leaks=True)
    task.prepare()
    assert set(twins) <= set(task.train.tolist())
    assert len(task.valid) == len(rest[1::2])


def test_ranges_are_checked():
    for options in ({"limit": 5}, {"size_px": 0}, {"epochs": -1}, {"head_epochs": 0}):
        with pytest.raises(ConfigError, match="must be"):
            PetsOptions(**options)
