"""The error of never looking at an input: what a strategy must beat to have learned."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from longspan.data import Task
from longspan.errors import LongspanError
from longspan.study.evaluator import Evaluator
from longspan.study.scoring import measure_for

__all__ = ["guessing_errors"]

_MOST_ROWS = 20_000


def guessing_errors(
    task: Task, evaluated: np.ndarray, error: str | Callable[..., Any] | Evaluator | None
) -> dict[str, float]:
    """By target: the error of always predicting the most frequent training value, or for numbers their median.

    Targets without such a value are left out: those that lie in an image, and all where errors are the user's own.

    Args:
        task: Prepared.
        evaluated: Row numbers of the rows that are measured on.
        error: Of the study.
    """
    if callable(error) or isinstance(error, Evaluator):
        return {}
    train = task.table.take(task.train.numpy()[:_MOST_ROWS])
    table = task.table.take(evaluated)
    found: dict[str, float] = {}
    for name, column in task.targets.items():
        if column.kind not in ("category", "text", "number", "multi_label"):
            continue
        values = [value for value in train.column_values(name) if value is not None]
        if not values:
            continue
        try:
            guess = median(values) if column.kind == "number" else _most_frequent(values)
            targets = table.column_values(name)
            found[name], _ = measure_for(name, column, error)(targets, [guess] * len(targets))
        except (LongspanError, TypeError, ValueError):
            continue  # no guess for a value that the column reads in its own way
    return found


def _most_frequent(values: list[Any]) -> Any:
    """The first of the most frequent ones; lists count by what is in them."""
    counts: dict[str, int] = {}
    first: dict[str, Any] = {}
    for value in values:
        key = repr(value)
        counts[key] = counts.get(key, 0) + 1
        first.setdefault(key, value)
    return first[max(counts, key=lambda key: counts[key])]
