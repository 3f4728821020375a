import numpy as np
import pytest

import longspan as ls
from longspan.errors import ConfigError
from longspan.train.label_review import SuspectLabel, write_relabel_page


@pytest.fixture(scope="module")
def learner():
    """Dark and bright images; one validation row and one training row are labelled wrong."""
    rng = np.random.default_rng(0)
    bright = np.arange(60) % 2
    images = (rng.integers(0, 60, (60, 16, 16)) + 150 * bright[:, None, None]).astype(np.uint8)
    labels = ["bright" if each else "dark" for each in bright]
    labels[0], labels[59] = "bright", "dark"
    rows = {"x": images, "k": labels, "part": ["valid" if i < 20 else "train" for i in range(60)]}
    table = ls.Table.from_arrays(rows, {"x": ls.Image(), "k": ls.Category(), "part": ls.Raw()})
    task = ls.Task(table.split(column="part"), "x", "k")
    return ls.Learner(task, "lenet5", config=ls.TrainConfig(batch_size=10), progress=False).fit(6, 1e-2)


def test_wrong_validation_labels_are_suspect_and_training_rows_never(learner):
    (suspect,) = learner.suspect_labels()
    assert (suspect.row, suspect.given, suspect.suggested) == (0, "bright", "dark")
    probabilities = learner.predict(learner.task.table.value(0, "x")).probabilities
    assert suspect.margin == pytest.approx(probabilities["bright"] - probabilities["dark"], abs=1e-4)


def test_page_and_report_show_them(learner, tmp_path):
    page = learner.relabel_page(tmp_path / "relabel.html").read_text()
    assert '"row": 0, "file": "", "place": "row 0", "target": "k", "given": "bright", "suggested": "dark"' in page
    assert "Labels that are probably wrong" in learner.report(tmp_path / "report.html").read_text()


def test_a_page_is_of_one_target(learner, tmp_path):
    suspects = [SuspectLabel(0, "k", "a", "b", -1.0), SuspectLabel(0, "other", "a", "b", -1.0)]
    with pytest.raises(ConfigError, match="one target"):
        write_relabel_page(tmp_path / "p.html", learner.task, suspects)


def test_most_planted_wrong_labels_of_handwritten_digits_are_listed_and_few_others():
    digits = ls.datasets.load("digits")
    images = np.repeat(np.repeat(digits.arrays["image"][:600], 2, axis=1), 2, axis=2)
    labels = np.asarray(digits.column_values("digit")[:600])
    rng = np.random.default_rng(0)
    wrong = rng.choice(600, 30, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, 30)) % 10
    table = ls.Table.from_arrays({"image": images, "digit": labels}, {"image": ls.Image(), "digit": ls.Category()})
    recipe = ls.Recipe("lenet5", epochs=10, lr=5e-3, config=ls.TrainConfig(batch_size=20))
    found = {each.row for each in ls.cross_validate(table, "image", "digit", recipe, folds=2).suspect_labels()}
    hits = len(found.intersection(wrong.tolist()))
    assert hits >= 0.7 * len(wrong)
    assert hits >= 0.7 * len(found)
