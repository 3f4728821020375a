"""What a study file holds beside its runs, and how a file begins or is continued with a study that may have grown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from longspan.data import Task
from longspan.report import describe_environment
from longspan.study.evaluator import Evaluator
from longspan.study.identity import task_identity
from longspan.study.plan import Plan
from longspan.study.runs.resume_check import check_same_study
from longspan.study.runs.store import StudyFile
from longspan.study.scoring import ErrorFunction, measure_for
from longspan.study.tuning import Tuning
from longspan.train import Budget
from longspan.version import __version__

__all__ = ["begin_or_continue", "is_begun", "study_facts"]


def study_facts(
    task: Task, held_out: np.ndarray, *, budget: Budget | None, evaluate_on: str,
    error: str | ErrorFunction | Evaluator | None, tuning: Tuning | None, threads: int | None,
    prices: dict[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """What must be the same when a study continues: the task, what is measured, and the settings; as JSON values.

    Args:
        task: What is to be learned.
        held_out: Numbers of the rows that are measured on.
        budget: Of every run.
        evaluate_on: "valid" or "test".
        error: See `Study`.
        tuning: Trials inside every run.
        threads: That each run computes with.
        prices: Of labels, and which each strategy needs.
    """
    return {
        "library": __version__,
        "task": task_identity(task, held_out),
        "task_words": repr(task),
        "measures": _measure_names(task, error),
        "evaluator": error.to_json() if isinstance(error, Evaluator) else None,
        "settings": {
            "budget": None if budget is None else budget.to_json(),
            "evaluate_on": evaluate_on,
            "error": _error_in_words(error),
            "tuning": None if tuning is None else tuning.to_json(),
            "threads": threads,
            "torch": torch.__version__,
        },
        "prices": prices,
    }


def is_begun(path: Path) -> bool:
    """Whether something is there that must be this study's file, if anything."""
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)


def begin_or_continue(
    path: Path, plan: Plan, facts: dict[str, Any], described: dict[str, str], *, jobs: int, threads: int | None
) -> StudyFile:
    """The study's file, made if there is none, with this study's plan among its facts.

    Args:
        path: The file.
        plan: Strategies, sizes and seeds that are asked for now; the file may know others.
        facts: Of `study_facts`.
        described: Each strategy, by name.
        jobs: Runs at a time, which share the cores where `threads` is None.
        threads: That each run computes with.

    Raises:
        StudyError: the file holds another study, or cannot be read or written.
    """
    from joblib import cpu_count

    if is_begun(path):
        file = StudyFile.open_file(path)
        try:
            check_same_study(path, file.facts(), file.strategies(), facts, described)
            file.upgrade()
        except BaseException:
            file.close()
            raise
    else:
        settings = {**facts["settings"], "threads": threads or max(1, cpu_count() // jobs)}
        nothing = {"strategies": [], "sizes": [], "seeds": []}
        beginning = {"settings": settings, "plan": nothing, "vault": [], "environment": describe_environment()}
        file = StudyFile.create(path, {**facts, **beginning})
    known = file.facts()["plan"]
    grown = {
        "strategies": list(dict.fromkeys([*known["strategies"], *plan.strategies])),
        "sizes": sorted({*known["sizes"], *plan.sizes}),
        "seeds": list(dict.fromkeys([*known["seeds"], *plan.seeds])),
    }
    file.add_strategies(described)
    file.set_facts({"plan": grown, "prices": _joined_prices(file.facts()["prices"], facts["prices"])})
    return file


def _measure_names(task: Task, error: str | ErrorFunction | Evaluator | None) -> dict[str, str]:
    """What is measured, by target; an evaluator has one error, under its own name."""
    if isinstance(error, Evaluator):
        return {error.name: error.measure_name}
    return {name: measure_for(name, column, error).name for name, column in task.targets.items()}


def _error_in_words(error: str | ErrorFunction | Evaluator | None) -> str | None:
    if isinstance(error, Evaluator):
        return f"{error.name} ({error.direction} is better)"
    return getattr(error, "__qualname__", repr(error)) if callable(error) else error


def _joined_prices(before: dict[str, Any] | None, now: dict[str, Any] | None) -> dict[str, Any] | None:
    """New prices, and still the needs of strategies that only the file knows."""
    if before is None or now is None:
        return now or before
    return {"cost": {**before["cost"], **now["cost"]}, "needs": {**before["needs"], **now["needs"]}}
