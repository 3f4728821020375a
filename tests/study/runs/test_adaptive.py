import numpy as np
import pytest

from longspan.errors import StudyError
from longspan.study.plan import Plan
from longspan.study.runs import adaptive, workers
from longspan.study.runs.adaptive import AdaptiveRuns, DecisionRule
from longspan.study.runs.runs import Failure, Run, RunResult
from longspan.study.statistics.decide import next_step
from longspan.study.statistics.held_out_rows import HeldOutRows

PLAN = Plan(strategies=("good", "bad"), sizes=(100, 200, 400), seeds=(0, 1, 2))


def error(run):
    return (0.1 if run.strategy == "good" else 0.3) * (run.size / 100) ** -0.3 * (1 + 0.01 * run.seed)


def result(run):
    return RunResult(errors={"y": error(run)}, steps=1, seconds=run.size / 100)


def play(queue):
    done = []
    while queue:
        run = queue.popleft()
        queue.ended(run, result(run))
        done.append(run)
    return done


def test_it_stops_when_it_is_decided():
    queue = AdaptiveRuns(PLAN, DecisionRule(target="y", decide_at=400), {}, {})
    done = play(queue)
    assert len(done) < 12
    assert queue.decision.reason == "decided"
    outcome = queue.outcome()
    assert outcome["says"].startswith("Decided. At 400 training rows choose good: ")
    assert "rows like these" not in outcome["says"]
    assert (outcome["choose"], outcome["rows_wrong"], outcome["decide_at"]) == ("good", None, 400)


def test_it_also_says_what_holds_on_rows_like_these():
    rule = DecisionRule(target="y", decide_at=400)
    queue = AdaptiveRuns(PLAN, rule, {}, {})
    done = play(queue)
    rng = np.random.default_rng(0)

    def outcome(count):
        hard = rng.random((2, count))  # each strategy fails on rows of its own
        runs = {
            (*run[:2], run.seed): (hard[PLAN.strategies.index(run.strategy)] < error(run)).astype(float)
            for run in done
        }  # fmt: skip
        return queue.outcome(HeldOutRows(count=count, proportion=True, runs=runs))

    few, many = outcome(30), outcome(20_000)
    assert few["wrong"] == many["wrong"] <= many["rows_wrong"] < 0.01 < few["rows_wrong"]
    assert "on these held-out rows and " in few["says"]


def test_it_is_asked_once_for_each_run(monkeypatch):
    asked = []
    monkeypatch.setattr(adaptive, "next_step", lambda *state, **rule: asked.append(1) or next_step(*state, **rule))
    monkeypatch.setattr(workers, "perform", lambda _, run: result(run))
    queue = AdaptiveRuns(PLAN, DecisionRule(target="y", decide_at=400), {}, {})
    ended = 0
    for run, outcome in workers.run_here(None, queue):
        queue.ended(run, outcome)
        ended += 1
    assert len(asked) == ended + 1


def test_what_was_finished_before_counts():
    done = play(AdaptiveRuns(PLAN, DecisionRule(target="y", decide_at=400), {}, {}))
    errors, seconds = {run: error(run) for run in done}, {run: 1.0 for run in done}
    again = AdaptiveRuns(PLAN, DecisionRule(target="y", decide_at=400), errors, seconds)
    assert not again
    assert again.decision.reason == "decided"


def test_runs_under_way_are_not_handed_out_twice_and_failed_ones_not_again():
    queue = AdaptiveRuns(PLAN, DecisionRule(target="y", decide_at=400), {}, {})
    first, second = queue.popleft(), queue.popleft()
    assert first != second
    queue.ended(first, Failure(kind="ValueError", message="no"))
    queue.ended(second, result(second))
    later = []
    while queue:
        run = queue.popleft()
        queue.ended(run, result(run))
        later.append(run)
    assert first not in later


def test_only_failures_decide_nothing():
    queue = AdaptiveRuns(PLAN, DecisionRule(target="y", decide_at=400), {}, {})
    while queue:
        queue.ended(queue.popleft(), Failure(kind="ValueError", message="no"))
    assert queue.outcome()["says"].startswith("Not decided: too few runs")


def test_a_budget_too_small_for_a_first_round_says_what_that_takes():
    queue = AdaptiveRuns(PLAN, DecisionRule(target="y", decide_at=400, seconds=3.5), {}, {})
    done = play(queue)
    assert len(done) == 3  # at 1 s a run; how long a run takes is not known before the first
    assert queue.outcome()["says"] == (
        "Not decided: seconds=3.5 is too little for a first round of runs, two seeds at the smallest size and one at a "
        "middle size for each strategy, which takes about 8.0 s. What is finished is kept."
    )


def test_a_rule_that_does_not_fit_is_refused():
    with pytest.raises(StudyError, match=r"decide_at=2,000 lies outside .* 100 to 1,600"):
        AdaptiveRuns(PLAN, DecisionRule(target="y", decide_at=2000), {}, {})
    alone = Plan(strategies=("good",), sizes=(100, 200), seeds=(0,))
    with pytest.raises(StudyError, match="two strategies"):
        AdaptiveRuns(alone, DecisionRule(target="y", decide_at=200), {Run("good", 100, 0): 0.1}, {})
