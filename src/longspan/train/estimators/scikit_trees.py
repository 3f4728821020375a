"""Trees of scikit-learn's histogram gradient boosting as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from longspan.inference.estimators.trees import Trees
from longspan.train.estimators.growing import MOST_CATEGORIES, Growing

__all__ = ["grow"]


def grow(asked: Growing) -> Trees:
    """Trees with the defaults of scikit-learn, where nothing else was chosen.

    Source: Friedman 2001, "Greedy function approximation: a gradient boosting machine"; Ke et al. 2017, "LightGBM".
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    chosen = {
        "categorical_features": list(asked.categories) or None,
        "random_state": asked.seed,
        "monotonic_cst": list(asked.monotone) if any(asked.monotone) else None,
        **asked.given(
            trees="max_iter", learning_rate="learning_rate", leaves="max_leaf_nodes", min_rows="min_samples_leaf",
            l2="l2_regularization",
        ),
    }  # fmt: skip
    if asked.classes is not None:
        grown = HistGradientBoostingClassifier(**chosen).fit(asked.rows, asked.values, asked.weights)
        outputs = np.asarray(asked.classes, np.int64)
    else:
        grown = HistGradientBoostingRegressor(loss=asked.criterion, **chosen).fit(
            asked.rows, asked.values, asked.weights
        )  # type: ignore[arg-type]
        outputs = np.zeros(1, np.int64)
    return _as_arrays(grown, asked, outputs)


def _as_arrays(grown: Any, asked: Growing, outputs: np.ndarray) -> Trees:
    """The nodes of scikit-learn's trees on our order of the columns and our class numbers.

    Scikit-learn puts the categories first, and numbers the labels of each in the order of those that the rows have;
    a label that they lack goes where a missing one goes.
    """
    rows, categories = asked.rows, asked.categories
    width = rows.shape[1]
    order = [*categories, *(place for place in range(width) if place not in categories)]
    labels = {place: np.unique(rows[:, place][~np.isnan(rows[:, place])]).astype(np.int64) for place in categories}
    two_classes = asked.classes is not None and len(outputs) == 2
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
                    goes = np.union1d(goes, np.setdiff1d(np.arange(MOST_CATEGORIES + 1), labels[int(feature[node])]))
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
    baseline = np.full(asked.num_classes, -np.inf) if asked.classes is not None else np.zeros(1)
    if two_classes:
        baseline[outputs] = [0.0, first[0]]
    else:
        baseline[outputs] = first
    return Trees.joined(trees, whose, baseline)


def _set_bits(words: np.ndarray, count: int) -> np.ndarray:
    """`(count,)` bool of the first bits of 32-bit words."""
    numbers = np.arange(count)
    return (words[numbers // 32] >> (numbers % 32).astype(np.uint32)) & 1 == 1
