"""Folds for cross-validation: every row that is not sealed validates once, strata spread evenly, groups kept whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from longspan.data.splits.column_values import class_ids, class_of, present_values, values_of
from longspan.data.table_view import TableView
from longspan.errors import SplitError
from longspan.lazy_torch import torch
from longspan.randomness import uniform

__all__ = ["fold_numbers"]


def fold_numbers(
    table: TableView, rows: np.ndarray, folds: int, *, seed: int, strata: Sequence[str], group: str | None
) -> np.ndarray:
    """The fold, 0 to `folds` - 1, of each of `rows`: `(N,)` int64; the same arguments give the same folds everywhere.

    Without groups, rows are dealt out in turn down a list sorted by class, then by draw, so that the sizes of the folds
    differ by one row at most, and so do the rows of a class (of the first of several strata columns). With groups, the
    largest ones are dealt first, each to the fold that leaves classes and sizes most even (as scikit-learn's
    StratifiedGroupKFold; differs: sizes count too).

    Args:
        table: What is split.
        rows: Row numbers, int64.
        folds: At least 2.
        seed: Another seed gives other folds.
        strata: Columns whose classes are spread evenly.
        group: A column no value of which may stand in two folds.

    Raises:
        SplitError: fewer rows or groups than folds, or rows without a group.
    """
    if not isinstance(folds, int) or folds < 2:
        raise SplitError(f"Cross-validation needs at least 2 folds, got {folds!r}.")
    if len(rows) < folds:
        raise SplitError(f"{len(rows)} rows cannot be divided into {folds} folds; take fewer folds.")
    classes = [class_ids([class_of(value) for value in values_of(table, name, rows)])[0] for name in strata]
    if group is None:
        draws = uniform(seed, "folds", 0, torch.from_numpy(rows), 1)[:, 0].numpy()
        order = np.lexsort([rows, draws, *reversed(classes)])
        numbers = np.empty(len(rows), np.int64)
        start = int(uniform(seed, "folds start", 0, torch.zeros(1, dtype=torch.int64), 1)[0, 0] * folds)
        numbers[order] = (np.arange(len(rows)) + start) % folds
        return numbers
    every = present_values(table, group, "group")
    return _deal_groups([every[row] for row in rows.tolist()], group, folds, classes[:1], seed)


def _deal_groups(values: list[object], name: str, folds: int, classes: Sequence[np.ndarray], seed: int) -> np.ndarray:
    ids, groups = class_ids(values)
    if len(groups) < folds:
        raise SplitError(f"Column {name!r} has {len(groups)} groups, fewer than {folds} folds; take fewer folds.")
    kind = classes[0] if classes else np.zeros(len(ids), np.int64)
    counts_GK = np.zeros((len(groups), int(kind.max()) + 1))
    np.add.at(counts_GK, (ids, kind), 1)
    draws = uniform(seed, "fold groups", 0, torch.arange(len(groups)), 1)[:, 0].numpy()
    total_K = counts_GK.sum(axis=0)
    filled_FK, fold_of = np.zeros((folds, len(total_K))), np.empty(len(groups), np.int64)
    for number in np.lexsort([draws, -counts_GK.sum(axis=1)]).tolist():
        costs = []
        for fold in range(folds):
            trial_FK = filled_FK.copy()
            trial_FK[fold] += counts_GK[number]
            uneven = (trial_FK / total_K).std(axis=0).mean() + trial_FK.sum(axis=1).std() / total_K.sum()
            costs.append((round(float(uneven), 12), float(filled_FK[fold].sum()), fold))
        fold_of[number] = min(costs)[2]
        filled_FK[fold_of[number]] += counts_GK[number]
    return fold_of[ids]
