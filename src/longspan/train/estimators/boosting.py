"""Gradient-boosted trees as a strategy: what every network for a table is compared with."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

import numpy as np

from longspan.columns import Category, Column, Features
from longspan.data import Task
from longspan.errors import ConfigError, DataError, DependencyError, unknown_name
from longspan.extras import EXTRAS
from longspan.inference.estimators.boosted import BoostedTrees, TreeRows, rows_of
from longspan.inference.estimators.trees import Trees
from longspan.train.budget import Budget
from longspan.train.estimators.growing import MOST_CATEGORIES, Growing
from longspan.train.row_weights import row_weights

__all__ = ["Boosting"]

_LIBRARIES = {
    "scikit-learn": ("scikit_trees", "sklearn"),
    "xgboost": ("xgboost_trees", "xgboost"),
    "lightgbm": ("lightgbm_trees", "lightgbm"),
    "catboost": ("catboost_trees", "catboost"),
}
"""The file that reads the trees of each, and what Python imports."""
_SCIKIT = {"trees": 100, "learning_rate": 0.1, "leaves": 31, "min_rows": 20, "l2": 0.0}
_MOST_TREES = 1000
_LEAST = {"poisson": "of at least 0", "gamma": "above 0"}
"""Which numbers the criteria are for whose trees predict the logarithm."""


@final
@dataclass(frozen=True, kw_only=True)
class Boosting:
    """Gradient boosting on the features of a table: scikit-learn's, or that of XGBoost, LightGBM or CatBoost.

    Each library has its own defaults. Whichever grew them, trees are kept as arrays: a model file holds no code, and
    predicts without the library. A budget of steps is a number of trees; one of seconds is of no effect, for trees are
    quick.

    Source: Friedman 2001, "Greedy function approximation: a gradient boosting machine"; those of the libraries stand
    beside the functions that read their trees.

    Example:
        >>> from longspan import Number, Table
        >>> rows = {"x": [i % 17 for i in range(200)], "y": [float(i % 17 > 8) for i in range(200)]}
        >>> table = Table.from_arrays(rows, {"x": Number(), "y": Number()}).with_features("y")
        >>> task = Task(table.split(), "features", "y", allow_leaks=True)
        >>> round(Boosting().train(task).predict({"x": 12}).value, 2)
        1.0
    """

    library: Literal["scikit-learn", "xgboost", "lightgbm", "catboost"] = "scikit-learn"
    """What grows the trees; all but the first come with the extra "boosting"."""
    trees: int | None = None
    """Rounds; each grows one tree, or one for each class where there are more than two. This and the following: None
    for the library's own default; scikit-learn has 100 trees."""
    learning_rate: float | None = None
    """What a tree's values are multiplied by."""
    leaves: int | None = None
    """Of a tree, at most."""
    min_rows: int | None = None
    """Of a leaf, at least."""
    l2: float | None = None
    """Pulls the values of leaves towards zero."""
    criterion: Literal["squared_error", "absolute_error", "poisson", "gamma"] = "squared_error"
    """Of numbers."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the library, by its own names."""
    monotone: Mapping[str, Literal[1, -1]] = field(default_factory=dict)
    """By name of a number: 1 if predictions may only rise with it, -1 if they may only fall; of a class, of the second
    of two."""
    weights: str | None = None
    """A column of the table with the weight of each row in training; it is not read as a feature."""

    def __post_init__(self) -> None:
        """Check the library and the counts."""
        if self.library not in _LIBRARIES:
            raise unknown_name("library of Boosting", str(self.library), _LIBRARIES)
        if self.library == "scikit-learn":
            for name, value in _SCIKIT.items():
                if getattr(self, name) is None:
                    object.__setattr__(self, name, value)
        elif importlib.util.find_spec(_LIBRARIES[self.library][1]) is None:
            raise DependencyError(f"Boosting with {self.library} needs it: {EXTRAS['boosting'].install}")
        for name in ("trees", "leaves", "min_rows"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ConfigError(f"Boosting.{name} must be a whole number of at least 1, got {value!r}.")
        wrong = {name: way for name, way in self.monotone.items() if way not in (1, -1)}
        if wrong:
            raise ConfigError(f"Boosting.monotone must be 1 or -1 for each column, got {wrong}.")

    def check(self, task: Task) -> None:
        """ConfigError unless the task's input is the features of a table, and its targets are classes or numbers."""
        kinds = {name: task.table.columns[name].kind for name in task.input_names}
        if list(kinds.values()) != ["features"]:
            told = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
            raise ConfigError(f"Boosting reads the features of a table (table.with_features); the inputs are {told}.")
        for name in task.target_names:
            if task.table.columns[name].kind not in ("category", "number"):
                kind = task.table.columns[name].kind
                raise ConfigError(f"Boosting predicts classes and numbers; target {name!r} is of kind {kind}.")

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None) -> BoostedTrees:
        """Trees grown on the task's training rows."""
        self.check(task)
        task.prepare()
        (name,) = task.input_names
        column = task.inputs[name]
        assert isinstance(column, Features)
        read = TreeRows.of(column)
        encoded = task.samples.inputs[name].read(task.train)
        rows = rows_of(read, encoded.numpy())
        monotone = self._monotone(column, read)
        weighted = None if self.weights is None else row_weights(task.table, self.weights, task.train.numpy())
        trees = {}
        for target, kind in task.targets.items():
            known = task.samples.targets[target].present(task.train).numpy()
            values = task.samples.targets[target].read(task.train).numpy()[known]
            weights = None if weighted is None else weighted[known]
            trees[target] = self._grow(rows[known], values, weights, kind, read, monotone, seed, budget)
        logs = [target for target, kind in task.targets.items() if self._is_log(kind)]
        steps = sum(len(each.roots) for each in trees.values())
        return BoostedTrees(name, column, task.targets, trees, logs=logs, steps_done=steps)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether a strategy is still the same."""
        names = ("trees", "learning_rate", "leaves", "min_rows", "l2", "criterion")
        chosen = {name: getattr(self, name) for name in names}
        # What is new since studies were first written stands there only where it is used, so that they can go on.
        more = {"library": self.library} if self.library != "scikit-learn" else {}
        more |= {"monotone": dict(self.monotone)} if self.monotone else {}
        more |= {"weights": self.weights} if self.weights is not None else {}
        return {"strategy": "boosting", **chosen, "options": dict(self.options), **more}

    def _is_log(self, column: Column) -> bool:
        """Whether trees add up to the logarithm of what they predict."""
        return self.criterion in _LEAST and not isinstance(column, Category)

    def _grow(
        self,
        rows: np.ndarray,
        values: np.ndarray,
        weights: np.ndarray | None,
        column: Column,
        read: TreeRows,
        monotone: list[int],
        seed: int,
        budget: Budget | None,
    ) -> Trees:
        present = np.unique(values)
        if isinstance(column, Category) and len(present) < 2:  # a small subset may hold one class
            return _constant(column, int(present[0]))
        if self._is_log(column) and not (values > 0).all():
            least = float(values.min())
            if self.criterion == "gamma" or least < 0 or not values.any():
                raise DataError(
                    f"Boosting(criterion={self.criterion!r}) is for numbers {_LEAST[self.criterion]}; a training row "
                    f"has {least:g}. Choose another criterion, such as 'squared_error'."
                )
        trees = self.trees
        if budget is not None and budget.steps is not None:
            trees = max(1, min(_MOST_TREES if trees is None else trees, budget.steps))
        asked = Growing(
            rows=rows, values=values, weights=weights, monotone=monotone, seed=seed, trees=trees,
            classes=present.tolist() if isinstance(column, Category) else None,
            num_classes=len(column.vocab) if isinstance(column, Category) else 1,
            categories=[place for place, count in read.categories if count <= MOST_CATEGORIES],
            learning_rate=self.learning_rate, leaves=self.leaves, min_rows=self.min_rows, l2=self.l2,
            criterion=self.criterion, options=self.options,
        )  # fmt: skip
        library = importlib.import_module(f"longspan.train.estimators.{_LIBRARIES[self.library][0]}")
        return library.grow(asked)

    def _monotone(self, column: Features, read: TreeRows) -> list[int]:
        """Of each feature that trees read its direction.

        Raises:
            ConfigError: a name that is not a number of the input.
        """
        strangers = [name for name in self.monotone if name not in column.numbers]
        if strangers:
            known = ", ".join(map(repr, column.numbers))
            raise ConfigError(
                f"Boosting.monotone names {', '.join(map(repr, strangers))}, and only numbers of the input can rise or "
                f"fall: {known}."
            )
        assert column.number_stats is not None
        directions = [int(self.monotone.get(stats.name, 0)) for stats in column.number_stats]
        return directions + [0] * len(read.categories)


def _constant(column: Category, value: int) -> Trees:
    baseline = np.full(len(column.vocab), -np.inf)
    baseline[value] = 0.0
    return Trees.joined([], [], baseline)
