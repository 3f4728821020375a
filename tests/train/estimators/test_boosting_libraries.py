import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.errors import ConfigError, DependencyError, TrainingError, UnknownNameError
from longspan.inference.estimators.boosted import TreeRows, rows_of
from longspan.train.estimators import growing

LIBRARIES = ["xgboost", "lightgbm", "catboost"]
every = pytest.mark.parametrize("library", LIBRARIES)


def task_of(target, classes=2, count=500):
    rng = np.random.default_rng(1)
    age, town = rng.normal(50, 15, count), rng.choice(list("abcdefgh"), count)
    pay = [None if rng.random() < 0.2 else float(each) for each in rng.lognormal(8, 1, count)]
    level = (age > 50) + np.isin(town, list("acf")) + np.array([each is None for each in pay]) + rng.random(count)
    kind = [f"c{int(each)}" for each in np.clip(np.floor(level), 0, classes - 1)]
    frame = pl.DataFrame({"age": age, "pay": pay, "town": town, "level": level, "rich": kind})
    table = ls.Table.from_frame(frame).with_features(["rich", "level"])
    return ls.Task(table.split(valid=0.3), "features", target, allow_leaks=True)


@every
@pytest.mark.parametrize("classes", [2, 3])
def test_classes_are_learned_and_a_file_needs_no_library(library, classes, tmp_path, monkeypatch):
    pytest.importorskip(library)
    task = task_of("rich", classes)
    model = ls.Boosting(library=library, trees=10).train(task)  # compared with the library's own predictions
    held_out = task.table.take(task.valid.numpy())
    assert model.evaluate(held_out)["accuracy"] > 0.8
    path = model.save(tmp_path / "trees.safetensors")
    monkeypatch.setitem(__import__("sys").modules, library, None)  # importing it would fail
    loaded = ls.load(path)
    assert [each.probabilities for each in loaded.predict(held_out)] == [
        each.probabilities for each in model.predict(held_out)
    ]


@every
@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson", "gamma"])
def test_numbers_are_learned(library, criterion):
    pytest.importorskip(library)
    task = task_of("level")
    strategy = ls.Boosting(library=library, trees=30, learning_rate=0.2, criterion=criterion)
    if (library, criterion) == ("catboost", "gamma"):
        with pytest.raises(ConfigError, match="CatBoost has no criterion 'gamma'"):
            strategy.train(task)
        return
    held_out = task.table.take(task.valid.numpy())
    assert strategy.train(task).evaluate(held_out)["r2"] > 0.6


def test_predictions_are_those_of_xgboost_itself():
    xgboost = pytest.importorskip("xgboost")
    task = task_of("level")
    model = ls.Boosting(library="xgboost", trees=20, options={"max_depth": 3}).train(task, seed=5)
    read = TreeRows.of(task.inputs["features"])
    rows = [rows_of(read, task.samples.inputs["features"].read(part).numpy()) for part in (task.train, task.valid)]
    kinds = ["q", "q", "c"]
    train, valid = (
        xgboost.DMatrix(each.astype(np.float32), feature_types=kinds, enable_categorical=True) for each in rows
    )
    train.set_label(task.samples.targets["level"].read(task.train).numpy())
    reference = xgboost.train({"max_depth": 3, "tree_method": "hist", "seed": 5}, train, 20)
    found = [each.value for each in model.predict(task.table.take(task.valid.numpy()))]
    np.testing.assert_allclose(found, reference.predict(valid), atol=1e-4)


@pytest.mark.parametrize("library", ["scikit-learn", *LIBRARIES])
def test_predictions_rise_where_they_may_only_rise(library):
    if library != "scikit-learn":
        pytest.importorskip(library)
    task = task_of("level")
    model = ls.Boosting(library=library, trees=30, monotone={"pay": -1}).train(task)
    rows = [{"age": 51.0, "pay": float(pay), "town": "a"} for pay in np.geomspace(100, 60000, 60)]
    found = np.array([each.value for each in model.predict(rows)])
    assert (np.diff(found) <= 1e-9).all()
    free = np.array([each.value for each in ls.Boosting(library=library, trees=30).train(task).predict(rows)])
    assert not (np.diff(free) <= 1e-9).all()


def test_what_cannot_be_monotone_is_named():
    task = task_of("level")
    with pytest.raises(
        ConfigError, match=r"names 'town', and only numbers of the input can rise or fall: 'age', 'pay'"
    ):
        ls.Boosting(monotone={"town": 1}).train(task)
    with pytest.raises(ConfigError, match="must be 1 or -1"):
        ls.Boosting(monotone={"age": 2})


def test_a_library_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"lightgbm needs it: .*longspan\[boosting\]"):
        ls.Boosting(library="lightgbm")
    with pytest.raises(UnknownNameError, match="Did you mean 'xgboost'"):
        ls.Boosting(library="xgbost")


def test_trees_that_are_read_wrongly_are_refused():
    asked = growing.Growing(
        rows=np.array([[0.0], [1.0]]), values=np.array([0.0, 1.0]), weights=None, classes=None, num_classes=1,
        categories=[], monotone=[0], trees=1, learning_rate=None, leaves=None, min_rows=None, l2=None,
        criterion="squared_error", seed=0, options={},
    )  # fmt: skip
    stump = {
        "feature": [0, 0, 0], "threshold": [0.5, 0, 0], "left": [1, 0, 0], "right": [2, 0, 0],
        "leaf": [False, True, True], "value": [0.0, 0.0, 1.0], "missing_left": [True] * 3, "categorical": [False] * 3,
        "left_categories": np.zeros((3, 8), np.int64),
    }  # fmt: skip
    trees = growing.with_baseline(asked, [stump], [0], np.array([[5.0], [6.0]]), "Trees")
    assert trees.predict(asked.rows).ravel().tolist() == [5, 6]
    with pytest.raises(TrainingError, match="predict other values than Trees itself"):
        growing.with_baseline(asked, [stump], [0], np.array([[5.0], [7.0]]), "Trees")
