import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.errors import ConfigError, DataError
from longspan.train.row_weights import row_weights


def table_of(weights):
    rng = np.random.default_rng(0)
    frame = {"x": rng.normal(size=200), "y": rng.normal(size=200), "weight": weights}
    return ls.Table.from_frame(pl.DataFrame(frame))


def task_of(weights):
    return ls.Task(table_of(weights).with_features(["y", "weight"]).split(valid=0.1), "features", "y", allow_leaks=True)


def trained(weights, name, rows=None, seed=0):
    task = task_of(weights)
    task = task if rows is None else task.subset(rows(task))
    config = ls.TrainConfig(batch_size=30, row_weights=name, precision="float32", keep="last")
    return ls.Learner(task, ls.MLPConfig(hidden=(4,)), config=config, seed=seed, progress=False).fit(2, 1e-2), task


def test_equal_weights_change_nothing_and_zeros_leave_rows_out():
    plain, task = trained([3.0] * 200, None)
    same, _ = trained([3.0] * 200, "weight")
    assert same.frame()["train_loss"].to_list() == pytest.approx(plain.frame()["train_loss"].to_list(), rel=1e-6)
    only = task.train[:20]
    weights = [1.0 if row in only.tolist() else 0.0 for row in range(200)]
    found, task = trained(weights, "weight")
    loss = found.history[0]["train_loss"]
    assert loss != pytest.approx(plain.history[0]["train_loss"], rel=1e-3)
    assert row_weights(task.table, "weight", task.train.numpy()).mean() == pytest.approx(1)
    gradients_from = row_weights(task.table, "weight", task.train.numpy()) > 0
    assert gradients_from.sum() == 20


def test_boosting_takes_them_too():
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 3, 200).tolist()
    task = task_of(weights)
    found = ls.Boosting(trees=5, min_rows=5, weights="weight").train(task)
    other = ls.Boosting(trees=5, min_rows=5).train(task)
    table = task.table.take(np.arange(50))
    one, two = ([each.value for each in model.predict(table)] for model in (found, other))
    assert one != two
    from sklearn.ensemble import HistGradientBoostingRegressor

    rows = np.asarray(task.samples.inputs["features"].read(task.train).numpy(), float)
    given = np.array(task.table["weight"])[task.train.numpy()]
    reference = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5, random_state=0)
    reference.fit(rows, task.samples.targets["y"].read(task.train).numpy(), given / given.mean())
    import torch

    inputs = task.samples.inputs["features"].read(torch.arange(50)).numpy()
    np.testing.assert_allclose(one, reference.predict(inputs), atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0] * 199 + [-1.0], "'weight' is negative"),
        ([1.0] * 199 + [None], "'weight' is missing"),
        ([0.0] * 200, "All training rows have weight 0"),
    ],
)
def test_weights_that_cannot_be_are_named(weights, message):
    table = table_of(weights)
    with pytest.raises(DataError, match=message):
        row_weights(table, "weight", np.arange(200))


def test_weights_that_are_features_are_refused():
    table = table_of([1.0, 2.0] * 100).with_features("y")
    with pytest.raises(ConfigError, match="'features' reads it as a feature"):
        row_weights(table, "weight", np.arange(200))


def test_mixup_is_refused():
    task = task_of([1.0, 2.0] * 100)
    config = ls.TrainConfig(batch_size=30, row_weights="weight")
    assert "row_weights" in config.to_json()
    assert "row_weights" not in ls.TrainConfig().to_json()
    assert len(task.table) == 200
