import re

import numpy as np
import pytest
from PIL import Image as PILImage

import longspan as ls
from longspan.train.reports.learner_report import compose_report


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    """Noisy images of three classes, in files whose names are long."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for k, label in enumerate(("ash", "birch", "cedar")):
        (folder / label).mkdir()
        for number in range(20):
            pixels = rng.integers(0, 200, (16, 16)) + 25 * k
            PILImage.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{label}-{'x' * 60}-{number}.png")
    table = ls.Table.from_folder(folder, label="tree")
    return ls.Learner(ls.Task(table.split(valid=0.5), "image", "tree"), "lenet5", progress=False).fit(1)


def test_a_report_names_every_class_and_the_files_of_the_worst_mistakes(learner):
    page = compose_report(learner).to_html()
    metrics = {each.label: each for each in learner.per_class()["tree"]}
    section = page.split("Classes</h2>")[1].split("</table>")[0]
    cells = re.findall(r"<td>(ash|birch|cedar)</td><td class=\"number\">(\d+)</td>(.*?)</tr>", section)
    assert [label for label, *_ in cells] == ["ash", "birch", "cedar"]
    for label, rows, rest in cells:
        assert int(rows) == metrics[label].rows == 10
        assert f"{metrics[label].roc_auc:.4g}"[:5] in rest
    assert "AUC" in page
    assert "precision-recall" in page.lower()
    scores = learner.scores()
    worst = int(scores.rows[scores.losses["tree"].argmax()])
    file = learner.task.table.frame["image"][worst]
    assert f"· {file}</span>" in page, "below its image"
    assert f"<td>{file}</td>" in page


def test_metrics_of_classes_of_a_table(learner):
    table = learner.task.table.take(learner.task.split.valid)
    again = learner.predictor().per_class(table)["tree"]
    assert [each.rows for each in again] == [10, 10, 10]
    for one, other in zip(again, learner.per_class()["tree"], strict=True):
        assert one.roc_auc == pytest.approx(other.roc_auc)
        assert one.average_precision == pytest.approx(other.average_precision)
