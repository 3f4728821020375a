"""How long a study will take, worked by hand."""

import pytest

from longspan.study.runs.progress import StudyProgress, duration, seconds_left
from longspan.study.runs.runs import Run, RunResult


def test_a_run_takes_as_long_as_those_of_its_strategy_and_size():
    done = {Run("a", 10, 0): 2.0, Run("a", 10, 1): 4.0}
    assert seconds_left([Run("a", 10, 2), Run("a", 10, 3)], done, 1, equal=False) == 6.0
    assert seconds_left([Run("a", 10, 2), Run("a", 10, 3)], done, 2, equal=False) == 3.0
    assert seconds_left([Run("a", 10, 2)], done, 2, equal=False) == 3.0, "the last one is not shared"


def test_other_sizes_follow_the_rows_unless_budgets_are_equal():
    done = {Run("a", 10, 0): 2.0, Run("a", 100, 0): 20.0}
    assert seconds_left([Run("a", 200, 0)], done, 1, equal=False) == pytest.approx(40.0)
    assert seconds_left([Run("a", 200, 0)], done, 1, equal=True) == 20.0


def test_what_few_rows_take_longer_than_their_share_is_not_multiplied():
    alone = {Run("a", 50, 0): 40.0}
    assert seconds_left([Run("a", 5000, 0)], alone, 1, equal=False) == pytest.approx(400.0)
    level = {**alone, Run("a", 200, 0): 40.0}  # as many steps for either: they will be more for more rows
    assert seconds_left([Run("a", 20_000, 0)], level, 1, equal=False) == pytest.approx(400.0)
    rising = {**level, Run("a", 800, 0): 40.0 * 4**0.75}
    assert seconds_left([Run("a", 800 * 16, 0)], rising, 1, equal=False) == pytest.approx(40.0 * 4**0.75 * 8)
    steep = {Run("a", 10, 0): 1.0, Run("a", 20, 0): 9.0}  # a slow minute of the machine: never more than in proportion
    assert seconds_left([Run("a", 40, 0)], steep, 1, equal=False) == pytest.approx(18.0)


def test_other_strategies_are_expected_to_take_as_long_as_the_mean():
    done = {Run("a", 10, 0): 2.0, Run("b", 20, 0): 8.0}
    assert seconds_left([Run("c", 10, 0)], done, 1, equal=False) == pytest.approx((2 + 8 / 2**0.5) / 2)


def test_before_the_first_run_nothing_is_known_and_at_the_end_nothing_is_left():
    assert seconds_left([Run("a", 10, 0)], {}, 1, equal=False) is None
    assert seconds_left([], {Run("a", 10, 0): 1.0}, 1, equal=False) == 0.0


@pytest.mark.parametrize(("may_stop", "words"), [(False, "  10 s left"), (True, "  at most 10 s left")])
def test_a_study_that_may_stop_says_the_most_it_can_take(capsys, may_stop, words):
    runs = [Run("a", 10, 0), Run("a", 10, 1)]
    with StudyProgress(runs, {}, 1, equal=True, shown=True, may_stop=may_stop) as bar:
        bar.ended(runs[0], RunResult(errors={"y": 0.5}, steps=1, seconds=10.0))
    assert capsys.readouterr().out.rstrip().endswith(words)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (91, "2 min"), (7500, "2 h 05 min")]
)
def test_durations_as_people_say_them(seconds, words):
    assert duration(seconds) == words
