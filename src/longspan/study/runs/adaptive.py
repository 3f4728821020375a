"""Runs that are chosen one at a time from the results of the finished ones, until the study is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from longspan.errors import StudyError, unknown_name
from longspan.study.checks import refuse
from longspan.study.formatting import say_chance
from longspan.study.plan import Plan
from longspan.study.run_grid import RunGrid
from longspan.study.runs.progress import duration
from longspan.study.runs.runs import Failure, Run, RunResult
from longspan.study.statistics.decide import (
    Decision,
    Progress,
    check_decision,
    first_round_seconds,
    next_step,
    wrong_probability,
)
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.paired_difference import rows_covariance

__all__ = ["AdaptiveRuns", "DecisionRule", "decision_rule"]

_UNTIL = ("finished", "decided")

_WHY = {
    "decided": "Decided",
    "no difference that matters": "Decided: no difference worth having is left",
    "the runs left would not decide it": "Too close to call: the runs that are left would probably not change that",
    "no runs left": "Not decided: every run of the plan is finished",
    "budget spent": "Not decided: the next run would exceed the budget",
    "undecided": "Not decided yet",
}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRule:
    """What a study is to decide, and at which level."""

    target: str
    """Whose error counts."""
    decide_at: float
    """Training rows that the choice is for."""
    worth: float = 0.0
    """A difference of errors that does not matter, in their unit."""
    level: float = 0.95
    """How sure the choice must be."""
    seconds: float | None = None
    """Training time in all, of runs finished before too; None for no limit."""

    def check(self, plan: Plan) -> list[str]:
        """What is wrong with it, in sentences; empty if nothing is."""
        sizes = np.array(plan.sizes)
        wrong = check_decision(sizes, self.decide_at, self.worth, self.level, len(plan.strategies))
        if self.seconds is not None and not self.seconds > 0:
            wrong.append(f"seconds={self.seconds}: training time in all, above 0.")
        return wrong


def decision_rule(
    plan: Plan, measured: Sequence[str], *, until: str, decide_at: float | None, worth: float, level: float,
    seconds: float | None, target: str | None,
) -> DecisionRule | None:  # fmt: skip
    """The decision that is asked for, checked; None to run everything.

    Args:
        plan: The runs to choose from.
        measured: The targets whose error is measured.
        until: "finished" or "decided"; the other arguments are those of `Study.run`.
        decide_at: The largest size if None.
        worth: A difference of errors that does not matter.
        level: How sure the choice must be.
        seconds: Training time in all.
        target: May be None where there is only one.

    Raises:
        StudyError: options that do not go together, or do not fit the plan.
        UnknownNameError: there is no such target, or no such `until`.
    """
    if until not in _UNTIL:
        raise unknown_name("until", str(until), _UNTIL)
    if until == "finished":
        if decide_at is not None or worth or seconds is not None:
            raise StudyError('decide_at=, worth= and seconds= go with until="decided".')
        return None
    if target is None and len(measured) > 1:
        raise StudyError(f"Name the target that decides with target=: {', '.join(measured)}.")
    if target is not None and target not in measured:
        raise unknown_name("target", target, measured)
    rule = DecisionRule(
        target=target or measured[0], worth=worth, level=level, seconds=seconds,
        decide_at=max(plan.sizes) if decide_at is None else decide_at,
    )  # fmt: skip
    refuse(rule.check(plan))
    return rule


@final
class AdaptiveRuns:
    """A queue of runs without a fixed content: whether there is a next one, and which, follows from those finished."""

    def __init__(
        self, plan: Plan, rule: DecisionRule, errors: Mapping[Run, float], seconds: Mapping[Run, float]
    ) -> None:
        """Begin with what was finished before.

        Args:
            plan: The runs to choose from.
            rule: What is to be decided.
            errors: Of finished runs, for the rule's target.
            seconds: That they took.

        Raises:
            StudyError: the rule does not fit the plan.
        """
        faults = rule.check(plan)
        if faults:
            raise StudyError(" ".join(faults))
        self._plan, self._rule = plan, rule
        shape = (len(plan.strategies), len(plan.sizes), len(plan.seeds))
        self._errors, self._seconds = np.full(shape, np.nan), np.full(shape, np.nan)
        self._closed = np.zeros(shape, dtype=bool)
        self._next: Run | None = None
        self.decision: Decision | None = None
        """What was known when it was last asked."""
        for run, error in errors.items():
            if self._known(run):
                self._errors[self._place(run)], self._seconds[self._place(run)] = error, seconds[run]

    def __len__(self) -> int:
        """1 while another run should start now, else 0."""
        if self._next is None:
            rule = self._rule
            self.decision = next_step(
                self._progress(), decide_at=rule.decide_at, worth=rule.worth, level=rule.level, budget=rule.seconds
            )
            if self.decision.run is not None:
                strategy, size, seed = self.decision.run
                self._next = Run(self._plan.strategies[strategy], self._plan.sizes[size], self._plan.seeds[seed])
        return int(self._next is not None)

    def popleft(self) -> Run:
        """The next run; it counts as under way until `ended`."""
        if not self:
            raise IndexError("There is no run left to choose.")
        run, self._next = self._next, None
        assert run is not None
        self._closed[self._place(run)] = True
        return run

    def ended(self, run: Run, outcome: RunResult | Failure) -> None:
        """Learn how a run ended; one that failed is not chosen again in this call."""
        if isinstance(outcome, RunResult):
            place = self._place(run)
            self._errors[place], self._seconds[place] = outcome.errors[self._rule.target], outcome.seconds
        self._next = None

    def outcome(self, held_out: HeldOutRows | None = None) -> dict[str, Any]:
        """How it ended, as JSON values, with a sentence.

        Args:
            held_out: The rows that were measured on; then it is also given what holds on other rows like these.
        """
        decision, rule = self.decision, self._rule
        found: dict[str, Any] = asdict(rule) | {
            "reason": "undecided",
            "choose": None,
            "wrong": None,
            "rows_wrong": None,
        }
        if decision is None or decision.leader is None:
            return found | {"says": self._too_few(decision)}
        chosen = self._plan.strategies[decision.leader]
        elsewhere = self._wrong_on_rows_like_these(decision.leader, held_out)
        by = f" by more than {rule.worth:g}" if rule.worth else ""
        text = f"{_WHY[decision.reason]}. At {rule.decide_at:,g} training rows choose {chosen}: the probability that "
        text += f"another strategy is better{by} is {say_chance(decision.wrong)}"
        if elsewhere is not None:
            text += f" on these held-out rows and {say_chance(elsewhere)} on rows like these"
        known = {"reason": decision.reason, "choose": chosen, "wrong": decision.wrong, "rows_wrong": elsewhere}
        return found | known | {"says": f"{text}."}

    def _too_few(self, decision: Decision | None) -> str:
        """Why nothing could be weighed."""
        if decision is None or decision.reason != "budget spent":
            return "Not decided: too few runs of the same seed are finished."
        needed = first_round_seconds(self._progress())
        return (
            f"Not decided: seconds={self._rule.seconds:g} is too little for a first round of runs, two seeds at the "
            f"smallest size and one at a middle size for each strategy, which takes about {duration(needed)}. What is "
            "finished is kept."
        )

    def _wrong_on_rows_like_these(self, leader: int, held_out: HeldOutRows | None) -> float | None:
        """None where errors of rows are not known."""
        plan, names = self._plan, self._plan.strategies
        cells = RunGrid(
            target=self._rule.target, strategies=names, sizes=np.array(plan.sizes), seeds=plan.seeds,
            errors=self._errors,
        )  # fmt: skip
        rows: dict[int, np.ndarray] = {}
        for rival, name in enumerate(names):
            if rival != leader:
                covariance = rows_covariance(cells, names[leader], name, held_out)
                if covariance is None:
                    return None
                rows[rival] = covariance
        state = self._progress()
        return wrong_probability(state, leader, decide_at=self._rule.decide_at, worth=self._rule.worth, rows=rows)

    def _progress(self) -> Progress:
        return Progress(
            sizes=np.array(self._plan.sizes), errors=self._errors, seconds=self._seconds, closed=self._closed
        )  # fmt: skip

    def _known(self, run: Run) -> bool:
        plan = self._plan
        return run.strategy in plan.strategies and run.size in plan.sizes and run.seed in plan.seeds

    def _place(self, run: Run) -> tuple[int, int, int]:
        plan = self._plan
        return plan.strategies.index(run.strategy), plan.sizes.index(run.size), plan.seeds.index(run.seed)
