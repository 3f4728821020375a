import numpy as np
import polars as pl
import pytest
import torch

import longspan as ls
from longspan.errors import ConfigError
from longspan.train.reports.cross_validation_report import write_cross_validation_report

RECIPE = ls.Recipe("lenet5", epochs=6, lr=1e-2, config=ls.TrainConfig(batch_size=10))
WRONG = (4, 25)


def table_of(folder=None):
    """Forty dark and bright images, of whose labels two are wrong; who took them."""
    rng = np.random.default_rng(0)
    bright = np.arange(40) % 2
    images = (rng.integers(0, 60, (40, 16, 16)) + 150 * bright[:, None, None]).astype(np.uint8)
    labels = ["bright" if each else "dark" for each in bright]
    for row in WRONG:
        labels[row] = {"bright": "dark", "dark": "bright"}[labels[row]]
    rows = {"x": images, "fold": labels, "who": [f"p{row // 4}" for row in range(40)]}
    return ls.Table.from_arrays(rows, {"x": ls.Image(), "fold": ls.Category(), "who": ls.Raw()})


@pytest.fixture(scope="module")
def result():
    return ls.cross_validate(table_of(), "x", "fold", RECIPE, folds=4)


def test_every_row_is_predicted_once_by_a_model_that_was_not_trained_on_it(result):
    assert result.scores.rows.tolist() == list(range(40))
    assert torch.bincount(result.folds).tolist() == [0, 10, 10, 10, 10]
    table = result.task.table
    for number, model in enumerate(result.models, start=1):
        rows = torch.nonzero(result.folds == number)[:, 0].numpy()
        assert model.recognise(table)["valid"].tolist() == rows.tolist()
        again = model.predict(table.take(rows))
        expected = result.scores.predictions["fold"][rows]
        found = torch.tensor([[each.probabilities[label] for label in ("bright", "dark")] for each in again])
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_mean_and_spread_over_the_folds(result):
    values = [metrics["accuracy"] for metrics in result.metrics]
    assert len(values) == 4
    assert result.mean["accuracy"] == pytest.approx(np.mean(values))
    assert result.spread["accuracy"] == pytest.approx(np.std(values, ddof=1))


def test_the_table_of_predictions_keeps_a_target_that_is_called_fold(result, tmp_path):
    frame = result.frame()
    assert frame["fold"].to_list() == result.task.table.column_values("fold")
    assert frame["fold_"].to_list() == result.folds.tolist()
    assert frame["row"].to_list() == list(range(40))
    torch.testing.assert_close(frame["fold.p.dark"].to_torch().float(), result.scores.predictions["fold"][:, 1])
    frame.write_csv(tmp_path / "p.csv")
    assert pl.read_csv(tmp_path / "p.csv").columns == frame.columns


def test_wrong_labels_are_found_and_named(result, tmp_path):
    suspects = result.suspect_labels()
    assert {each.row for each in suspects} == set(WRONG)
    for each in suspects:
        assert each.given == result.task.table.column_values("fold")[each.row]
        assert {each.given, each.suggested} == {"dark", "bright"}
        assert each.margin < 0
    page = result.relabel_page(tmp_path / "relabel.html").read_text()
    assert page.count("data:image/png") == 2
    report = write_cross_validation_report(result, tmp_path / "report.html").read_text()
    assert "Labels that are probably wrong" in report
    assert "row 25" in report


def test_groups_and_sealed_rows(tmp_path):
    split = table_of().split(valid=0, test=8, group="who")
    result = ls.cross_validate(split, "x", "fold", RECIPE, folds=2)
    sealed = split.vault.rows_for_leak_check()
    assert sorted({*result.scores.rows.tolist(), *sealed.tolist()}) == list(range(40))
    assert not len(np.intersect1d(result.scores.rows, sealed))
    who = np.asarray(table_of().column_values("who"))[result.scores.rows.numpy()]
    assert all(len(set(result.folds.numpy()[who == each].tolist())) == 1 for each in set(who))
    assert not split.vault.openings


def test_a_class_that_a_fold_does_not_train_on_is_known_to_all():
    table = table_of()
    labels = table.column_values("fold")
    labels[0] = labels[1] = labels[2] = "rare"  # all of one person
    split = table.with_column("fold", ls.Category(), labels).split(valid=0, stratify=None)
    result = ls.cross_validate(split, "x", "fold", RECIPE, folds=3, group="who")
    assert result.scores.predictions["fold"].shape == (40, 3)


def test_a_learner_of_another_task_is_refused():
    other = ls.Task(table_of().split(), "x", "fold")
    with pytest.raises(ConfigError, match="another one"):
        ls.cross_validate(table_of(), "x", "fold", lambda task: RECIPE.train(other), folds=2)
