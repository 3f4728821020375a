"""Names of version 1: files are read without a word, Python and the command line warn with the new name."""

import importlib
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import longspan as ls
from longspan import old_names
from longspan.columns import COLUMNS, column_from_json
from longspan.errors import ConfigError
from longspan.heads import HEADS, head_from_json
from longspan.models import MODELS, create, from_json
from longspan.study import Study

FILES = Path(__file__).parent / "files/v1"
"""Written by version 1 with the task below; `unshuffle_cnn`, `Categories`, `ClassifyMany`, `squish`, `lower_rate`."""


def table():
    draws = np.random.default_rng(0)
    images = draws.integers(0, 120, (24, 8, 8, 1), np.uint8)
    side = draws.integers(0, 2, 24)
    for image, right in zip(images, side, strict=True):
        image[:, (4 if right else 0) : (8 if right else 4)] += 100
    return ls.Table.from_arrays(
        {
            "image": images,
            "side": ["right" if right else "left" for right in side],
            "lit": [["right"] if right else ["left", "bright"] for right in side],
            "light": images.reshape(24, -1).mean(1).tolist(),
        },
        {
            "image": ls.Image(resize="stretch"), "side": ls.Category(), "lit": ls.MultiLabel(),
            "light": ls.Number(unit="lx"),
        },
    )  # fmt: skip


@pytest.fixture
def learner():
    task = ls.Task(
        table().split(valid=8, seed=0), inputs="image", targets=["side", "lit", "light"], cache_gb=1.0, allow_leaks=True
    )
    return ls.Learner(
        task, ls.SpaceToDepthCNNConfig(widths=(4, 8, 8, 8)), config=ls.TrainConfig(batch_size=4, keep="last"), seed=1,
        progress=False, device="cpu", heads={"lit": ls.MultiLabelClassify(hidden=(4,))},
    )  # fmt: skip


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_version_1_is_resumed_to_the_end(learner, tmp_path):
    """It was killed after 3 of 5 epochs; `training.json` is the same training of version 1, never killed.

    Dropout has drawn otherwise since, so the last two epochs are only alike.
    """
    shutil.copytree(FILES / "checkpoints", tmp_path / "checkpoints")
    expected = json.loads((FILES / "training.json").read_text())
    learner.resume(tmp_path / "checkpoints")
    assert [phase.backbone_lr_mult for phase in learner.phases] == [1.0, 0.5]
    found = [epoch["valid_loss"] for epoch in learner.history]
    wanted = [epoch["valid_loss"] for epoch in expected["history"]]
    assert found[:3] == pytest.approx(wanted[:3], rel=1e-3)
    assert found == pytest.approx(wanted, rel=0.05)
    measured = learner.evaluate()
    assert measured.keys() == expected["evaluate"].keys()
    assert measured["loss"] == pytest.approx(expected["evaluate"]["loss"], rel=0.05)


def test_the_best_model_beside_a_checkpoint_of_version_1_loads():
    model = ls.load(FILES / "checkpoints/best.safetensors", device="cpu")
    assert set(model.predict(table().select("image"))[0].to_json()) >= {"side", "lit", "light"}
    assert model.network.backbone.name == "space_to_depth_cnn"


def test_a_study_of_version_1_opens(tmp_path):
    shutil.copy(FILES / "study.sqlite", tmp_path)
    results = Study.open(tmp_path / "study.sqlite")
    expected = json.loads((FILES / "study.json").read_text())
    assert list(results.plan.strategies) == ["plain", "fine"]
    assert results.frame()["error"].to_list() == [1.0] * 8
    assert results.facts["measures"] == {"lit": "error rate"}
    assert (results.unit("lit"), results.largest("lit")) == ("%", 1.0)
    assert any("100 %" in sentence for sentence in results.advice())
    assert {run["strategy"] for run in results.to_json()["runs"]} == {run["strategy"] for run in expected["runs"]}


@pytest.mark.parametrize(("old", "new"), old_names.COLUMN_KINDS.items())
def test_columns_in_files(old, new):
    assert type(column_from_json({"kind": old})) is COLUMNS[new]


@pytest.mark.parametrize(("old", "new"), old_names.HEAD_KINDS.items())
def test_heads_in_files(old, new):
    column = {"kind": "categories", "vocab": ["a", "b"], "separator": None}
    assert type(head_from_json({"kind": old, "column": column})) is HEADS[new]


@pytest.mark.parametrize(("old", "new"), old_names.MODELS.items())
@pytest.mark.parametrize("options", [{}, {"options": {}}])
def test_networks_in_files(old, new, options):
    described = {"name": old, "in_channels": 1, "size_px": [32, 64], "pool": None, **options}
    assert from_json(described).name == new


def test_fields_and_values_in_files():
    image = column_from_json({"kind": "image", "resize": "squish"})
    assert image == ls.Image(resize="stretch")
    boxes = {"kind": "boxes", "vocab": ["a"], "resize": "squish", "size_px": [8, 8]}
    head = head_from_json({"kind": "detect", "representation": 64, "column": boxes})
    assert isinstance(head, ls.Detect)
    assert (head.box_head_dim, head.column.resize) == (64, "stretch")


# --- Python ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), old_names.CLASSES.items())
def test_classes(old, new):
    with pytest.warns(FutureWarning, match=f"longspan.{old} is now called longspan.{new}") as caught:
        assert getattr(ls, old) is getattr(ls, new)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("old", "new"), old_names.MODELS.items())
def test_networks_by_name(old, new):
    with pytest.warns(FutureWarning, match=f"{old!r} is now called {new!r}"):
        assert create(old, in_channels=1, size_px=(32, 64)).name == new
    assert new in MODELS


def test_keywords(learner):
    for make, name in (
        (lambda: ls.Phase(epochs=1, lower_rate=0.5), r"Phase\(lower_rate=...\) is now called backbone_lr_mult="),
        (lambda: ls.Detect(representation=64), "box_head_dim="),
        (lambda: ls.SegmentInstances(representation=64), "box_head_dim="),
        (lambda: ls.Task(table(), "image", "side", memory_gb=1.0), "cache_gb="),
        (lambda: ls.Transfer(ls.Recipe("resnet20"), learner.task, lower_rate=0.5), "backbone_lr_mult="),
    ):
        with pytest.warns(FutureWarning, match=name) as caught:
            make()
        assert caught[0].filename == __file__
    with pytest.warns(FutureWarning, match="lower_rate"):
        assert ls.Phase(epochs=1, lower_rate=0.5) == ls.Phase(epochs=1, backbone_lr_mult=0.5)
    with pytest.raises(TypeError, match="backbone_lr_mult= and also lower_rate="):
        ls.Phase(epochs=1, lower_rate=0.5, backbone_lr_mult=0.5)


@pytest.mark.parametrize("column", [ls.Image, ls.Mask, ls.Boxes, ls.Instances])
def test_resizing(column):
    with pytest.warns(FutureWarning, match=f"{column.__name__}.resize: 'squish' is now called 'stretch'") as caught:
        assert column(resize="squish").resize == "stretch"
    assert caught[0].filename == __file__
    with pytest.raises(ConfigError, match="resize must be"):
        column(resize="squash")


def test_present_names_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ls.Phase(epochs=1, backbone_lr_mult=0.5)
        ls.Image(resize="stretch")
        assert isinstance(ls.MultiLabel(), COLUMNS.find("multi_label"))


# --- the command line ------------------------------------------------------------------------------------------------


def test_values_of_resize_and_types_of_columns(capsys):
    from longspan.cli.sources import typed_column
    from longspan.cli.train_options import TrainOptions

    with pytest.warns(FutureWarning, match="--resize: 'squish' is now called 'stretch'"):
        assert TrainOptions(source="a", resize="squish").resize == "stretch"
    with pytest.warns(FutureWarning, match="'categories' is now called 'multi_label'"):
        assert typed_column("tags=categories:;") == ("tags", ls.MultiLabel(separator=";"))


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in old_names.SUBMODULE_NAMES.items() for name in names]
)
def test_old_names_in_modules_below_work_and_warn(module, name):
    home, _, present = old_names.SUBMODULE_NAMES[module][name].partition(":")
    with pytest.warns(FutureWarning, match=f"{module}.{name} is now called {home}.{present}"):
        found = getattr(importlib.import_module(module), name)
    assert found is getattr(importlib.import_module(home), present)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        importlib.import_module(module).Nothing  # noqa: B018


def test_what_predictions_and_pipelines_hold_by_its_old_name():
    double = ls.Stage("double", lambda n: 2 * n, reads="x", adds={"y": ls.Number()})
    with pytest.warns(FutureWarning, match="is now called outputs="):
        pipeline = ls.Pipeline([double], answers=["y"])
    with pytest.warns(FutureWarning, match="Pipeline.outputs"):
        assert pipeline.answers == pipeline.outputs == ("y",)
    prediction = pipeline.predict(2.0)
    with pytest.warns(FutureWarning, match="Prediction.by_target"):
        assert prediction.answers == prediction.by_target
    assert prediction.by_target["y"].value == 4.0
