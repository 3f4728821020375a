import numpy as np
import polars as pl
import pytest

from longspan.columns import Category, Number
from longspan.data.leakage.target_leakage import target_leak_score, target_leaks
from longspan.data.table import Table
from longspan.errors import LeakError

RNG = np.random.default_rng(0)
N = 600
Y = RNG.random(N) < 0.2
CLASSES = np.where(Y, "ill", "well").tolist()


def _score(cells, answers=CLASSES, *, ordered=False, numbers=False):
    return target_leak_score(pl.Series(cells), pl.Series(answers), ordered=ordered, numbers=numbers)


def test_a_renamed_target_scores_one_and_noise_nothing():
    assert _score(np.where(Y, "x", "y").tolist()) == 1
    assert _score(RNG.choice(["x", "y"], N).tolist()) < 0.05
    assert _score(RNG.random(N), ordered=True) < 0.05


def test_the_score_is_the_fraction_of_errors_done_away_with():
    """A fifth is ill, so `always well` errs on a fifth; a column wrong in 2 % leaves a tenth of those errors."""
    wrong = np.arange(N) % 50 == 0
    assert _score(np.where(Y ^ wrong, "x", "y").tolist()) == pytest.approx(1 - 0.02 / Y.mean(), abs=0.01)


def test_a_name_of_each_row_predicts_nothing_but_one_sorted_by_class_does():
    assert _score([f"p{i}" for i in range(N)]) == 0
    assert _score(np.argsort(np.argsort(Y, kind="stable")), ordered=True) > 0.97
    assert _score(np.arange(N), sorted(CLASSES), ordered=True) > 0.97


def test_numbers_are_found_by_line_and_by_step():
    months = RNG.uniform(0, 200, N)
    assert _score(months / 12, months, ordered=True, numbers=True) == pytest.approx(1)
    assert _score(np.sqrt(months), months, ordered=True, numbers=True) > 0.98
    assert _score([f"{m:.0f}" for m in months // 40], months // 40, numbers=True) == 1
    assert _score(RNG.random(N), months, ordered=True, numbers=True) < 0.05


def test_looking_for_leaks_alone_gives_the_same_score_to_each_and_a_low_one_to_others():
    months = RNG.uniform(0, 200, N)
    wrong = np.arange(N) % 200 == 0
    leaks = [
        (months / 12, months, True, True), (np.sqrt(months), months, True, True),
        ([f"{m:.0f}" for m in months // 40], months // 40, False, True),
        (np.where(Y ^ wrong, "x", "y").tolist(), CLASSES, False, False),
        ([f"pair {k // 2}" for k in range(N)], [f"{(k // 2) % 7}" for k in range(N)], False, False),
    ]  # fmt: skip
    for cells, answers, ordered, numbers in leaks:
        exact = _score(cells, answers, ordered=ordered, numbers=numbers)
        series = pl.Series(cells), pl.Series(answers)
        found = target_leak_score(*series, ordered=ordered, numbers=numbers, at_least=0.5)
        assert found == pytest.approx(exact)
    for cells, answers, numbers in ((RNG.random(N), months, True), (RNG.random(N), CLASSES, False)):
        series = pl.Series(cells), pl.Series(answers)
        assert target_leak_score(*series, ordered=True, numbers=numbers, at_least=0.95) < 0.95


def test_too_few_rows_one_answer_and_missing_values_are_no_grounds():
    assert _score(CLASSES[:40], CLASSES[:40]) == 0
    assert _score(CLASSES, ["well"] * N) == 0
    assert _score([None] * 560 + CLASSES[560:]) == 0


def _table(**columns):
    types = {name: Number() if np.asarray(cells).dtype.kind == "f" else Category() for name, cells in columns.items()}
    return Table.from_arrays(columns, types)


def test_only_one_of_several_inputs_is_judged_and_the_certain_ones_come_first():
    wrong = np.arange(N) % 200 == 0
    table = _table(
        ill=CLASSES,
        nearly=np.where(Y ^ wrong, "x", "y").tolist(),
        code=np.where(Y, "a", "b").tolist(),
        age=RNG.random(N),
    )
    rows = np.arange(N)
    found = target_leaks(table, rows, ["age", "nearly", "code"], ["ill"])
    assert [(leak.column, leak.certain) for leak in found] == [("code", True), ("nearly", False)]
    assert found[0].score == 1
    assert target_leaks(table, rows, ["code"], ["ill"]) == [], "the only input is there to predict the target"
    assert target_leaks(table, rows[:40], ["age", "code"], ["ill"]) == []


def test_held_out_targets_are_not_looked_at():
    """The code knows the answers of the test rows alone: nothing is found, for nothing of them is read."""
    code = np.where(np.arange(N) < 300, RNG.choice(["a", "b"], N), np.where(Y, "a", "b")).tolist()
    table = _table(ill=CLASSES, code=code, age=RNG.random(N), part=["train"] * 300 + ["test"] * 300)
    assert not table.split(column="part", valid=0).leaks(["code", "age"], "ill").columns


def test_a_task_refuses_an_input_that_gives_the_answer_away_unless_told_otherwise():
    from longspan.data import Task

    table = _table(ill=CLASSES, code=np.where(Y, "a", "b").tolist(), age=RNG.random(N))
    with pytest.raises(LeakError, match=r"input 'code' alone predicts 'ill': .* 100.0%.*Leave 'code' out"):
        Task(table.split(), ["code", "age"], "ill").prepare()
    with pytest.raises(LeakError):
        Task(table.split(), ["code", "age"], "ill", move_leaks=True).prepare()
    task = Task(table.split(), ["code", "age"], "ill", allow_leaks=True)
    task.prepare()
    assert [leak.column for leak in task.leaks.columns] == ["code"]  # pyright: ignore
    Task(table.split(), ["age"], "ill").prepare()
