"""The results in a study file: errors, curves, crossovers, advice. It reads the file and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
import polars as pl

from longspan.errors import StudyError, unknown_name
from longspan.study.cost import cost_per_row, cost_table
from longspan.study.formatting import in_episodes
from longspan.study.plan import Plan
from longspan.study.planning import StudyDesign, plan_study
from longspan.study.reports.advice import advice
from longspan.study.reports.figures import learning_curves
from longspan.study.reports.summary import summarise
from longspan.study.run_grid import cells_of
from longspan.study.runs.metadata_validation import fact_faults
from longspan.study.runs.runs import Run
from longspan.study.runs.store import StudyFile
from longspan.study.scoring import FRACTIONS, largest_error, present_name
from longspan.study.statistics.compare import Comparison, compare
from longspan.study.statistics.crossover import Crossover, NoCrossover, Over, crossover, crossovers
from longspan.study.statistics.curves import Curve, NotReached, SizeFor, curves
from longspan.study.statistics.extrapolation import Forecast, extrapolate
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.preference import Preference, preference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from longspan.report import Document

__all__ = ["StudyResults"]

_RUNS = {
    "strategy": pl.String, "size": pl.Int64, "seed": pl.Int64, "target": pl.String, "error": pl.Float64,
    "steps": pl.Int64, "seconds": pl.Float64,
}  # fmt: skip
_TRIALS = {
    "strategy": pl.String, "size": pl.Int64, "seed": pl.Int64, "trial": pl.Int64, "params": pl.String,
    "score": pl.Float64, "error": pl.Float64, "seconds": pl.Float64,
}  # fmt: skip
_NOT_KEPT = (
    'was not kept. keep_models="all" or "largest" keeps those of runs that are yet to come; finished runs are not run '
    "again, so a study in a new file is needed for the others."
)
_FAILURES = {
    "strategy": pl.String, "size": pl.Int64, "seed": pl.Int64, "error": pl.String, "message": pl.String,
    "trace": pl.String, "at": pl.String,
}  # fmt: skip


@final
class StudyResults:
    """The finished runs of a study, and what follows from them.

    `Study` gives its own; `Study.open(path)` those of any study file, finished or not, without task and strategies.
    """

    def __init__(self, path: str | Path, plan: Plan | None = None) -> None:
        """Look at a study file.

        Args:
            path: The file.
            plan: Only these strategies, sizes and seeds; all that the file was ever asked for if None.

        Raises:
            StudyError: there is no such file, or it is damaged, of another version, or something else.
        """
        self.path = Path(path).expanduser()
        with StudyFile.open_file(self.path) as file:
            self.facts = file.facts()
            self.described = file.strategies()
        faults = fact_faults(self.facts)
        if faults:
            raise StudyError(f"{self.path} is not a study file, or is damaged: {'; '.join(faults[:5])}.")
        asked: dict[str, Any] = {name: tuple(values) for name, values in self.facts["plan"].items()}
        self.plan = plan or Plan(**asked)
        self.facts["measures"] = {name: present_name(each) for name, each in self.facts["measures"].items()}
        self.targets: list[str] = list(self.facts["measures"])

    def __repr__(self) -> str:
        done = len(self.frame().unique(["strategy", "size", "seed"]))
        return f"StudyResults({self.path}; {done} of {len(self.plan.runs())} runs finished)"

    def frame(self) -> pl.DataFrame:
        """One row per finished run and target: strategy, size, seed, target, error, steps, seconds."""
        with StudyFile.open_file(self.path) as file:
            rows = self._asked_for(file.rows())
        return pl.DataFrame([{name: row[name] for name in _RUNS} for row in rows], schema=_RUNS)

    def failures(self) -> pl.DataFrame:
        """One row per run that failed and has not succeeded since: the error's name, message and trace, and when."""
        with StudyFile.open_file(self.path) as file:
            rows = self._asked_for(file.failures())
        return pl.DataFrame([{name: row[name] for name in _FAILURES} for row in rows], schema=_FAILURES)

    def unit(self, target: str) -> str:
        """Of the target's error: "%" for a fraction, which is shown as percent."""
        evaluator = self.facts.get("evaluator")
        if evaluator is not None:
            return str(evaluator["unit"])
        column, measure = self.facts["task"]["columns"][target], self.facts["measures"][target]
        return "%" if measure in FRACTIONS else column.get("unit", "") if column["kind"] == "number" else ""

    def largest(self, target: str) -> float:
        """The largest error there can be; infinity where there is no such bound."""
        evaluator = self.facts.get("evaluator")
        if evaluator is not None:
            return float("inf") if evaluator["largest"] is None else float(evaluator["largest"])
        return largest_error(self.facts["measures"][target])

    def guess(self, target: str) -> float | None:
        """The error of guessing, the most frequent training value or the median; None where it is not known."""
        return (self.facts.get("guess") or {}).get(target)

    @property
    def measured_on(self) -> int:
        """How many held-out rows each run was measured on; or episodes, where the evaluator plays some."""
        episodes = (self.facts.get("evaluator") or {}).get("episodes")
        return int(episodes or self.facts["task"]["rows"]["evaluated"])

    @property
    def measured_in(self) -> Literal["rows", "episodes"]:
        """What `measured_on` counts."""
        return "episodes" if (self.facts.get("evaluator") or {}).get("episodes") else "rows"

    def words(self, text: str) -> str:
        """A sentence about held-out rows; about episodes, where runs were measured on those."""
        return in_episodes(text) if self.measured_in == "episodes" else text

    def row_errors(self, target: str | None = None) -> dict[Run, np.ndarray]:
        """The error of every held-out row or episode, `(N,)`, NaN for a row without a target, by run.

        Empty for error functions that give one number for all rows, and for studies of version 1.
        """
        wanted = self._target(target)
        runs = set(self.plan.runs())
        with StudyFile.open_file(self.path) as file:
            found = file.row_errors(wanted, self.measured_on)
        return {run: errors for run, errors in found.items() if run in runs}

    def held_out(self, target: str | None = None) -> HeldOutRows:
        """The rows that were measured on, for intervals that hold for other rows like these."""
        wanted = self._target(target)
        return HeldOutRows(
            count=self.measured_on, proportion=self.facts["measures"][wanted] == FRACTIONS[0],
            runs={(run.strategy, run.size, run.seed): rows for run, rows in self.row_errors(wanted).items()},
        )  # fmt: skip

    def trials(self) -> pl.DataFrame:
        """One row per trial of every tuned run, with the error of the best so far; empty without tuning."""
        with StudyFile.open_file(self.path) as file:
            rows = self._asked_for(file.trials())
        return pl.DataFrame([{name: row[name] for name in _TRIALS} for row in rows], schema=_TRIALS)

    def crossover_by_trials(
        self, first: str, second: str, *, level: float = 0.95
    ) -> dict[int, Crossover | NoCrossover]:
        """How the crossover moves with tuning: with 1, 2, 4 ... trials in every run, up to all of them.

        Raises:
            StudyError: the study was not tuned.
        """
        trials = self.trials()
        if trials.is_empty():
            raise StudyError("This study was not tuned: Study(tuning=Tuning(trials=8)) tunes every run.")
        most = int(trials["trial"].max()) + 1  # type: ignore[arg-type]
        counts = sorted({2**power for power in range(most.bit_length()) if 2**power < most} | {most})
        found = {}
        for count in counts:
            runs = trials.filter((pl.col("trial") == count - 1) & pl.col("error").is_finite())
            frame = runs.select("strategy", "size", "seed", "error").with_columns(target=pl.lit(self.targets[0]))
            found[count] = crossover(frame, first, second, level=level)
        return found

    def missing(self) -> list[Run]:
        """Runs that were asked for and are not finished."""
        with StudyFile.open_file(self.path) as file:
            finished = file.finished()
        return [run for run in self.plan.runs() if run not in finished]

    # --- what follows --------------------------------------------------------------------------------------------

    def curves(self, target: str | None = None, *, level: float = 0.95) -> dict[str, Curve]:
        """The learning curve of every strategy: means with intervals, and the power law through them."""
        target = self._target(target)
        return curves(
            self._runs(), target=target, level=level, largest=self.largest(target), held_out=self.held_out(target),
            guess=self.guess(target),
        )  # fmt: skip

    def crossover(
        self, first: str, second: str, *, target: str | None = None, level: float = 0.95, over: Over = "size"
    ) -> Crossover | NoCrossover:
        """The size, or with over="cost" the labelling cost, at which one strategy overtakes the other; or that none is.

        Raises:
            StudyError: costs are asked for, and the study has no prices.
        """
        costs, wanted = None if over == "size" else self.cost_per_row(), self._target(target)
        return crossover(
            self._runs(), first, second, target=wanted, level=level, cost_per_row=costs, held_out=self.held_out(wanted)
        )

    def size_for(
        self, strategy: str, error: float, *, target: str | None = None, level: float = 0.95
    ) -> SizeFor | NotReached:
        """How many training rows a strategy needs for an error, by its power law; marked where it is extrapolation."""
        found = self.curves(target, level=level)
        if strategy not in found:
            raise unknown_name("strategy", strategy, found)
        return found[strategy].size_for(error)

    def compare(self, first: str, second: str, *, target: str | None = None, level: float = 0.95) -> list[Comparison]:
        """At each size, the probability that the first strategy has the lower error; runs are paired by seed."""
        wanted = self._target(target)
        held_out = self.held_out(wanted)
        return compare(self._runs(), first, second, target=wanted, level=level, held_out=held_out)

    def crossovers(
        self, first: str, second: str, *, target: str | None = None, level: float = 0.95
    ) -> tuple[Crossover, ...]:
        """Every crossing of two curves over size, ascending, each with its interval and probability."""
        wanted = self._target(target)
        found = crossovers(
            self._runs(), first, second, target=wanted, level=level, held_out=self.held_out(wanted)
        )  # fmt: skip
        return found if isinstance(found, tuple) else ()

    def preference(
        self, first: str, second: str, *, size: float | None = None, worth: float = 0.0, target: str | None = None
    ) -> Preference:
        """How probable it is that each is better by more than `worth`, at a size (the largest one if None).

        Raises:
            StudyError: too few runs of the same seeds, or a size too far from those tried.
        """
        wanted = self._target(target)
        return preference(
            self._runs(), first, second, size=max(self.plan.sizes) if size is None else size, worth=worth,
            target=wanted, held_out=self.held_out(wanted),
        )  # fmt: skip

    def plan_for(
        self, first: str, second: str, difference: float, *, size: float | None = None, power: float = 0.8,
        level: float = 0.95, target: str | None = None,
    ) -> StudyDesign:  # fmt: skip
        """With this study as a pilot: seeds, held-out rows and sizes that detect a difference, and their cost.

        Raises:
            StudyError: too few pairs of runs, or a difference that is not above 0.
        """
        wanted = self._target(target)
        return plan_study(
            self._runs(), first, second, difference=difference, size=size, power=power, level=level, target=wanted,
            held_out=self.held_out(wanted),
        )  # fmt: skip

    def cost_per_row(self) -> dict[str, float]:
        """What the labels of one training row cost each strategy.

        Raises:
            StudyError: the study has no prices.
        """
        prices, needs = self._prices(needed=True)
        return cost_per_row(prices, needs, strategies=self.plan.strategies)

    def cost_table(self, *, target: str | None = None, level: float = 0.95) -> pl.DataFrame:
        """The points of every curve with what their labels cost.

        Raises:
            StudyError: the study has no prices.
        """
        prices, needs = self._prices(needed=True)
        return cost_table(self._runs(), prices, needs, target=self._target(target), level=level)

    def advice(
        self, *, target: str | None = None, wanted_error: float | None = None, worth: float | None = None
    ) -> list[str]:
        """A few sentences that follow from the results; first the decision, if the study was run until decided.

        Args:
            target: Whose error; may be left out where there is only one.
            wanted_error: An error to reach; half the best one so far if None.
            worth: A difference of errors that does not matter, in their unit; None: that of the decision, if there is
                one, else 0.
        """
        (prices, needs), target = self._prices(), self._target(target)
        decision = self.facts.get("decision") or {}
        decided = [decision["says"]] if decision.get("target") == target else []
        sentences = decided + advice(
            self._runs(), target=target, wanted_error=wanted_error, prices=prices or None, needs=needs or None,
            unit=self.unit(target), largest=self.largest(target),
            held_out=self.held_out(target), guess=self.guess(target), chosen_runs=bool(decided),
            worth=(decision["worth"] if decided else 0.0) if worth is None else worth,
        )  # fmt: skip
        return list(map(self.words, sentences))

    def extrapolate(self, strategy: str, size: float, *, target: str | None = None, beyond: bool = False) -> Forecast:
        """The mean error of a strategy beyond the sizes tried, as a distribution: a mixture of five forecasts.

        Args:
            strategy: Which.
            size: Training rows, up to four times the largest size tried.
            target: Whose error; may be left out where there is only one.
            beyond: Go further than four times, where no interval was ever checked.

        Raises:
            StudyError: see `longspan.study.statistics.extrapolation.extrapolate`.
            UnknownNameError: a strategy or target that no run has.
        """
        target = self._target(target)
        cells = cells_of(self._runs(), target=target)
        return extrapolate(cells.sizes, cells.of(strategy), size, largest=self.largest(target), beyond=beyond)

    def figure(self, target: str | None = None, *, over: Over = "size", width_px: int = 760) -> Figure:
        """The learning curves with their intervals, laws and crossovers, over size or over labelling cost."""
        found, target = self.curves(target), self._target(target)
        costs = None if over == "size" else self.cost_per_row()
        shown = {name: curve for name, curve in found.items() if costs is None or costs[name] > 0}
        crossed = [self.crossover(*pair, target=target, over=over) for pair in itertools.combinations(shown, 2)]
        return learning_curves(
            shown, crossings=[each for each in crossed if isinstance(each, Crossover)], cost_per_row=costs,
            label=self.facts["measures"][target], unit=self.unit(target), width_px=width_px,
        )  # fmt: skip

    def to_json(self, *, worth: float | None = None) -> dict[str, Any]:
        """All results of the study, as JSON values; `worth` as in `advice`."""
        return summarise(self, worth=worth)

    def report(
        self, path: str | Path, *, worth: float | None = None, more: Callable[[Document], None] | None = None
    ) -> Path:
        """One self-contained HTML file: curves, crossovers, probabilities, costs, failures, and how it was measured.

        Args:
            path: The file.
            worth: As in `advice`.
            more: Adds sections of its own, before those that say how it was measured.
        """
        from longspan.study.reports.study_report import compose_report

        return compose_report(self, more, worth=worth).save(path)

    # --- kept models ---------------------------------------------------------------------------------------------

    def model(self, strategy: str, size: int, seed: int) -> Path:
        """The file of a kept model; `ls.load` reads it.

        Raises:
            StudyError: that run is not finished, or its model was not kept.
        """
        if strategy not in self.plan.strategies:
            raise unknown_name("strategy", strategy, self.plan.strategies)
        run = Run(strategy, size, seed)
        with StudyFile.open_file(self.path) as file:
            models = {Run(row["strategy"], row["size"], row["seed"]): row["model"] for row in file.rows()}
        if run not in models:
            raise StudyError(
                f"There is no finished run {run}. Sizes are {', '.join(map(str, self.plan.sizes))}, seeds "
                f"{', '.join(map(str, self.plan.seeds))}."
            )
        name = models[run]
        if name is None or not _lies_beside(name) or not (self.path.parent / name).is_file():
            raise StudyError(f"The model of {run} {_NOT_KEPT}")
        return self.path.parent / name

    def best(self, target: str | None = None) -> Path:
        """The kept model with the lowest error of one target.

        The rows that it was measured on have chosen it, so its error is a little better than it will be on others.

        Raises:
            StudyError: no model was kept.
        """
        with StudyFile.open_file(self.path) as file:
            rows = self._asked_for(file.rows())
        wanted = self._target(target)
        kept = [row for row in rows if row["target"] == wanted and row["model"] is not None]
        if not kept:
            raise StudyError(f"The model of any run {_NOT_KEPT}")
        best = min(kept, key=lambda row: row["error"])
        return self.model(best["strategy"], best["size"], best["seed"])

    # --- helpers -------------------------------------------------------------------------------------------------

    def _runs(self) -> pl.DataFrame:
        frame = self.frame()
        if frame.is_empty():
            why = "failures() says why" if len(self.failures()) else "run() runs them"
            raise StudyError(f"{self.path} has no finished run yet, so there is nothing to say; {why}.")
        return frame

    def _target(self, target: str | None) -> str:
        if target is None and len(self.targets) > 1:
            raise StudyError(f"The study has several targets: {', '.join(self.targets)}. Name one with target=.")
        if target is not None and target not in self.targets:
            raise unknown_name("target", target, self.targets)
        return target or self.targets[0]

    def _prices(self, *, needed: bool = False) -> tuple[dict[str, float], dict[str, list[str]]]:
        """Prices of the labels that this plan's strategies need, and which those are; both empty without prices."""
        prices = self.facts["prices"]
        if prices is None:
            if needed:
                raise StudyError("The study has no prices: Study(cost=..., needs=...) gives them.")
            return {}, {}
        needs = {name: prices["needs"].get(name, self.targets) for name in self.plan.strategies}
        named = {label for labels in needs.values() for label in labels}
        return {label: price for label, price in prices["cost"].items() if label in named}, needs

    def _asked_for(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        runs = set(self.plan.runs())
        return [row for row in rows if Run(row["strategy"], row["size"], row["seed"]) in runs]


def _lies_beside(name: str) -> bool:
    """Whether a path in the file stays within the file's folder."""
    path = PurePath(name)
    return "\0" not in name and not path.is_absolute() and ".." not in path.parts
