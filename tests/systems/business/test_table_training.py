import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.systems.business.adult import AdultOptions
from longspan.systems.business.table_training import block_draws, r2, rmse, train_table, values_of


def test_errors_are_those_of_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(0)
    truth, found = rng.normal(size=50), rng.normal(size=50)
    assert rmse(found - truth) == pytest.approx(metrics.root_mean_squared_error(truth, found))
    assert r2(found - truth, truth) == pytest.approx(metrics.r2_score(truth, found))


def test_draws_of_single_rows_spread_as_a_mean_does():
    errors = np.random.default_rng(1).exponential(size=400)
    draws = block_draws(errors, np.arange(400), 0)
    assert draws.shape == (2000,)
    assert draws.mean() == pytest.approx(errors.mean(), abs=0.01)
    assert draws.std() == pytest.approx(errors.std() / 20, rel=0.1)


def test_rows_of_a_block_are_drawn_together():
    by_block = np.random.default_rng(2).exponential(size=20)
    errors, blocks = np.repeat(by_block, 20), np.repeat(list("abcdefghijklmnopqrst"), 20)
    assert block_draws(errors, blocks, 0).std() == pytest.approx(by_block.std() / np.sqrt(20), rel=0.1)
    assert np.array_equal(block_draws(errors, blocks, 3), block_draws(errors, blocks, 3))


def test_the_network_without_settings_takes_those_of_its_rows():
    x = np.random.default_rng(0).normal(size=60)
    table = ls.Table.from_frame(pl.DataFrame({"x": x, "y": 3 * x})).with_features("y")
    task = ls.Task(table.split(valid=10), "features", "y", allow_leaks=True)
    model = train_table(task, AdultOptions(model="network"), 0, heads={"y": ls.Regress()})
    assert model.training.model_name == "tabm_light"
    assert model.training.phases == list(ls.TableRecipe().recipe(50).phases)
    assert model.best_epoch is None  # the last weights: the rows held out choose nothing
    held_out = table.take(task.valid.numpy())
    assert rmse(values_of(model, held_out) - np.array(held_out["y"])) < 1.5
