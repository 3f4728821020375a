"""What a study file says beside its runs: it grows with the study, and another study is refused."""

import pytest

import longspan as ls
from longspan.errors import StudyError
from longspan.study.facts import begin_or_continue, is_begun, study_facts
from longspan.study.plan import Plan
from longspan.study.runs.store import StudyFile


def facts_of(task, prices=None, **options):
    known = {"budget": ls.Budget(steps=5), "evaluate_on": "valid", "error": None, "tuning": None, "threads": None}
    return study_facts(task, task.valid.numpy(), prices=prices, **{**known, **options})


def test_a_file_grows_with_the_study(task, tmp_path):
    path, described = tmp_path / "s.sqlite", {"a": "one", "b": "two"}
    assert not is_begun(path)
    first = Plan(strategies=("a",), sizes=(20, 40), seeds=(0,))
    cost = {"cost": {"digit": 1.0}, "needs": {"a": ["digit"]}}
    begin_or_continue(path, first, facts_of(task, cost), {"a": "one"}, jobs=2, threads=3).close()
    assert is_begun(path)
    more = Plan(strategies=("b",), sizes=(10, 40), seeds=(0, 5))
    cost = {"cost": {"box": 2.0}, "needs": {"b": ["box"]}}
    begin_or_continue(path, more, facts_of(task, cost), described, jobs=1, threads=None).close()
    with StudyFile.open_file(path) as file:
        facts = file.facts()
        assert file.strategies() == described
    assert facts["plan"] == {"strategies": ["a", "b"], "sizes": [10, 20, 40], "seeds": [0, 5]}
    assert facts["prices"] == {"cost": {"digit": 1.0, "box": 2.0}, "needs": {"a": ["digit"], "b": ["box"]}}
    assert facts["settings"]["threads"] == 3  # those of the first call


def test_another_study_is_refused_and_the_file_left_as_it_is(task, tmp_path):
    path, plan = tmp_path / "s.sqlite", Plan(strategies=("a",), sizes=(20,), seeds=(0,))
    begin_or_continue(path, plan, facts_of(task), {"a": "one"}, jobs=1, threads=1).close()
    before = path.read_bytes()
    with pytest.raises(StudyError, match="budget"):
        begin_or_continue(path, plan, facts_of(task, budget=ls.Budget(steps=9)), {"a": "one"}, jobs=1, threads=1)
    assert path.read_bytes() == before
