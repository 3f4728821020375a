import numpy as np
import polars as pl
import pytest

import longspan as ls
from longspan.errors import ConfigError


@pytest.mark.parametrize("rows", [50, 1000, 6000, 30_000, 10**6])
def test_settings_follow_from_the_rows(rows):
    recipe = ls.TableRecipe().recipe(rows)
    (phase,) = recipe.phases
    assert 32 <= recipe.config.batch_size <= 1024
    steps = phase.epochs * rows / recipe.config.batch_size
    assert 390 < steps < 4100 or phase.epochs == 8
    assert 8 <= phase.epochs <= 80 or steps < 410
    assert ls.TableRecipe().recipe(rows, classes=True).phases[0].epochs <= phase.epochs
    more = ls.TableRecipe().recipe(2 * rows)
    assert more.config.batch_size >= recipe.config.batch_size
    assert more.phases[0].epochs <= phase.epochs


def test_it_learns_a_step_that_no_line_follows():
    rng = np.random.default_rng(0)
    x, job = rng.uniform(-3, 3, 400), rng.choice(list("abc"), 400)
    y = np.where((np.abs(x) < 1) ^ (job == "a"), "in", "out")
    table = ls.Table.from_frame(pl.DataFrame({"x": x, "job": job, "y": y})).with_features("y")
    task = ls.Task(table.split(valid=100), "features", "y", allow_leaks=True)
    strategy = ls.TableRecipe()
    learner = strategy.train(task, budget=ls.Budget(steps=150))
    assert learner.evaluate()["accuracy"] > 0.93
    assert strategy.to_json() == {"strategy": "table recipe", "heads": {}, "keep": "best"}


def test_epochs_may_be_said_instead():
    recipe = ls.TableRecipe(epochs=3).recipe(1000)
    assert recipe.phases[0].epochs == 3
    assert recipe.config == ls.TableRecipe().recipe(1000).config
    assert ls.TableRecipe(epochs=3).to_json() == {**ls.TableRecipe().to_json(), "epochs": 3}
    with pytest.raises(ConfigError, match="epochs must be a whole number of at least 1, got 0"):
        ls.TableRecipe(epochs=0)
