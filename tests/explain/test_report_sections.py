"""What is cheap to explain stands in the reports of learners, and nothing stands where nothing can be explained."""

import numpy as np
import pytest

import longspan as ls
from longspan.explain.report_sections import add_explanation
from longspan.report import Document


def squares(count=80):
    rng = np.random.default_rng(0)
    images = rng.integers(90, 130, (count, 24, 24), dtype=np.uint8)
    classes = np.arange(count) % 2
    for image, bright in zip(images, classes, strict=True):
        image[4:14, 4:14] = 255 if bright else 0
    columns = {"image": ls.Image(), "bright": ls.Category(), "spot": ls.Category()}
    spots = ["left" if row % 3 else "right" for row in range(count)]
    return ls.Table.from_arrays({"image": images, "bright": classes.tolist(), "spot": spots}, columns)


@pytest.fixture(scope="module")
def learner():
    task = ls.Task(squares().split(valid=0.5, seed=0), "image", "bright", allow_leaks=True)
    return ls.Learner(task, "lenet5", seed=0, device="cpu", progress=False).fit_one_cycle(1, lr=3e-3)


def explained(model, table):
    page = Document("x")
    add_explanation(page, model, table)
    return page.to_html()


def test_a_network_of_images_shows_slices_calibration_maps_and_times(learner):
    text = explained(learner, learner.task.table.take(learner.task.valid.numpy()))
    for words in (
        "On 40 held-out rows", "Slices", "Calibration", "Where it looked", "Grad-CAM", "with random weights everywhere",
        "Where the time goes", "milliseconds a batch",
    ):  # fmt: skip
        assert words in text
    assert "Occlusion" not in text  # which takes long
    assert text.count("data:image/png") == 12


def test_few_rows_are_not_sliced_but_times_are_shown(learner):
    text = explained(learner, learner.task.table.take(np.arange(8)))
    assert "Slices" not in text
    assert "Where the time goes" in text
    assert "a batch of 8 rows" in text


def test_without_rows_or_without_a_model_nothing_is_added(learner):
    assert explained(learner, learner.task.table.take(np.arange(0))) == Document("x").to_html()
    assert explained(object(), learner.task.table) == Document("x").to_html()


def test_several_targets_get_a_section_each_and_trees_no_times(loans):
    trees, table = loans
    text = explained(trees, table)
    assert "Explanation of paid" in text
    assert "Explanation of sum" in text
    assert text.count('class="halves"') >= 1  # a reliability diagram of the classes
    assert "Where the time goes" not in text
