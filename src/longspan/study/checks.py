"""What is checked before anything of a study runs; all faults are collected and reported at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from longspan.data import Table, Task
from longspan.errors import LongspanError, StudyError, nearest
from longspan.pipeline import Pipeline
from longspan.study.cost import cost_per_row
from longspan.study.evaluator import Evaluator
from longspan.study.identity import rows_digest, shared_rows
from longspan.study.scoring import measure_for
from longspan.study.source_check import check_stage_sources, strategies_inside
from longspan.study.tuning import Tuning
from longspan.train import Budget, Learner, Recipe

__all__ = [
    "check_held_out",
    "check_measures",
    "check_options",
    "check_prices",
    "check_strategies",
    "check_targets",
    "check_tuning",
    "refuse",
]

KEEP = ("none", "largest", "all")
EVALUATE_ON = ("valid", "test")


def check_options(budget: Any, evaluate_on: str, keep_models: str, threads: Any) -> list[str]:
    """Options with values that are not valid."""
    faults = []
    if budget is not None and not isinstance(budget, Budget):
        faults.append(f"budget={budget!r}: give Budget(steps=) or Budget(seconds=), or None.")
    for name, value, valid in (("evaluate_on", evaluate_on, EVALUATE_ON), ("keep_models", keep_models, KEEP)):
        if value not in valid:
            near = nearest(str(value), valid)
            hint = f" Did you mean {near!r}?" if near else ""
            faults.append(f"{name}={value!r}: it is one of {', '.join(map(repr, valid))}.{hint}")
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        faults.append(f"threads={threads!r}: how many threads a run computes with, at least 1.")
    return faults


def check_measures(task: Task, error: Any) -> list[str]:
    """Targets without an error."""
    if isinstance(error, Evaluator):
        return []
    faults = []
    for name, column in task.targets.items():
        try:
            measure_for(name, column, error)
        except StudyError as fault:
            faults.append(str(fault))
    if error == "character" and not any(column.kind == "text" for column in task.targets.values()):
        faults.append("error='character' counts edits of strings, and no target is a Text column.")
    return list(dict.fromkeys(faults))


def check_tuning(
    task: Task, strategies: Mapping[str, Any], tuning: Any, budget: Any, error: Any
) -> tuple[dict[str, Any], list[str]]:
    """What each strategy is tuned over, by strategy; and what is wrong with the tuning."""
    if tuning is None:
        return {}, []
    if not isinstance(tuning, Tuning):
        return {}, [f"tuning={tuning!r}: give Tuning(trials=, space=), or None."]
    faults = []
    if isinstance(error, Evaluator):
        faults += [
            "tuning= chooses among trials by training rows that were held out, and an Evaluator of episodes has none: "
            "use one value per row."
        ] * (error.episodes is not None)
    elif tuning.target is None and len(task.target_names) > 1:
        faults.append(f"Tuning(target=): name the target that chooses among trials: {', '.join(task.target_names)}.")
    elif tuning.target is not None and tuning.target not in task.target_names:
        faults.append(f"Tuning(target={tuning.target!r}) is not one of {', '.join(task.target_names)}.")
    if isinstance(budget, Budget) and budget.steps is not None and budget.steps < tuning.trials:
        faults.append(
            f"budget={budget.describe()} is too small for {tuning.trials} trials a run, which share it: "
            f"give at least {tuning.trials} steps."
        )
    try:
        return tuning.spaces(strategies), faults
    except StudyError as fault:
        return {}, [*faults, str(fault)]


def check_held_out(task: Task, rows: np.ndarray, evaluate_on: str) -> list[str]:
    """Whether there are rows to measure on. Targets of sealed rows are read only once the vault is open."""
    if len(rows):
        return check_targets(task, rows) if evaluate_on == "valid" else []
    if evaluate_on == "test":
        return ["evaluate_on='test': the split has no test rows. Make some: table.split(test=0.2)."]
    return ["the task has no validation rows to measure on. Make some: table.split(valid=0.2)."]


def check_targets(task: Task, rows: np.ndarray) -> list[str]:
    """Targets of which none of the rows has a value."""
    frame = task.table.frame
    empty = [name for name in task.target_names if frame[name].gather(rows).null_count() == len(rows)]
    return [f"target {name!r} has no value in any of the {len(rows)} rows that are measured on." for name in empty]


def check_prices(
    strategies: Mapping[str, Any], targets: Sequence[str], cost: Any, needs: Any
) -> tuple[dict[str, Any] | None, list[str]]:
    """Prices of labels and the labels that each strategy needs, as a study file keeps them; and what is wrong.

    A strategy that `needs` does not name needs the task's targets.
    """
    if cost is None:
        return None, ["needs= says which labels are paid for, but there are no prices: cost=."] if needs else []
    if not isinstance(cost, Mapping) or not cost:
        return None, [f"cost={cost!r}: prices by label, such as cost={{'number': 1, 'boxes': 6}}."]
    wanted = {**{name: list(targets) for name in strategies}, **(needs or {})}
    try:
        cost_per_row(cost, wanted, strategies=strategies)
    except StudyError as error:
        return None, [f"cost= and needs=: {error}"]
    return {"cost": dict(cost), "needs": {name: list(labels) for name, labels in wanted.items()}}, []


def check_strategies(
    task: Task, strategies: Mapping[str, Any], evaluated: np.ndarray, evaluate_on: str
) -> tuple[dict[str, Any], list[str]]:
    """Strategies as they will be trained, and what is wrong with them.

    A trained Learner stands for the recipe it was trained with, if its own task holds out the same rows. A strategy
    may bring rows that it always learns from, as an attribute `fixed_rows` (a Table): none of them may be evaluated on.
    One with a method `check(task)` is asked, and may raise: a recipe makes its network once, to see that it fits, and a
    pipeline must be able to run on the inputs alone. Whatever its stages hold is asked for `fixed_rows` as well, and to
    train the network that it starts from, if it has a method `prepare_source()`.
    """
    ready: dict[str, Any] = dict(strategies)
    faults = []
    for name, strategy in strategies.items():
        try:
            if isinstance(strategy, Learner):
                _check_same_rows(task, strategy, evaluated, evaluate_on)
                ready[name] = Recipe.of(strategy)
            elif not callable(getattr(strategy, "train", None)):
                raise StudyError(
                    f"{type(strategy).__name__} has no method train(task, seed=, budget=). Give a Recipe, a Pipeline, "
                    "a Transfer, or a class of yours with that method."
                )
            _check_fixed_rows(task, strategy, evaluated)
            if callable(getattr(ready[name], "check", None)):
                ready[name].check(task)
            for part in strategies_inside(strategy):
                if isinstance(part, Pipeline):
                    check_stage_sources(task, part)
            for part in strategies_inside(strategy):
                if callable(getattr(part, "prepare_source", None)):
                    part.prepare_source()
        except LongspanError as error:
            faults.append(f"strategy {name!r}: {error}")
    return ready, faults


def refuse(faults: Sequence[str]) -> None:
    """Raise one StudyError with all faults, if there are any."""
    if len(faults) == 1:
        raise StudyError(f"This study cannot run: {faults[0]}")
    if faults:
        raise StudyError("\n".join([f"This study cannot run, for {len(faults)} reasons:", *(f"  {f}" for f in faults)]))


def _check_same_rows(task: Task, learner: Learner, evaluated: np.ndarray, evaluate_on: str) -> None:
    other, names = learner.task, [*task.input_names, *task.target_names]
    if set(other.input_names) != set(task.input_names) or set(other.target_names) != set(task.target_names):
        raise StudyError(f"it is a learner of another task, {other!r}.")
    sealed = evaluate_on == "test"
    held_out = other.split.vault.rows_for_leak_check() if sealed else other.valid.numpy()
    if len(held_out) != len(evaluated) or rows_digest(other.table, held_out, names) != rows_digest(
        task.table, evaluated, names
    ):
        raise StudyError(
            f"it evaluates on different rows: its own {len(held_out)} {evaluate_on} rows are not the {len(evaluated)} "
            "that this study measures on. Make the learner on the task of the study, or give a Recipe."
        )


def _check_fixed_rows(task: Task, strategy: Any, evaluated: np.ndarray) -> None:
    fixed = getattr(strategy, "fixed_rows", None)
    if not isinstance(fixed, Table):
        return
    shared = shared_rows(fixed, np.arange(len(fixed)), task.table, evaluated, task.input_names)
    if shared:
        raise StudyError(
            f"it brings rows of its own to learn from, and {shared} of the {len(evaluated)} rows that it would be "
            "measured on are among them. Remove them."
        )
