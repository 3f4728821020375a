"""A run with tuning: several trainings, of which the rows that none of them learned from choose one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from longspan.data import Task
from longspan.errors import StudyError
from longspan.randomness import permutation
from longspan.study.strategy_options import with_options
from longspan.study.tuning import Tuning, draw_params, optuna_sampler
from longspan.train import Budget

__all__ = ["Trial", "best_of_trials"]


@final
@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training of a tuned run."""

    params: dict[str, Any]
    score: float | None
    """On the rows that choose; None where it failed or diverged."""
    seconds: float
    best: Any
    """The predictor of the best trial so far."""
    steps: int
    """Batches that this trial learned from."""


def best_of_trials(
    strategy: Any, subset: Task, tuning: Tuning, space: Mapping[str, Any], *, seed: int, budget: Budget | None,
    score: Callable[[Any, np.ndarray], float],
) -> list[Trial]:  # fmt: skip
    """Every trial in order; the last one's `best` is what the run gives.

    The rows that choose are the same for every strategy and trial, and fewer where the run is smaller: their labels are
    part of the run's size, so tuning costs data as it does in use.

    Args:
        strategy: With its own options.
        subset: The task with the run's training rows.
        tuning: How.
        space: Of this strategy.
        seed: Of the run.
        budget: Of all trials together.
        score: Error of a predictor on some rows of the task.

    Raises:
        StudyError: too few rows to hold some out.
        LongspanError: that of the first trial, where every trial failed.
    """
    rows = subset.train.numpy()
    count = max(1, round(tuning.valid * len(rows)))
    if len(rows) - count < 2:
        raise StudyError(f"{len(rows)} training rows are too few to tune on: {count} of them would choose.")
    order = rows[permutation(seed, "rows that choose", 0, len(rows)).numpy()]
    choosing, learning = order[:count], np.sort(order[count:])
    part = subset.subset(torch.from_numpy(learning))
    each_budget = None if budget is None else budget.fraction(1 / tuning.trials)
    ask, tell = optuna_sampler(space, seed) if tuning.search == "optuna" else (None, None)
    trials: list[Trial] = []
    best, lowest, first_fault = None, math.inf, None
    for number in range(tuning.trials):
        began, asked, found, steps = time.perf_counter(), None, None, 0
        if ask is not None and number:
            asked, params = ask()
        else:
            params = draw_params(space, seed, number)
        try:
            trained = with_options(strategy, params).train(part, seed=seed, budget=each_budget)
            steps = int(getattr(trained, "steps_done", 0))
            found = score(trained, choosing)
            if found < lowest:
                best, lowest = trained, found
        except Exception as fault:  # settings under which training fails are bad ones, no more
            first_fault = first_fault or fault
        if asked is not None and tell is not None:
            tell(asked, found)
        seconds = time.perf_counter() - began
        trials.append(Trial(params=params, score=found, seconds=seconds, best=best, steps=steps))
    if best is None:
        assert first_fault is not None
        raise first_fault
    return trials
