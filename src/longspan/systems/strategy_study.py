"""What systems that compare strategies have in common: their options, the study, pipelines of the largest size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import longspan as ls
from longspan.errors import ConfigError, StudyError, check_names
from longspan.systems.function_registry import load_with_functions
from longspan.systems.result import SystemRun

if TYPE_CHECKING:
    from longspan.study import Evaluator, StudyResults
    from longspan.study.scoring import ErrorFunction
    from longspan.train import Strategy

__all__ = [
    "STUDY", "largest_pipelines", "mean_errors", "parse_sizes", "parse_strategies", "run_study", "train_seconds",
]  # fmt: skip

STUDY = "study.sqlite"


def parse_sizes(text: str) -> list[int]:
    """Training sizes, ascending.

    Raises:
        ConfigError: a size is not a whole number, or below 20.
    """
    try:
        sizes = sorted({int(each) for each in text.split(",")})
    except ValueError:
        raise ConfigError(
            f"--sizes must be whole numbers separated by commas, like 100,300,1000; got {text!r}."
        ) from None
    if sizes[0] < 20:
        raise ConfigError(f"--sizes must be at least 20 rows each, got {sizes[0]}.")
    return sizes


def parse_strategies(text: str, known: Collection[str], separator: str = ",") -> list[str]:
    """Names of strategies in the order of `known`, all of them for "all".

    Raises:
        UnknownNameError: there is no such strategy.
    """
    if text == "all":
        return list(known)
    asked = [each.strip() for each in text.split(separator)]
    check_names("strategy", asked, known)
    return [name for name in known if name in asked]


def run_study(
    run: SystemRun,
    task: ls.Task,
    strategies: Mapping[str, Strategy],
    *,
    sizes: list[int],
    seeds: int,
    budget: ls.Budget | None,
    jobs: int | None,
    cost: Mapping[str, float],
    needs: Mapping[str, Sequence[str]],
    error: str | ErrorFunction | Evaluator | None = None,
) -> StudyResults:
    """The study in the folder of the run; trainings that an earlier call finished are not run again.

    Args:
        run: Its folder, seed and whether it starts over.
        task: With sealed test rows, on which the strategies are measured.
        strategies: By name.
        sizes: Numbers of training rows.
        seeds: Trainings of each strategy at each size.
        budget: Of each training; None: each strategy's own.
        jobs: Trainings at a time; None: one per core.
        cost: Of a label of each kind; kinds that no strategy needs are left out.
        needs: Kinds of labels that each strategy needs.
        error: How a prediction is measured; None: as its column does.
    """
    from joblib import cpu_count

    run.held_out = task.table.take(task.valid.numpy()) if len(task.valid) else None
    path = run.folder / STUDY
    if run.force:
        for old in (path, *run.folder.glob(f"{STUDY}-*")):
            old.unlink(missing_ok=True)
    try:
        study = ls.Study(
            task,
            strategies,
            sizes,
            [1000 * run.seed + i for i in range(seeds)],
            budget=budget,
            path=path,
            evaluate_on="test",
            error=error,
            cost={kind: price for kind, price in cost.items() if any(kind in needs[name] for name in strategies)},
            needs={name: needs[name] for name in strategies},
            keep_models="largest",
        )
    except StudyError as fault:
        hint = " --force starts over." if path.exists() else ""
        raise StudyError(f"{fault}{hint}") from fault
    run.when_stopped = f"Finished trainings are kept in {path}; the same command continues from there."
    study.run(jobs=jobs or cpu_count(), progress=not run.quiet)
    return study.results


def mean_errors(results: StudyResults) -> dict[tuple[str, int], float]:
    """The mean error of each strategy at each size that has a finished training.

    Raises:
        ConfigError: none was finished.
    """
    errors = {(name, point.size): point.mean for name, curve in results.curves().items() for point in curve.points}
    if not errors:
        failed = results.failures()
        first = f" The first says: {failed['message'][0]}" if len(failed) else ""
        raise ConfigError(f"No training of the study was finished, so there is no result.{first}")
    return errors


def train_seconds(results: StudyResults) -> float:
    """Wall-clock time of all finished trainings, those of earlier calls included."""
    frame = results.frame()
    return float(frame.unique(["strategy", "size", "seed"])["seconds"].sum())


def largest_pipelines(results: StudyResults, names: Collection[str]) -> Iterator[tuple[str, ls.Pipeline]]:
    """The pipelines among these strategies, trained on the largest size with the first seed, for ceiling analysis."""
    size, seed = results.plan.sizes[-1], results.plan.seeds[0]
    missing = {run.strategy for run in results.missing() if run.size == size and run.seed == seed}
    for name in names:
        if name in results.plan.strategies and name not in missing:
            pipeline = load_with_functions(results.model(name, size, seed))
            assert isinstance(pipeline, ls.Pipeline)
            yield name, pipeline
