import numpy as np
import pytest

import longspan as ls


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)


def table_of(images):
    rows = {"x": images, "k": [0, 1] * (len(images) // 2)}
    return ls.Table.from_arrays(rows, {"x": ls.Image(), "k": ls.Category()})


def model_in(path):
    model = ls.load(path)
    assert isinstance(model, ls.Predictor)
    return model


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """A learner on 24 rows, with 8 that validate and 8 in the vault, and its file."""
    learner = ls.Learner(ls.Task(table_of(images).split(valid=8, test=8), "x", "k"), "lenet5", progress=False)
    learner.fit(1)
    return learner, learner.save(tmp_path_factory.mktemp("model") / "model.safetensors")


def test_a_loaded_model_knows_its_rows_in_any_order(trained, images):
    learner, path = trained
    order = np.random.default_rng(3).permutation(40)
    strange = np.random.default_rng(9).integers(0, 256, (4, 16, 16), dtype=np.uint8)
    found = model_in(path).recognise(table_of(np.concatenate([images[order], strange])))
    split = learner.task.split
    for part, rows in (("train", split.train), ("valid", split.valid), ("test", split.vault.rows_for_leak_check())):
        assert sorted(order[found[part]].tolist()) == rows.tolist()
    assert found["new"].tolist() == [40, 41, 42, 43]


def test_parts_are_measured_apart(trained, images):
    learner, path = trained
    parts = model_in(path).evaluate_parts(table_of(images), parts=("train", "valid"))
    assert {part: len(each.rows) for part, each in parts.items()} == {"train": 24, "valid": 8, "test": 8}
    assert parts["train"].metrics == pytest.approx(learner.evaluate("train"), abs=1e-5)
    assert parts["valid"].metrics == pytest.approx(learner.evaluate("valid"), abs=1e-5)
    assert parts["test"].metrics == {}


def test_evaluate_warns_of_rows_that_are_not_new(trained, images):
    model = model_in(trained[1])
    with pytest.warns(UserWarning, match="24 of the 40 rows trained this model and 8 are its sealed test rows"):
        model.evaluate(table_of(images))
    model.evaluate(table_of(images).take(trained[0].task.split.valid))


def test_a_file_without_hashes_knows_no_rows(trained, images):
    model = model_in(trained[1])
    del model.info["row_hashes"]
    assert len(model.recognise(table_of(images))["new"]) == 40
    model.evaluate(table_of(images))


def test_a_row_that_trained_one_member_is_a_training_row_of_the_ensemble(images):
    members = []
    for seed in (0, 1):
        split = table_of(images).split(valid=10, seed=seed)
        members.append(ls.Learner(ls.Task(split, "x", "k"), "lenet5", progress=False).fit(1))
    ensemble = ls.Ensemble(members)
    found = ensemble.recognise(table_of(images))
    both = np.intersect1d(*(member.task.split.valid for member in members))
    assert found["valid"].tolist() == both.tolist()
    assert len(found["train"]) == 40 - len(both)
    assert set(ensemble.evaluate_parts(table_of(images))) == {"train", *(["valid"] if len(both) else [])}
