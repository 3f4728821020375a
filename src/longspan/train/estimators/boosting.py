"""Gradient-boosted trees as a strategy: what every network for a table is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, final

import numpy as np

from longspan.columns import Category, Column, Features
from longspan.data import Task
from longspan.errors import ConfigError, DataError
from longspan.inference.estimators.boosted import BoostedTrees, TreeRows, rows_of
from longspan.inference.estimators.trees import Trees
from longspan.train.budget import Budget

__all__ = ["Boosting"]

_MOST_CATEGORIES = 255
"""That scikit-learn's trees can split by sets; a category of more is read as a number."""
_LEAST = {"poisson": "of at least 0", "gamma": "above 0"}
"""Which numbers the criteria are for whose trees predict the logarithm."""


@final
@dataclass(frozen=True, kw_only=True)
class Boosting:
    """Scikit-learn's histogram gradient boosting on the features of a table, with its own defaults.

    A budget of steps is a number of trees; one of seconds is of no effect, for trees are quick.

    Source: Friedman 2001, "Greedy function approximation: a gradient boosting machine"; Ke et al. 2017, "LightGBM".

    Example:
        >>> from longspan import Number, Table
        >>> rows = {"x": [i % 17 for i in range(200)], "y": [float(i % 17 > 8) for i in range(200)]}
        >>> table = Table.from_arrays(rows, {"x": Number(), "y": Number()}).with_features("y")
        >>> task = Task(table.split(), "features", "y", allow_leaks=True)
        >>> round(Boosting().train(task).predict({"x": 12}).value, 2)
        1.0
    """

    trees: int = 100
    """Rounds; each grows one tree, or one for each class where there are more than two."""
    learning_rate: float = 0.1
    """What a tree's values are multiplied by."""
    leaves: int = 31
    """Of a tree, at most."""
    min_rows: int = 20
    """Of a leaf, at least."""
    l2: float = 0.0
    """Pulls the values of leaves towards zero."""
    criterion: Literal["squared_error", "absolute_error", "poisson", "gamma"] = "squared_error"
    """Of numbers."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of scikit-learn's estimator, by its names, such as `monotonic_cst`."""

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("trees", "leaves", "min_rows"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigError(f"Boosting.{name} must be a whole number of at least 1, got {getattr(self, name)!r}.")

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
        trees = {}
        for target, kind in task.targets.items():
            known = task.samples.targets[target].present(task.train).numpy()
            values = task.samples.targets[target].read(task.train).numpy()[known]
            trees[target] = self._grow(rows[known], values, kind, read, seed, budget)
        logs = [target for target, kind in task.targets.items() if self._is_log(kind)]
        steps = sum(len(each.roots) for each in trees.values())
        return BoostedTrees(name, column, task.targets, trees, logs=logs, steps_done=steps)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether a strategy is still the same."""
        names = ("trees", "learning_rate", "leaves", "min_rows", "l2", "criterion")
        return {"strategy": "boosting", **{name: getattr(self, name) for name in names}, "options": dict(self.options)}

    def _is_log(self, column: Column) -> bool:
        """Whether trees add up to the logarithm of what they predict."""
        return self.criterion in _LEAST and not isinstance(column, Category)

    def _grow(
        self, rows: np.ndarray, values: np.ndarray, column: Column, read: TreeRows, seed: int, budget: Budget | None
    ) -> Trees:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

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
        categories = [place for place, count in read.categories if count <= _MOST_CATEGORIES]
        shared = {
            "max_iter": self.trees if budget is None or budget.steps is None else max(1, min(self.trees, budget.steps)),
            "learning_rate": self.learning_rate,
            "max_leaf_nodes": self.leaves,
            "min_samples_leaf": self.min_rows,
            "l2_regularization": self.l2,
            "categorical_features": categories or None,
            "random_state": seed,
            **self.options,
        }
        if isinstance(column, Category):
            grown = HistGradientBoostingClassifier(**shared).fit(rows, values)
            outputs = np.searchsorted(np.arange(len(column.vocab)), grown.classes_)
        else:
            grown = HistGradientBoostingRegressor(loss=self.criterion, **shared).fit(rows, values)
            outputs = np.zeros(1, np.int64)
        return _as_arrays(grown, rows, categories, outputs, column)


def _constant(column: Category, value: int) -> Trees:
    baseline = np.full(len(column.vocab), -np.inf)
    baseline[value] = 0.0
    return Trees.joined([], [], baseline)


def _as_arrays(grown: Any, rows: np.ndarray, categories: Sequence[int], outputs: np.ndarray, column: Column) -> Trees:
    """The nodes of scikit-learn's trees on our order of the columns and our class numbers.

    Scikit-learn puts the categories first, and numbers the labels of each in the order of those that the rows have;
    a label that they lack goes where a missing one goes.
    """
    width = rows.shape[1]
    order = [*categories, *(place for place in range(width) if place not in categories)]
    labels = {place: np.unique(rows[:, place][~np.isnan(rows[:, place])]).astype(np.int64) for place in categories}
    two_classes = isinstance(column, Category) and len(outputs) == 2
    trees, whose = [], []
    for iteration in grown._predictors:
        for number, tree in enumerate(iteration):
            nodes, bits = tree.nodes, tree.raw_left_cat_bitsets
            feature = np.asarray(order, np.int64)[nodes["feature_idx"]]
            categorical = nodes["is_categorical"].astype(bool)
            inner = nodes["is_leaf"] == 0
            left = np.zeros((len(nodes), 8), np.int64)
            for node in np.flatnonzero(categorical & inner):
                goes = labels[int(feature[node])][
                    _set_bits(bits[nodes["bitset_idx"][node]], len(labels[int(feature[node])]))
                ]
                if nodes["missing_go_to_left"][node]:
                    goes = np.union1d(goes, np.setdiff1d(np.arange(_MOST_CATEGORIES + 1), labels[int(feature[node])]))
                for label in goes.tolist():
                    left[node, label // 32] |= 1 << (label % 32)
            trees.append(
                {
                    "feature": np.where(inner, feature, 0),
                    "threshold": nodes["num_threshold"],
                    "left": nodes["left"],
                    "right": nodes["right"],
                    "leaf": ~inner,
                    "value": nodes["value"],
                    "missing_left": nodes["missing_go_to_left"].astype(bool),
                    "categorical": categorical,
                    "left_categories": left,
                }
            )
            whose.append(int(outputs[1 if two_classes else number]))
    first = np.ravel(grown._baseline_prediction)
    baseline = np.full(len(column.vocab), -np.inf) if isinstance(column, Category) else np.zeros(1)
    if two_classes:
        baseline[outputs] = [0.0, first[0]]
    else:
        baseline[outputs] = first
    return Trees.joined(trees, whose, baseline)


def _set_bits(words: np.ndarray, count: int) -> np.ndarray:
    """`(count,)` bool of the first bits of 32-bit words."""
    numbers = np.arange(count)
    return (words[numbers // 32] >> (numbers % 32).astype(np.uint32)) & 1 == 1
