import numpy as np
import pytest

import longspan as ls
from longspan.errors import LongspanError
from longspan.systems import SystemRun, find_system
from longspan.systems.function_registry import load_with_functions
from longspan.systems.numbers.find_digits import cut_out
from longspan.systems.numbers.read_numbers import ReadNumbersOptions, numbers_task
from longspan.systems.numbers.sliding import cut_windows
from longspan.systems.numbers.stages import cut_digits
from longspan.systems.numbers.strategies import FROM_DIGITS, LEARNED_STAGES, NEEDS, reading_strategies


@pytest.fixture(scope="module")
def world():
    task, digits = numbers_task("digits", 24, 50, seed=0)
    task.prepare()
    return task, digits, reading_strategies(digits, source=40)


def test_training_and_test_numbers_fraction_no_digit():
    digits = ls.datasets.load("digits")
    split = digits.split(valid=0.3, seed=0, stratify="digit")
    assert not set(split.train) & set(split.valid)
    task, known = numbers_task("digits", 30, 50, seed=0)
    assert len(known) == len(split.train)
    assert (len(task.train), len(task.valid), len(task.split.vault)) == (30, 0, 50)


@pytest.mark.parametrize("name", list(NEEDS))
def test_every_way_trains_within_its_budget_reads_and_is_saved(world, name, tmp_path):
    task, _, ways = world
    trained = ways[name].train(task.subset(task.train), seed=1, budget=ls.Budget(steps=4))
    assert 1 <= trained.steps_done <= 20  # whole epochs, at least one
    test = task.table.take(task.split.vault.rows_for_leak_check()).select("image")
    said = trained.predict(test)
    assert len(said) == 50
    assert all(isinstance(each["number"], str) and set(each["number"]) <= set("0123456789") for each in said)
    assert trained.save(tmp_path / "model.safetensors").stat().st_size > 1000


def test_windows_hold_one_digit_in_their_middle_or_none(world):
    table = world[0].table.take(range(10))
    windows = cut_windows(table)
    labels = windows.column_values("digit")
    assert windows.arrays["image"].shape[1:] == (32, 32)
    shown = {label for label in labels if label != "none"}
    assert shown == {str(digit) for row in table for digit in row["digits"]}  # none falls between two windows
    assert 0.3 < labels.count("none") / len(labels) < 0.7
    middle = np.stack([windows.arrays["image"][i][:, 12:20].mean() for i in range(len(labels))])
    centred = np.asarray([label != "none" for label in labels])
    assert middle[centred].mean() > middle[~centred].mean() + 10


def test_single_digits_are_what_the_source_shows_the_same_digits(world):
    conditions = world[2][FROM_DIGITS].conditions(world[0].subset(world[0].train))
    assert conditions.same_input
    assert conditions.more_source


def test_source_digits_are_cut_out_by_boxes_that_are_a_little_off(world):
    table = world[0].table.take(range(20))
    crops = cut_digits(table, seed=3)
    assert crops.column_values("digits") == [digit for row in table for digit in row["digits"]]
    exact = [cut_out(row["image"], box) for row in table for box in row["boxes"]]
    same = [np.array_equal(mine, theirs) for mine, theirs in zip(crops.arrays["crops"], exact, strict=True)]
    assert 0 < np.mean(same) < 0.7
    assert np.array_equal(crops.arrays["crops"], cut_digits(table, seed=3).arrays["crops"])


def test_the_learned_stages_learn_from_boxes_and_are_one_file(world, tmp_path):
    task, _, ways = world
    trained = ways[LEARNED_STAGES].train(task.subset(task.train), seed=1, budget=ls.Budget(steps=4))
    rows = task.table.take(range(6))
    again = load_with_functions(trained.save(tmp_path / "model.safetensors"))
    assert [each["number"] for each in again.predict(rows)] == [each["number"] for each in trained.predict(rows)]
    assert np.array_equal(again.run(rows)["halves"], trained.run(rows)["halves"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"source": 3}, "--source"),
        ({"sizes": "5"}, "at least 20"),
        ({"strategies": "in stagse"}, "Did you mean 'in stages'"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(LongspanError, match=words):
        ReadNumbersOptions(**wrong)


@pytest.mark.slow
def test_the_system_runs_all_ways(tmp_path):
    options = ReadNumbersOptions(sizes="20,40", seeds=2, steps=4, images=50, source=40)
    find_system("read-numbers").run(options, SystemRun("read-numbers", tmp_path, quiet=True))
    results = ls.Study.open(tmp_path / "study.sqlite")
    assert results.failures().is_empty()
    assert len(results.frame()) == 5 * 2 * 2
    assert "Ceiling analysis" in (tmp_path / "report.html").read_text()
