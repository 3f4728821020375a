"""Trees of CatBoost as plain arrays."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longspan.errors import ConfigError
from longspan.inference.estimators.trees import Trees
from longspan.train.estimators.growing import Growing, checked_rows, with_baseline

__all__ = ["grow"]

_OBJECTIVES = {"squared_error": "RMSE", "absolute_error": "MAE", "poisson": "Poisson"}


def grow(asked: Growing) -> Trees:
    """Trees with the defaults of CatBoost, where nothing else was chosen.

    Categories are read one class at a time (one-hot), not by the statistics of their targets, which a table of trees
    cannot hold.

    Source: Prokhorenkova et al. 2018, "CatBoost: unbiased boosting with categorical features".

    Raises:
        ConfigError: a criterion that CatBoost does not have.
    """
    import catboost

    if asked.classes is None and asked.criterion not in _OBJECTIVES:
        raise ConfigError(f"CatBoost has no criterion {asked.criterion!r}; it has {', '.join(map(repr, _OBJECTIVES))}.")
    chosen: dict[str, Any] = {"loss_function": _OBJECTIVES.get(asked.criterion)}
    if asked.classes is not None:
        chosen = {"loss_function": "Logloss" if len(asked.classes) == 2 else "MultiClass"}
    chosen |= {"random_seed": asked.seed, "allow_writing_files": False, "verbose": False, "thread_count": 1}
    chosen |= asked.given(
        trees="iterations", learning_rate="learning_rate", leaves="max_leaves", min_rows="min_data_in_leaf",
        l2="l2_leaf_reg",
    )  # fmt: skip
    if asked.leaves is not None:
        chosen.setdefault("grow_policy", "Lossguide")
    columns = _one_hot_columns(asked)
    if any(asked.monotone):
        chosen["monotone_constraints"] = [asked.monotone[place] if label is None else 0 for place, label in columns]
    labels = asked.values if asked.classes is None else asked.labels
    grown = catboost.CatBoost(chosen)
    grown.fit(_spread(asked.rows, columns), labels, sample_weight=asked.weights)
    margins = np.asarray(
        grown.predict(_spread(checked_rows(asked), columns), prediction_type="RawFormulaVal"), np.float64
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trees.json"
        grown.save_model(str(path), format="json")
        stored = json.loads(path.read_text("utf-8"))
    if "oblivious_trees" not in stored:
        raise ConfigError("Only CatBoost's symmetric trees can be stored: leave leaves= and grow_policy= out.")
    scale = float(stored["scale_and_bias"][0])
    nan_left = {
        each["flat_feature_index"]: each.get("nan_value_treatment", "AsIs") != "AsTrue"
        for each in stored["features_info"]["float_features"]
    }
    flat = [each["flat_feature_index"] for each in stored["features_info"]["float_features"]]
    trees, outputs = [], []
    for tree in stored["oblivious_trees"]:
        values = np.asarray(tree["leaf_values"], np.float64).reshape(-1, len(asked.outputs)) * scale
        for number, output in enumerate(asked.outputs):
            trees.append(_arrays(tree["splits"] or [], values[:, number], columns, flat, nan_left))
            outputs.append(output)
    return with_baseline(asked, trees, outputs, margins.reshape(len(margins), -1), "CatBoost")


def _one_hot_columns(asked: Growing) -> list[tuple[int, int | None]]:
    """Of each column that CatBoost reads, the feature and, of a category, the class that it is 1 for."""
    columns: list[tuple[int, int | None]] = []
    for place in range(asked.rows.shape[1]):
        if place in asked.categories:
            columns += [(place, int(label)) for label in np.unique(asked.rows[:, place])]
        else:
            columns.append((place, None))
    return columns


def _spread(rows: np.ndarray, columns: Sequence[tuple[int, int | None]]) -> np.ndarray:
    """`(N, F)` to `(N, len(columns))` float32."""
    return np.stack(
        [rows[:, place] if label is None else rows[:, place] == label for place, label in columns], axis=1
    ).astype(np.float32)


def _arrays(
    splits: Sequence[Mapping[str, Any]],
    values: np.ndarray,
    columns: Sequence[tuple[int, int | None]],
    flat: Sequence[int],
    nan_left: Mapping[int, bool],
) -> dict[str, np.ndarray]:
    """A full tree whose nodes of one level ask the same: split i is bit i of a leaf's number."""
    depth = len(splits)
    count = 2 ** (depth + 1) - 1
    found = {
        "feature": np.zeros(count, np.int64),
        "threshold": np.zeros(count),
        "left": np.zeros(count, np.int64),
        "right": np.zeros(count, np.int64),
        "leaf": np.arange(count) >= 2**depth - 1,
        "value": np.zeros(count),
        "missing_left": np.ones(count, bool),
        "categorical": np.zeros(count, bool),
        "left_categories": np.zeros((count, 8), np.int64),
    }
    for level, split in enumerate(splits):
        nodes = np.arange(2**level - 1, 2 ** (level + 1) - 1)
        column = flat[split["float_feature_index"]]
        place, label = columns[column]
        found["feature"][nodes] = place
        found["left"][nodes], found["right"][nodes] = 2 * nodes + 1, 2 * nodes + 2
        if label is None:
            found["threshold"][nodes] = float(np.float32(split["border"]))
            found["missing_left"][nodes] = nan_left[column]
            continue
        words = np.full(8, 2**32 - 1, np.int64)  # to the left whatever is not this class
        words[label // 32] &= ~(1 << (label % 32))
        found["categorical"][nodes] = True
        found["left_categories"][nodes] = words
    leaves = np.arange(2**depth)
    # On the way down the first split is the highest bit of a place; CatBoost has it as the lowest.
    bits = sum(((leaves >> (depth - 1 - level)) & 1) << level for level in range(depth)) if depth else leaves
    found["value"][2**depth - 1 :] = values[bits]
    return found
