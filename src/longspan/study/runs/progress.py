"""How far a study is: a bar with the time left in terminals and notebooks, a line per run where output is a file."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, final

from longspan.study.formatting import say_error
from longspan.study.runs.runs import Failure, Run, RunResult

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["StudyProgress", "duration", "seconds_left"]

_LEAST_POWER = 0.5


@final
class StudyProgress:
    """Shows runs as they end; failures stay as lines."""

    def __init__(
        self, runs: Sequence[Run], known: Mapping[Run, float], jobs: int, *, equal: bool, shown: bool,
        may_stop: bool = False, units: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Begin.

        Args:
            runs: Those that will be computed.
            known: Seconds of those that were finished before.
            jobs: As many run at a time.
            equal: Whether every run has the same budget, so that a larger size takes no longer.
            shown: Print at all.
            may_stop: Whether the study may end before all of them, so that the time left is the most it can be.
            units: Of the error of each target; "%" for a fraction.
        """
        self._left = dict.fromkeys(runs)
        self._total = len(known) + len(runs)
        self._seconds = dict(known)
        self._jobs = jobs
        self._equal = equal
        self._shown = shown
        self._units = units or {}
        self._left_in_words = "at most {} left" if may_stop else "{} left"
        self._progress: Progress | None = None

    def __enter__(self) -> StudyProgress:
        if not self._shown:
            return self
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"),
            console=console, transient=True, disable=not (console.is_terminal or console.is_jupyter),
        )  # fmt: skip
        self._progress.start()
        self._progress.add_task("study", total=self._total, completed=self._total - len(self._left), left="")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def ended(self, run: Run, outcome: RunResult | Failure) -> None:
        """A run is over."""
        self._left.pop(run, None)
        if isinstance(outcome, RunResult):
            self._seconds[run] = outcome.seconds
        if self._progress is None:
            return
        left = seconds_left(self._left, self._seconds, self._jobs, equal=self._equal)
        shown = "" if left is None or not self._left else self._left_in_words.format(duration(left))
        self._progress.update(self._progress.task_ids[0], advance=1, description=str(run), left=shown)
        if isinstance(outcome, Failure) or self._progress.disable:
            done = self._total - len(self._left)
            line = f"{done}/{self._total}  {run}: {_outcome(outcome, self._units)}" + (f"  {shown}" if shown else "")
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def seconds_left(left: Iterable[Run], seconds: Mapping[Run, float], jobs: int, *, equal: bool) -> float | None:
    """About how long the runs that are left will take; None before the first is done.

    A run is expected to take as long as those of its strategy and size; else as those of the nearest size, times a
    power of the ratio of the rows, unless budgets are equal; else as the mean of all strategies. The two nearest sizes
    say which power, from 0.5 to 1. It is 0.5 where only one size is known: part of the time is the same for any number
    of rows, as loading is, and the steps that a training takes at least.
    """
    means: dict[tuple[str, int], float] = {}
    groups: dict[tuple[str, int], list[float]] = defaultdict(list)
    for run, taken in seconds.items():
        groups[run.strategy, run.size].append(taken)
    means = {key: sum(taken) / len(taken) for key, taken in groups.items()}
    if not means:
        return None

    def expected(strategy: str, size: int) -> float:
        sizes = [s for name, s in means if name == strategy]
        if not sizes:
            names = {name for name, _ in means}
            return sum(expected(name, size) for name in names) / len(names)
        near, *others = sorted(sizes, key=lambda s: abs(math.log(s / size)))
        power = _LEAST_POWER
        if others:
            ratio = means[strategy, others[0]] / max(means[strategy, near], 1e-9)
            power = min(max(math.log(max(ratio, 1e-9)) / math.log(others[0] / near), _LEAST_POWER), 1.0)
        return means[strategy, near] * (1.0 if equal else (size / near) ** power)

    each = [expected(run.strategy, run.size) for run in left]
    return max([sum(each) / jobs, *each], default=0.0)


def duration(seconds: float) -> str:
    """As people say it: "0.3 s", "12 s", "9 min", "2 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _outcome(outcome: RunResult | Failure, units: Mapping[str, str]) -> str:
    if isinstance(outcome, Failure):
        lines = outcome.message.splitlines() or [""]
        return f"failed, {outcome.kind}: {lines[0]}"
    errors = ", ".join(
        f"{'error' if len(outcome.errors) == 1 else target} {say_error(error, units.get(target, ''))}"
        for target, error in outcome.errors.items()
    )
    return f"{errors}, {duration(outcome.seconds)}"
