"""One run of a study: a strategy trained on so many rows with a seed, then measured on rows it has never seen."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch

from longspan.data import Task
from longspan.errors import StudyError
from longspan.inference.predictions import Predictions
from longspan.randomness import permutation, step_seed
from longspan.study.evaluator import Evaluator
from longspan.study.runs.tuned import best_of_trials
from longspan.study.scoring import ErrorFunction, measure_for
from longspan.study.tuning import Tuning
from longspan.train import Budget, Learner

__all__ = ["Context", "Failure", "Run", "RunResult", "TrialResult", "perform", "predictions_for", "study_rows"]

_TRACE_CHARACTERS = 4000


class Run(NamedTuple):
    """Which of the runs of a study."""

    strategy: str
    size: int
    """Training rows."""
    seed: int

    def __str__(self) -> str:
        """As people say it: "staged, 300 rows, seed 2"."""
        return f"{self.strategy}, {self.size:,} rows, seed {self.seed}"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """One trial of tuning."""

    params: dict[str, Any]
    """Options in place of the strategy's own; empty for its own."""
    score: float | None
    """The error on the rows that choose among trials; None where the trial failed."""
    error: float
    """On the held-out rows, of the best trial so far: what the run would give with so many trials."""
    seconds: float


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """A run that is finished."""

    errors: dict[str, float]
    """By target; lower is better."""
    steps: int
    """Batches that were learned from."""
    seconds: float
    """Training and measuring."""
    model: str | None = None
    """File of the kept model, seen from the folder of the study file."""
    row_errors: dict[str, np.ndarray] = field(default_factory=dict)
    """By target: the error of each held-out row or episode, `(N,)`, NaN where it has no target."""
    trials: tuple[TrialResult, ...] = ()
    """Of tuning, in order; empty without."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A run that raised, or whose process ended."""

    kind: str
    """Name of the exception; "ProcessDied" where there was none left to raise it."""
    message: str
    trace: str = ""
    """Where it was raised, for whoever mends it."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What all runs of a study share; a worker process gets it once."""

    task: Task
    """Prepared."""
    strategies: Mapping[str, Any]
    evaluated: np.ndarray
    """Row numbers of the rows that every run is measured on."""
    budget: Budget | None
    error: str | ErrorFunction | Evaluator | None
    threads: int
    """That a run computes with: errors depend on it in their last bits."""
    path: Path
    """The study file."""
    keep: frozenset[int]
    """Sizes whose models are kept."""
    tuning: Tuning | None = None
    """Of every run alike."""
    spaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What each strategy is tuned over."""


def study_rows(task: Task, seed: int, size: int) -> np.ndarray:
    """The training rows of one size and seed: nested from size to size, and the same for every strategy.

    The order of all training rows is a function of the seed; a subset is the first `size` of them.
    """
    order = permutation(seed, "study rows", 0, len(task.train))
    return task.train[order[:size]].numpy()


def perform(context: Context, run: Run) -> RunResult | Failure:
    """Train and measure; whatever a strategy raises becomes a `Failure`."""
    try:
        with _limited(context.threads), _seeded(run):
            return _perform(context, run)
    except (Exception, SystemExit) as error:  # a strategy that calls sys.exit ends its own run and no other
        trace = "".join(traceback.format_exception(error))
        return Failure(kind=type(error).__name__, message=_message(error), trace=trace[-_TRACE_CHARACTERS:])


def _perform(context: Context, run: Run) -> RunResult:
    task, started = context.task, time.perf_counter()
    strategy = context.strategies[run.strategy]
    subset = task.subset(study_rows(task, run.seed, run.size))
    trials: list[TrialResult] = []
    if context.tuning is None:
        trained = strategy.train(subset, seed=run.seed, budget=context.budget)
        steps = int(getattr(trained, "steps_done", 0))
        errors, rows = _measured(trained, context, context.evaluated)
    else:
        trained, steps, errors, rows, trials = _tuned(strategy, subset, context, run)
    seconds = time.perf_counter() - started
    model = _keep(trained, context.path, run) if run.size in context.keep else None
    return RunResult(
        errors=errors, steps=steps, seconds=seconds, model=model, row_errors=rows, trials=tuple(trials)
    )  # fmt: skip


def _tuned(
    strategy: Any, subset: Task, context: Context, run: Run
) -> tuple[Any, int, dict[str, float], dict[str, np.ndarray], list[TrialResult]]:
    """Like one training, of the best of several; what it would be with fewer trials is measured as well."""
    tuning = context.tuning
    assert tuning is not None

    def score(trained: Any, rows: np.ndarray) -> float:
        errors, _ = _measured(trained, context, rows)
        return errors[tuning.target or next(iter(errors))]

    trials = best_of_trials(
        strategy, subset, tuning, context.spaces[run.strategy], seed=run.seed, budget=context.budget, score=score
    )
    results: list[TrialResult] = []
    best, errors, rows = None, {}, {}
    for trial in trials:
        if trial.best is not None and trial.best is not best:
            best = trial.best
            errors, rows = _measured(best, context, context.evaluated)
        error = errors[tuning.target or next(iter(errors))] if errors else float("inf")
        results.append(TrialResult(params=trial.params, score=trial.score, error=error, seconds=trial.seconds))
    return best, sum(trial.steps for trial in trials), errors, rows, results


def _measured(trained: Any, context: Context, rows: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Errors of a predictor on some rows, by target, and those of each row where they are known."""
    task, error = context.task, context.error
    table = task.table.take(rows)
    if isinstance(error, Evaluator):
        values = error.errors(trained, table)
        return {error.name: float(values.mean())}, {error.name: values}
    predictions = predictions_for(trained, task, rows)
    errors: dict[str, float] = {}
    of_rows: dict[str, np.ndarray] = {}
    for target, column in task.targets.items():
        predicted = [prediction[target] for prediction in predictions]
        errors[target], each = measure_for(target, column, error)(table.column_values(target), predicted)
        if each is not None:
            of_rows[target] = each
    return errors, of_rows


def predictions_for(trained: Any, task: Task, rows: np.ndarray) -> list[Any]:
    """One prediction per row, in order; from the task's inputs alone, so that no target can be looked up."""
    located = any(column.context_kind for column in task.targets.values())
    if isinstance(trained, Learner) and trained.task.samples is task.samples and not located:
        # The same values, already read and encoded for training: a folder of photos is not decoded in every run.
        predictor = trained.predictor()
        predictions = predictor.predict_rows(task.samples, torch.from_numpy(rows))
        nowhere = [None] * len(rows)
        return Predictions(predictions, nowhere, nowhere).decode(predictor.heads, [])
    return list(trained.predict(task.table.take(rows).select(*task.input_names)))


def _keep(trained: Any, path: Path, run: Run) -> str:
    """Save the model beside the study file; where, seen from there."""
    name = "".join(letter if letter.isalnum() else "-" for letter in run.strategy).strip("-") or "strategy"
    # Two names may look alike as files, so a fingerprint of the name distinguishes them.
    mark = f"{step_seed(0, run.strategy, 0) & 0xFFFF:04x}"
    inside = Path(f"{path.stem}-models") / f"{name}-{mark}-{run.size}-{run.seed}.safetensors"
    try:
        (path.parent / inside).parent.mkdir(parents=True, exist_ok=True)
        trained.save(path.parent / inside)
    except Exception as error:
        raise StudyError(
            f"It was trained and measured, but its model could not be saved: {_message(error)} Fix that, or do "
            'without: keep_models="none".'
        ) from error
    return inside.as_posix()


@contextmanager
def _limited(threads: int) -> Iterator[None]:
    """So many threads for PyTorch and for the linear algebra of everything else."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _seeded(run: Run) -> Iterator[None]:
    """Global random states that depend on the run alone and not on what ran before it; the caller's stay as they are.

    longspan's own training needs none of this; estimators and functions of other libraries may.
    """
    seed = step_seed(run.seed, "study run", run.size)
    numpys, pythons = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            np.random.seed(seed & 0xFFFFFFFF)
            random.seed(seed)
            torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)


def _message(error: BaseException) -> str:
    return str(error) or type(error).__name__
