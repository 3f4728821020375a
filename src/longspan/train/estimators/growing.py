"""What is asked of a library that grows boosted trees, and what all of their trees are checked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.errors import TrainingError
from longspan.inference.estimators.trees import Trees

__all__ = ["MOST_CATEGORIES", "Growing", "checked_rows", "with_baseline"]

MOST_CATEGORIES = 255
"""Classes of a category that trees split by sets; one of more is read as a number."""
_CHECKED = 256
_NEAR = 1e-4


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Growing:
    """Training rows and settings; None leaves a setting to the library."""

    rows: np.ndarray
    """`(N, F)` float64, NaN where missing."""
    values: np.ndarray
    """`(N,)` targets: numbers, or class numbers from 0."""
    weights: np.ndarray | None
    """`(N,)` weights of rows."""
    classes: Sequence[int] | None
    """Of a category the class numbers that occur, ascending, at least two; None for a number."""
    num_classes: int
    """Of the target column, also those that do not occur."""
    categories: Sequence[int]
    """Places of features that are split by sets."""
    monotone: Sequence[int]
    """Of each feature 1 if predictions may only rise with it, -1 if they may only fall, else 0."""
    trees: int | None
    learning_rate: float | None
    leaves: int | None
    min_rows: int | None
    l2: float | None
    criterion: str
    """Of numbers."""
    seed: int
    options: Mapping[str, Any]
    """By the library's own names."""

    @property
    def labels(self) -> np.ndarray:
        """`(N,)` int64: places of the targets among the classes that occur."""
        assert self.classes is not None
        return np.searchsorted(np.asarray(self.classes), self.values).astype(np.int64)

    @property
    def outputs(self) -> list[int]:
        """Which output the trees of one round add to; of two classes the second alone has trees."""
        if self.classes is None:
            return [0]
        return list(self.classes[1:] if len(self.classes) == 2 else self.classes)

    def given(self, **names: str) -> dict[str, Any]:
        """The settings that were chosen, by the library's names for them; then the options."""
        chosen = {theirs: getattr(self, ours) for ours, theirs in names.items()}
        return {**{name: value for name, value in chosen.items() if value is not None}, **self.options}


def with_baseline(
    asked: Growing, trees: Sequence[Mapping[str, Any]], outputs: Sequence[int], margins: np.ndarray, library: str
) -> Trees:
    """The trees with what they add to, and a check that they predict what their library predicts.

    Args:
        asked: What they were grown from.
        trees: See `Trees.joined`.
        outputs: See `Trees.joined`.
        margins: `(M, K)`: what the library predicts for the first M training rows, before any link function; K as
            many as `asked.outputs`.
        library: Its name.

    Raises:
        TrainingError: the predictions differ, as with a version whose files have changed.
    """
    baseline = np.zeros(1) if asked.classes is None else np.full(asked.num_classes, -np.inf)
    if asked.classes is not None:
        baseline[list(asked.classes)] = 0.0
    bare = Trees.joined(trees, outputs, baseline)
    found = bare.predict(asked.rows[: len(margins)])[:, asked.outputs]
    baseline[asked.outputs] = margins[0] - found[0]
    off = np.abs(found + baseline[asked.outputs] - margins).max()
    if not off <= _NEAR * (1 + np.abs(margins).max()):
        raise TrainingError(
            f"The trees that {library} stored predict other values than {library} itself (they differ by {off:.3g}). "
            f"This version of {library} may store them differently; try another, or Boosting() without library=."
        )
    return Trees.joined(trees, outputs, baseline)


def checked_rows(asked: Growing) -> np.ndarray:
    """The training rows whose predictions are compared."""
    return asked.rows[:_CHECKED]
