import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

import longspan as ls
from longspan.errors import ConfigError, DataError, ModelFileError
from longspan.inference.estimators.boosted import TreeRows, rows_of


def table_of(count=1500, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    age, town = rng.normal(50, 15, count), rng.choice(list("abcdefghij"), count)
    pay = np.where(rng.random(count) < 0.2, np.nan, rng.lognormal(8, 1, count))
    level = (age > 50).astype(int) + np.isin(town, list("acf")) + np.isnan(pay) + rng.normal(0, 0.3, count)
    frame = pl.DataFrame(
        {
            "age": age,
            "pay": [None if np.isnan(p) else float(p) for p in pay],
            "town": town,
            "level": level + 3,
            "rich": [f"c{k}" for k in np.clip(np.floor(level), 0, classes - 1).astype(int)],
        }
    )
    return ls.Table.from_frame(frame)


def task_of(target, **options):
    table = table_of(**options).with_features(["rich", "level"])
    return ls.Task(table.split(valid=0.3), "features", target, allow_leaks=True)


def sklearn_rows(task, rows):
    column = task.inputs["features"]
    read = TreeRows.of(column)
    return rows_of(read, task.samples.inputs["features"].read(rows).numpy()), [place for place, _ in read.categories]


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_are_those_of_scikit_learn(classes):
    task = task_of("rich", classes=classes)
    trained = ls.Boosting(trees=20).train(task, seed=3)
    rows, categories = sklearn_rows(task, task.train)
    reference = HistGradientBoostingClassifier(max_iter=20, categorical_features=categories, random_state=3)
    reference.fit(rows, task.samples.targets["rich"].read(task.train).numpy())
    held_out = task.table.take(task.valid.numpy())
    found = [list(each.probabilities.values()) for each in trained.predict(held_out)]
    np.testing.assert_allclose(found, reference.predict_proba(sklearn_rows(task, task.valid)[0]), atol=1e-6)
    truth = task.samples.targets["rich"].read(task.valid).numpy()
    score = reference.score(sklearn_rows(task, task.valid)[0], truth)
    assert trained.evaluate(held_out)["accuracy"] == pytest.approx(score, abs=1e-5)
    assert trained.steps_done == 20 * (1 if classes == 2 else 3)


@pytest.mark.parametrize("criterion", ["squared_error", "absolute_error", "poisson", "gamma"])
def test_numbers_are_those_of_scikit_learn(criterion, tmp_path):
    task = task_of("level")
    trained = ls.Boosting(trees=15, criterion=criterion).train(task)
    rows, categories = sklearn_rows(task, task.train)
    reference = HistGradientBoostingRegressor(
        loss=criterion, max_iter=15, categorical_features=categories, random_state=0
    )
    reference.fit(rows, task.samples.targets["level"].read(task.train).numpy())
    found = [each.value for each in trained.predict(task.table.take(task.valid.numpy()))]
    np.testing.assert_allclose(found, reference.predict(sklearn_rows(task, task.valid)[0]), atol=1e-5)
    loaded = ls.load(trained.save(tmp_path / "trees.safetensors"))
    assert [each.value for each in loaded.predict(task.table.take(task.valid.numpy()))] == found


@pytest.mark.parametrize(("criterion", "least"), [("poisson", "of at least 0"), ("gamma", "above 0")])
def test_numbers_that_have_no_logarithm_are_refused(criterion, least):
    table = table_of(count=200)
    table = table.with_column("level", ls.Number(), [-1.0 if row == 3 else 2.0 for row in range(len(table))])
    task = ls.Task(table.with_features(["rich", "level"]).split(valid=0.01), "features", "level", allow_leaks=True)
    with pytest.raises(DataError, match=f"for numbers {least}; a training row has -1"):
        ls.Boosting(criterion=criterion).train(task)


def test_labels_that_a_subset_lacks_go_where_missing_ones_go():
    task = task_of("rich")
    subset = task.subset(task.train[:400])
    rows, categories = sklearn_rows(task, subset.train)
    without_a = rows[:, 2] != rows[0, 2]
    some = task.subset(subset.train[without_a])
    trained = ls.Boosting(trees=20).train(some)
    reference = HistGradientBoostingClassifier(max_iter=20, categorical_features=categories, random_state=0)
    reference.fit(rows[without_a], task.samples.targets["rich"].read(some.train).numpy())
    held_out = task.table.take(task.valid.numpy())
    found = [list(each.probabilities.values()) for each in trained.predict(held_out)]
    np.testing.assert_allclose(found, reference.predict_proba(sklearn_rows(task, task.valid)[0]), atol=1e-6)


def test_a_file_brings_the_same_trees_back(tmp_path):
    task = task_of("rich", classes=3)
    trained = ls.Boosting(trees=5).train(task)
    again = ls.load(trained.save(tmp_path / "trees.safetensors"))
    held_out = task.table.take(task.valid.numpy())
    assert [each.probabilities for each in again.predict(held_out)] == [
        each.probabilities for each in trained.predict(held_out)
    ]
    row = {"age": 44.0, "pay": None, "town": "nowhere"}
    assert again.predict(row).probabilities == trained.predict([row])[0].probabilities
    with pytest.raises(DataError, match="no column 'town'"):
        again.predict(ls.Table.from_frame(pl.DataFrame({"age": [1.0], "pay": [2.0]})))
    with pytest.raises(DataError, match="'old' is not a number"):
        again.predict([{**row, "age": "old"}])


def test_damaged_trees_are_refused(tmp_path):
    from longspan.storage.files import read_tensors, write_tensors

    path = ls.Boosting(trees=2).train(task_of("rich")).save(tmp_path / "trees.safetensors")
    tensors, described = read_tensors(path)
    for name, value in (("0.left", 0), ("0.left", 9999), ("0.feature", 99), ("0.outputs", 7)):
        bad = {key: tensor.clone() for key, tensor in tensors.items()}
        bad[name][:] = value
        write_tensors(path, bad, described)
        with pytest.raises(ModelFileError, match="leads nowhere"):
            ls.load(path)


def test_one_class_in_a_small_subset_is_predicted_always():
    task = task_of("rich")
    rows = task.samples.targets["rich"].read(task.train).numpy()
    few = task.subset(task.train[np.flatnonzero(rows == rows[0])[:10]])
    trained = ls.Boosting().train(few)
    assert {each.value for each in trained.predict(task.table[:20])} == {task.targets["rich"].vocab[rows[0]]}


def test_in_a_study_beside_a_network(tmp_path):
    task = task_of("rich")
    strategies = {"mlp": ls.Recipe("mlp", epochs=1), "boosting": ls.Boosting(trees=10)}
    study = ls.Study(task, strategies, [100, 400], 2, path=tmp_path / "study.sqlite", threads=1)
    study.run(backend="inline", progress=False)
    frame = study.results.frame()
    assert len(frame) == 8
    assert frame.filter(pl.col("strategy") == "boosting")["error"].max() < 0.4
    strategies["boosting"] = ls.Boosting(trees=11)
    with pytest.raises(ls.LongspanError, match="boosting"):  # another strategy under the same name
        ls.Study(task, strategies, [100, 400], 2, path=tmp_path / "study.sqlite", threads=1).run(progress=False)


def test_other_inputs_are_refused():
    table = table_of()
    task = ls.Task(table.split(), ["age", "town"], "rich", allow_leaks=True)
    with pytest.raises(ConfigError, match=r"Boosting reads the features of a table.*age \(number\), town \(category\)"):
        ls.Boosting().train(task)
    with pytest.raises(ConfigError, match="trees must be a whole number"):
        ls.Boosting(trees=0)
