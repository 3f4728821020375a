"""One run of a study: a strategy trained on so many rows with a seed, then measured on rows it has never seen."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch

from longspan.data import Task
from longspan.errors import StudyError
from longspan.inference.predictions import Predictions
from longspan.randomness import permutation, step_seed
from longspan.study.scoring import ErrorFunction, measure_for
from longspan.train import Budget, Learner

__all__ = ["Context", "Failure", "Run", "RunResult", "perform", "study_rows"]

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
    error: str | ErrorFunction | None
    threads: int
    """That a run computes with: figures depend on it in their last bits."""
    path: Path
    """The study file."""
    keep: frozenset[int]
    """Sizes whose models are kept."""


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
    trained = strategy.train(subset, seed=run.seed, budget=context.budget)
    predictions = _predictions(trained, context)
    evaluated = task.table.take(context.evaluated)
    errors = {}
    for target, column in task.targets.items():
        said = [prediction[target] for prediction in predictions]
        errors[target] = measure_for(target, column, context.error)(evaluated.column_values(target), said)
    seconds = time.perf_counter() - started
    model = _keep(trained, context.path, run) if run.size in context.keep else None
    return RunResult(errors=errors, steps=int(getattr(trained, "steps_done", 0)), seconds=seconds, model=model)


def _predictions(trained: Any, context: Context) -> list[Any]:
    """One prediction per evaluated row, in order; from the task's inputs alone, so that no truth can be looked up."""
    task = context.task
    located = any(column.context_kind for column in task.targets.values())
    if isinstance(trained, Learner) and trained.task.samples is task.samples and not located:
        # The same values, already read and encoded for training: a folder of photos is not decoded in every run.
        predictor = trained.predictor()
        predictions = predictor.predict_rows(task.samples, torch.from_numpy(context.evaluated))
        nowhere = [None] * len(context.evaluated)
        return Predictions(predictions, nowhere, nowhere).decode(predictor.heads, [])
    return list(trained.predict(task.table.take(context.evaluated).select(*task.input_names)))


def _keep(trained: Any, path: Path, run: Run) -> str:
    """Save the model beside the study file; where, seen from there."""
    name = "".join(letter if letter.isalnum() else "-" for letter in run.strategy).strip("-") or "strategy"
    # Two names may look alike as files, so a fingerprint of the name tells them apart.
    mark = f"{step_seed(0, run.strategy, 0) & 0xFFFF:04x}"
    inside = Path(f"{path.stem}-models") / f"{name}-{mark}-{run.size}-{run.seed}.safetensors"
    try:
        (path.parent / inside).parent.mkdir(parents=True, exist_ok=True)
        trained.save(path.parent / inside)
    except Exception as error:
        raise StudyError(
            f"It was trained and measured, but its model could not be saved: {_message(error)} Mend that, or do "
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
