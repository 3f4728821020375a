"""Trees of LightGBM as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from longspan.inference.estimators.trees import Trees
from longspan.train.estimators.growing import Growing, checked_rows, with_baseline

__all__ = ["grow"]

_OBJECTIVES = {"squared_error": "regression", "absolute_error": "l1", "poisson": "poisson", "gamma": "gamma"}
_ROUNDS = 100


def grow(asked: Growing) -> Trees:
    """Trees with the defaults of LightGBM, where nothing else was chosen.

    Source: Ke et al. 2017, "LightGBM: a highly efficient gradient boosting decision tree".
    """
    import lightgbm

    chosen: dict[str, Any] = {"objective": _OBJECTIVES[asked.criterion]}
    labels = asked.values
    if asked.classes is not None:
        labels = asked.labels
        two = len(asked.classes) == 2
        chosen = {"objective": "binary"} if two else {"objective": "multiclass", "num_class": len(asked.classes)}
    chosen |= {"seed": asked.seed, "verbosity": -1, "deterministic": True, "num_threads": 1}
    chosen |= asked.given(
        learning_rate="learning_rate", leaves="num_leaves", min_rows="min_data_in_leaf", l2="lambda_l2"
    )
    if any(asked.monotone):
        chosen["monotone_constraints"] = list(asked.monotone)
    data = lightgbm.Dataset(
        asked.rows, labels, weight=asked.weights, categorical_feature=list(asked.categories), params={"verbosity": -1}
    )
    grown = lightgbm.train(chosen, data, _ROUNDS if asked.trees is None else asked.trees)
    margins = np.asarray(grown.predict(checked_rows(asked), raw_score=True), np.float64)
    told = grown.dump_model()
    trees = [_arrays(each["tree_structure"]) for each in told["tree_info"]]
    group = told["num_tree_per_iteration"]
    outputs = [asked.outputs[number % group] for number in range(len(trees))]
    return with_baseline(asked, trees, outputs, margins.reshape(len(margins), -1), "LightGBM")


def _arrays(root: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Nodes from the root down, children behind their parents."""
    nodes: list[Mapping[str, Any]] = [root]
    children: list[tuple[int, int]] = []
    for node in nodes:  # it grows while it is read
        if "split_feature" in node:
            children.append((len(nodes), len(nodes) + 1))
            nodes += [node["left_child"], node["right_child"]]
        else:
            children.append((0, 0))
    count = len(nodes)
    found = {
        "feature": np.zeros(count, np.int64),
        "threshold": np.zeros(count),
        "left": np.asarray([left for left, _ in children], np.int64),
        "right": np.asarray([right for _, right in children], np.int64),
        "leaf": np.asarray(["split_feature" not in node for node in nodes]),
        "value": np.asarray([float(node.get("leaf_value", 0.0)) for node in nodes]),
        "missing_left": np.zeros(count, bool),
        "categorical": np.asarray([node.get("decision_type") == "==" for node in nodes]),
        "left_categories": np.zeros((count, 8), np.int64),
    }
    for place, node in enumerate(nodes):
        if found["leaf"][place]:
            continue
        found["feature"][place] = node["split_feature"]
        if found["categorical"][place]:
            for category in map(int, str(node["threshold"]).split("||")):
                found["left_categories"][place, category // 32] |= 1 << (category % 32)
            continue
        threshold = float(node["threshold"])
        found["threshold"][place] = threshold
        # Features that no training row lacks read a missing value as 0.
        found["missing_left"][place] = threshold >= 0 if node["missing_type"] == "None" else node["default_left"]
    return found
