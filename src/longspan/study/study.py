"""Which strategy wins at which amount of data: every strategy, at every size, with every seed, measured."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
import polars as pl

from longspan.data import Task
from longspan.errors import StudyError, unknown_name
from longspan.study.checks import (
    check_held_out,
    check_measures,
    check_options,
    check_prices,
    check_strategies,
    check_targets,
    check_tuning,
    refuse,
)
from longspan.study.evaluator import Evaluator
from longspan.study.facts import begin_or_continue, is_begun, study_facts
from longspan.study.guessing import guessing_errors
from longspan.study.identity import describe_strategy
from longspan.study.plan import make_plan
from longspan.study.planning import StudyDesign
from longspan.study.results import StudyResults
from longspan.study.runs.adaptive import AdaptiveRuns, decision_rule
from longspan.study.runs.progress import StudyProgress
from longspan.study.runs.resume_check import check_same_study
from longspan.study.runs.runs import Context, Run
from longspan.study.runs.store import StudyFile, StudyLock
from longspan.study.runs.workers import Ended, run_here, run_in_processes
from longspan.study.scoring import ErrorFunction
from longspan.study.statistics.compare import Comparison
from longspan.study.statistics.crossover import Crossover, NoCrossover, Over
from longspan.study.statistics.curves import Curve, NotReached, SizeFor
from longspan.study.statistics.extrapolation import Forecast
from longspan.study.statistics.preference import Preference
from longspan.study.tuning import Tuning
from longspan.train import Budget
from longspan.train.strategy import Strategy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Study"]

_BACKENDS = ("processes", "ray", "inline")


@final
class Study:
    """Strategies x training sizes x seeds -> learning curves, crossover, advice.

    For each seed the training rows are put in an order of their own; a size is the first so many of them. So subsets
    are nested, and the same for every strategy. Every strategy gets the same budget, if one is given, and is measured
    on the same rows by the values it predicts. Each finished run is written to one file at once, and never run again.
    """

    def __init__(
        self,
        task: Task,
        strategies: Mapping[str, Strategy],
        sizes: Sequence[int],
        seeds: int | Sequence[int] = 5,
        *,
        budget: Budget | None = None,
        path: str | Path | None = None,
        evaluate_on: Literal["valid", "test"] = "valid",
        error: str | ErrorFunction | Evaluator | None = None,
        tuning: Tuning | None = None,
        cost: Mapping[str, float] | None = None,
        needs: Mapping[str, Sequence[str]] | None = None,
        keep_models: Literal["none", "largest", "all"] = "none",
        threads: int | None = None,
    ) -> None:
        """Check everything that can be checked before anything runs.

        Args:
            task: What is to be learned. Its training rows are drawn from, its held-out rows are measured on.
            strategies: Ways to get a predictor, by name: `Recipe`, `Pipeline`, `Transfer`, or any object with
                `train(task, seed=, budget=)`; a trained Learner stands for the recipe that it was trained with.
            sizes: Numbers of training rows.
            seeds: How many (0, 1, 2 ...), or which: of the subset and of the training.
            budget: Equal expense for every run; None leaves it to each strategy.
            path: The file of the study, "study.sqlite" if None. If it holds this study already, what is missing is run;
                sizes, seeds and strategies may have been added.
            evaluate_on: "test" opens the vault once, when the study first runs, and writes that down.
            error: How wrong predictions are; see `measure_for`. None: the fraction of wrong predictions for classes and
                strings, the mean absolute error for numbers; "character": edits per character, for strings; or a
                function of targets and predictions; or an `Evaluator` that judges the trained predictor itself.
            tuning: Trials inside every run, as many for every strategy; None trains each once with its own options.
            cost: Price of one label, by the name of its column, for curves over labelling cost.
            needs: Which labels each strategy needs, by strategy; the task's targets for those not named.
            keep_models: Which models are saved beside the file: none, those of the largest size, or all.
            threads: That each run computes with. None: the cores divided by the `jobs` of the first call of `run`.
                Written in the file, because the last bits of errors depend on it.

        Raises:
            StudyError: everything that is wrong, at once; or the file holds something else, or is damaged.
        """
        self.path = Path("study.sqlite" if path is None else path).expanduser()
        self.notes: list[str] = []
        """What the plan cannot give, in sentences."""
        plan, wrong = make_plan(strategies, sizes, seeds, len(task.train))
        refuse([*check_options(budget, evaluate_on, keep_models, threads), *wrong])
        task.prepare()
        plan, wrong = make_plan(strategies, sizes, seeds, len(task.train))  # without rows that cannot be used
        held_out = task.valid.numpy() if evaluate_on == "valid" else task.split.vault.rows_for_leak_check()
        ready, more = check_strategies(task, strategies, held_out, evaluate_on)
        prices, mispriced = check_prices(strategies, task.target_names, cost, needs)
        spaces, untunable = check_tuning(task, strategies, tuning, budget, error)
        faults = [*check_held_out(task, held_out, evaluate_on), *check_measures(task, error), *more, *mispriced]
        refuse([*wrong, *faults, *untunable])
        if len(plan.seeds) == 1:
            self.notes.append("There is one seed, so there are no intervals; three or more give some: seeds=3.")
        self._plan_notes = len(self.notes)
        self.task = task
        self.strategies = ready
        self.plan = plan
        self.budget = budget
        self.evaluate_on = evaluate_on
        self.error = error
        self.tuning = tuning
        self._spaces = spaces
        self.keep_models = keep_models
        self.threads = threads
        self._opened: np.ndarray | None = None
        self._described = {name: describe_strategy(strategy) for name, strategy in ready.items()}
        self._facts = study_facts(
            task, held_out, budget=budget, evaluate_on=evaluate_on, error=error, tuning=tuning, threads=threads,
            prices=prices,
        )  # fmt: skip
        if is_begun(self.path):
            with StudyFile.open_file(self.path) as file:
                check_same_study(self.path, file.facts(), file.strategies(), self._facts, self._described)

    def __repr__(self) -> str:
        plan = self.plan
        return f"Study({', '.join(plan.strategies)}; sizes {list(plan.sizes)}; {len(plan.seeds)} seeds; {self.path})"

    @staticmethod
    def open(path: str | Path) -> StudyResults:
        """The results in a study file, without the task and the strategies; the study may still be running.

        Raises:
            StudyError: there is no such file, or it is damaged, of another version, or something else.
        """
        return StudyResults(path)

    # --- running -------------------------------------------------------------------------------------------------

    def run(
        self, jobs: int = 1, backend: Literal["processes", "ray", "inline"] = "processes", *, progress: bool = True,
        until: Literal["finished", "decided"] = "finished", decide_at: float | None = None, worth: float = 0.0,
        level: float = 0.95, seconds: float | None = None, target: str | None = None,
    ) -> Study:  # fmt: skip
        """Run what is missing: new runs, and those that failed before; or only what a decision takes.

        Stop it however you like and call it again: finished runs are kept, and the finished study is the same, bit for
        bit except for seconds.

        Args:
            jobs: Runs at a time.
            backend: "processes" runs each in a process of its own that is used again; one that crashes is recorded and
                the others continue. "ray" does the same on a Ray cluster (`pip install 'longspan[ray]'`). "inline" runs
                in this process: no start-up, but a run that crashes takes the program down.
            progress: Show a bar with the time left; or lines, where output is a file.
            until: "decided" chooses each run from the results of the finished ones, and stops as soon as it is clear
                which strategy to choose, as a rule long before all runs are done. "finished" runs everything.
            decide_at: Training rows that the choice is for; the largest size if None, four times that at most.
            worth: A difference of errors that does not matter, in their unit (0.01 for one point of an error rate).
            level: How sure the choice must be: of two equal strategies, one is called better in at most 1 - `level` of
                studies, although it is looked at after every run.
            seconds: Training time in all, after which no run begins; None for no limit.
            target: Whose error decides; may be left out where there is only one.

        Raises:
            StudyError: another process runs this study, its file cannot be written, or the decision that is asked for
                does not fit the plan.
            DependencyError: Ray is not installed.
        """
        if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
            raise StudyError(f"jobs={jobs!r}: how many runs at a time, at least 1.")
        if backend not in _BACKENDS:
            raise unknown_name("backend", str(backend), _BACKENDS)
        rule = decision_rule(
            self.plan, list(self._facts["measures"]), until=until, decide_at=decide_at, worth=worth, level=level,
            seconds=seconds, target=target,
        )  # fmt: skip
        with (
            StudyLock(self.path),
            begin_or_continue(
                self.path, self.plan, self._facts, self._described, jobs=jobs, threads=self.threads
            ) as file,
        ):
            finished = file.finished()
            missing = [run for run in self.plan.runs() if run not in finished]
            if rule is not None:
                chosen = AdaptiveRuns(self.plan, rule, self._errors(file, rule.target), file.seconds())
                self._run_missing(file, missing, jobs, backend, progress, chosen)
                outcome = chosen.outcome(self.results.held_out(rule.target))
                file.set_facts({"decision": outcome})
                self.notes = [*self.notes[: self._plan_notes], outcome["says"]]
                if progress:
                    print(outcome["says"], flush=True)
            elif missing:
                file.set_facts({"decision": None})  # it spoke of fewer runs
                self._run_missing(file, missing, jobs, backend, progress)
            if progress:
                self._say_how_it_ended(file, asked_for_all=rule is None)
        return self

    @staticmethod
    def _errors(file: StudyFile, target: str) -> dict[Run, float]:
        rows = (row for row in file.rows() if row["target"] == target)
        return {Run(row["strategy"], row["size"], row["seed"]): row["error"] for row in rows}

    def _run_missing(
        self, file: StudyFile, missing: list[Run], jobs: int, backend: str, progress: bool,
        chosen: AdaptiveRuns | None = None,
    ) -> None:  # fmt: skip
        planned = set(self.plan.runs())
        known = {run: taken for run, taken in file.seconds().items() if run in planned}
        context = self._context(file)
        if "guess" not in file.facts():
            file.set_facts({"guess": guessing_errors(self.task, context.evaluated, self.error)})
        if progress:
            for note in self.notes:
                print(note, flush=True)
        equal = self.budget is not None
        units = {target: self.results.unit(target) for target in self._facts["measures"]}
        bar = StudyProgress(
            missing, known, jobs, equal=equal, shown=progress, may_stop=chosen is not None, units=units
        )  # fmt: skip
        with bar:
            ending = _backend(context, missing if chosen is None else chosen, jobs, backend)
            try:
                for run, outcome in ending:
                    file.record(run, outcome)
                    bar.ended(run, outcome)
                    if chosen is not None:
                        chosen.ended(run, outcome)
            except KeyboardInterrupt:
                done = sum(run in planned for run in file.finished())
                print(
                    f"Stopped: {done} of {len(planned)} runs are finished and kept in {self.path}; "
                    "the same call continues with the rest.",
                    file=sys.stderr,
                )
                raise
            finally:
                ending.close()  # processes are gone before the lock is

    def _context(self, file: StudyFile) -> Context:
        keep = {"none": (), "largest": self.plan.sizes[-1:], "all": self.plan.sizes}[self.keep_models]
        return Context(
            task=self.task, strategies=self.strategies, evaluated=self._evaluated(file), budget=self.budget,
            error=self.error, threads=file.facts()["settings"]["threads"], path=self.path.absolute(),
            keep=frozenset(keep), tuning=self.tuning, spaces=self._spaces,
        )  # fmt: skip

    def _evaluated(self, file: StudyFile) -> np.ndarray:
        """Row numbers of the rows that are measured on; the vault is opened once, and the file records when and why."""
        if self.evaluate_on == "valid":
            return self.task.valid.numpy()
        if self._opened is None:
            reason = f"the study {self.path.name}: {', '.join(self.plan.strategies)}"
            self._opened = self.task.open_vault(reason).numpy()
            refuse(check_targets(self.task, self._opened))
            self._record_opening(file)
        return self._opened

    def _record_opening(self, file: StudyFile) -> None:
        """Write the first opening down, and each that is for more runs than were planned before: they come after it."""
        facts = file.facts()
        plan, known = facts["plan"], facts["vault"]
        runs = len(plan["strategies"]) * len(plan["sizes"]) * len(plan["seeds"])
        if known and runs <= known[-1].get("runs", runs):
            return  # a study that was stopped and continues was planned before anything was seen
        record = {**self.task.split.vault.openings[-1], "count": len(known) + 1, "after_training": bool(known)}
        file.set_facts({"vault": [*known, {**record, "runs": runs}]})

    def _say_how_it_ended(self, file: StudyFile, *, asked_for_all: bool) -> None:
        planned = set(self.plan.runs())
        done = sum(run in planned for run in file.finished())
        failed = len(planned) - done if asked_for_all else 0
        line = f"{done} of {len(planned)} runs are finished, in {self.path}."
        if failed:
            line += f" {failed} failed: failures() says why, and the next run() tries again."
        print(line, flush=True)

    # --- what came out -------------------------------------------------------------------------------------------

    @property
    def results(self) -> StudyResults:
        """The file's results for this study's strategies, sizes and seeds.

        Raises:
            StudyError: the study has not been run yet.
        """
        if not self.path.exists():
            raise StudyError(f"This study has not been run yet: there is no {self.path}. Call run() first.")
        return StudyResults(self.path, self.plan)

    def frame(self) -> pl.DataFrame:
        """Finished runs; see `StudyResults.frame`."""
        return self.results.frame()

    def failures(self) -> pl.DataFrame:
        """Failed runs; see `StudyResults.failures`."""
        return self.results.failures()

    def curves(self, target: str | None = None, *, level: float = 0.95) -> dict[str, Curve]:
        """Learning curves by strategy; see `StudyResults.curves`."""
        return self.results.curves(target, level=level)

    def crossover(
        self, first: str, second: str, *, target: str | None = None, level: float = 0.95, over: Over = "size"
    ) -> Crossover | NoCrossover:
        """Where one strategy overtakes the other; see `StudyResults.crossover`."""
        return self.results.crossover(first, second, target=target, level=level, over=over)

    def crossovers(
        self, first: str, second: str, *, target: str | None = None, level: float = 0.95
    ) -> tuple[Crossover, ...]:
        """Every crossing with its interval; see `StudyResults.crossovers`."""
        return self.results.crossovers(first, second, target=target, level=level)

    def preference(
        self, first: str, second: str, *, size: float | None = None, worth: float = 0.0, target: str | None = None
    ) -> Preference:
        """Which is better by more than `worth`, and how probably; see `StudyResults.preference`."""
        return self.results.preference(first, second, size=size, worth=worth, target=target)

    def extrapolate(self, strategy: str, size: float, *, target: str | None = None, beyond: bool = False) -> Forecast:
        """The mean error beyond the sizes tried; see `StudyResults.extrapolate`."""
        return self.results.extrapolate(strategy, size, target=target, beyond=beyond)

    def size_for(
        self, strategy: str, error: float, *, target: str | None = None, level: float = 0.95
    ) -> SizeFor | NotReached:
        """How many rows an error takes; see `StudyResults.size_for`."""
        return self.results.size_for(strategy, error, target=target, level=level)

    def compare(self, first: str, second: str, *, target: str | None = None, level: float = 0.95) -> list[Comparison]:
        """The probability that the first has the lower error, by size; see `StudyResults.compare`."""
        return self.results.compare(first, second, target=target, level=level)

    def plan_for(
        self, first: str, second: str, difference: float, *, size: float | None = None, power: float = 0.8,
        level: float = 0.95, target: str | None = None,
    ) -> StudyDesign:  # fmt: skip
        """How large a study detects a difference; see `StudyResults.plan_for`."""
        return self.results.plan_for(
            first, second, difference, size=size, power=power, level=level, target=target
        )  # fmt: skip

    def cost_table(self, *, target: str | None = None, level: float = 0.95) -> pl.DataFrame:
        """Curves over labelling cost; see `StudyResults.cost_table`."""
        return self.results.cost_table(target=target, level=level)

    def advice(
        self, *, target: str | None = None, wanted_error: float | None = None, worth: float | None = None
    ) -> list[str]:
        """Sentences that follow from the results; see `StudyResults.advice`."""
        return self.results.advice(target=target, wanted_error=wanted_error, worth=worth)

    def figure(self, target: str | None = None, *, over: Over = "size") -> Figure:
        """The learning curves as an image; see `StudyResults.figure`."""
        return self.results.figure(target, over=over)

    def to_json(self, *, worth: float | None = None) -> dict[str, Any]:
        """All results of the study; see `StudyResults.to_json`."""
        return self.results.to_json(worth=worth)

    def report(self, path: str | Path, *, worth: float | None = None) -> Path:
        """One self-contained HTML file; see `StudyResults.report`."""
        return self.results.report(path, worth=worth)

    def model(self, strategy: str, size: int, seed: int) -> Path:
        """The file of a kept model; see `StudyResults.model`."""
        return self.results.model(strategy, size, seed)

    def best(self, target: str | None = None) -> Path:
        """The file of the best kept model; see `StudyResults.best`."""
        return self.results.best(target)


def _backend(context: Context, runs: list[Run] | AdaptiveRuns, jobs: int, backend: str) -> Generator[Ended]:
    if backend == "inline":
        return run_here(context, runs)
    if backend == "ray":
        from longspan.study.runs.ray_workers import run_on_ray

        return run_on_ray(context, runs, jobs)
    return run_in_processes(context, runs, jobs)
