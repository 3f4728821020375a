import numpy as np
import pytest

import longspan as ls

RECIPE = ls.Recipe(ls.SmallResNetConfig(blocks=1, width=4), epochs=4, lr=1e-2, config=ls.TrainConfig(batch_size=8))


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    light, size = np.arange(60) % 2, np.arange(60) // 2 % 2
    images = rng.integers(0, 40, (60, 8, 8)) + 80 * light[:, None, None]
    images[size == 1, 2:6, 2:6] += 90
    values = {
        "image": images.astype(np.uint8),
        "light": [bool(each) for each in light],
        "square": [bool(each) if i % 5 == 0 else None for i, each in enumerate(size)],
    }
    table = ls.Table.from_arrays(values, {"image": ls.Image(), "light": ls.Category(), "square": ls.Category()})
    return ls.Task(table.split(valid=12, seed=0, stratify=None), inputs="image", targets=["light", "square"])


def test_every_target_has_a_network_and_rows_of_its_own(task):
    trained = ls.SingleTask(RECIPE).train(task, seed=1)
    known = sum(task.table.value(int(row), "square") is not None for row in task.train)
    rows = {name: len(trained.model(name).task.train) for name in ("light", "square")}
    assert rows == {"light": len(task.train), "square": known}
    said = trained.predict(task.table)
    assert len(said) == 60
    assert {type(said[0][name]) for name in ("light", "square")} == {bool}


def test_the_budget_is_shared(task):
    together = RECIPE.train(task, budget=ls.Budget(steps=24)).steps_done
    apart = ls.SingleTask(RECIPE).train(task, budget=ls.Budget(steps=24)).steps_done
    assert together == 24
    assert abs(apart - 24) <= 4


def test_one_network_and_several_are_compared_in_a_study(task, tmp_path):
    strategies = {"together": RECIPE, "apart": ls.SingleTask(RECIPE)}
    study = ls.Study(task, strategies, [20, 40], 2, path=tmp_path / "study.sqlite", threads=1)
    study.run(backend="inline", progress=False)
    assert study.failures().is_empty()
    frame = study.frame()
    assert len(frame) == 2 * 2 * 2 * 2
    assert set(frame["target"]) == {"light", "square"}
