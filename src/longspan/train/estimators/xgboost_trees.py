"""Trees of XGBoost as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from longspan.inference.estimators.trees import Trees
from longspan.train.estimators.growing import Growing, checked_rows, with_baseline

__all__ = ["grow"]

_OBJECTIVES = {
    "squared_error": "reg:squarederror",
    "absolute_error": "reg:absoluteerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
}
_ROUNDS = 100


def grow(asked: Growing) -> Trees:
    """Trees with the defaults of XGBoost, where nothing else was chosen.

    Source: Chen and Guestrin 2016, "XGBoost: a scalable tree boosting system".
    """
    import xgboost

    kinds = ["c" if place in asked.categories else "q" for place in range(asked.rows.shape[1])]

    def matrix(rows: np.ndarray, **more: Any) -> Any:
        return xgboost.DMatrix(rows.astype(np.float32), feature_types=kinds, enable_categorical=True, **more)

    chosen: dict[str, Any] = {"objective": _OBJECTIVES[asked.criterion]}
    labels = asked.values
    if asked.classes is not None:
        labels = asked.labels
        two = len(asked.classes) == 2
        chosen = {"objective": "binary:logistic"} if two else {"objective": "multi:softprob"}
        chosen |= {} if two else {"num_class": len(asked.classes)}
    chosen |= asked.given(learning_rate="learning_rate", leaves="max_leaves", min_rows="min_child_weight", l2="lambda")
    chosen |= {"seed": asked.seed, "tree_method": "hist"} | dict(asked.options)
    if any(asked.monotone):
        chosen["monotone_constraints"] = tuple(asked.monotone)
    grown = xgboost.train(
        chosen, matrix(asked.rows, label=labels, weight=asked.weights), _ROUNDS if asked.trees is None else asked.trees
    )
    margins = np.asarray(grown.predict(matrix(checked_rows(asked)), output_margin=True), np.float64)
    stored = json.loads(bytes(grown.save_raw("json")))["learner"]["gradient_booster"]
    model = stored.get("model", stored)
    trees = [_arrays(tree) for tree in model["trees"]]
    outputs = [asked.outputs[group] for group in model["tree_info"]]
    return with_baseline(asked, trees, outputs, margins.reshape(len(margins), -1), "XGBoost")


def _arrays(tree: Mapping[str, Any]) -> dict[str, np.ndarray]:
    left, right = np.asarray(tree["left_children"], np.int64), np.asarray(tree["right_children"], np.int64)
    leaf = left < 0
    condition = np.asarray(tree["split_conditions"], np.float32)
    by_set = np.asarray(tree["split_type"], np.int64) == 1
    to_left = np.zeros((len(left), 8), np.int64)
    listed = np.asarray(tree["categories"], np.int64)
    pieces = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    for node, start, size in pieces:
        # The categories that are listed go to the right.
        words = np.full(8, 2**32 - 1, np.int64)
        for category in listed[start : start + size].tolist():
            words[category // 32] &= ~(1 << (category % 32))
        to_left[node] = words
    return {
        "feature": np.where(leaf, 0, np.asarray(tree["split_indices"], np.int64)),
        # Left is below the condition, not at it.
        "threshold": np.nextafter(condition, np.float32(-np.inf)).astype(np.float64),
        "left": np.where(leaf, 0, left),
        "right": np.where(leaf, 0, right),
        "leaf": leaf,
        "value": np.where(leaf, condition, 0).astype(np.float64),
        "missing_left": np.asarray(tree["default_left"], np.int64).astype(bool),
        "categorical": by_set & ~leaf,
        "left_categories": to_left,
    }
