"""Inputs that give the target away: a column that alone predicts a target on rows it was not fitted to.

A renamed target, a number that is computed from it, or rows sorted by class with their number among the inputs: with
such a column a network is perfect until it meets data where the column is not known yet.

Each column of numbers, classes or texts is judged alone, on training rows that were left out of the fit (five folds):
classes and texts by the most frequent target of each value (of a number, its median), numbers by a decision tree or,
for numbers, a line. The score is the fraction of the errors of the best constant prediction that this
removes, so that it means the same where one class is rare.

Source: the idea of one score for each column is that of Wetschoreck 2020, "Predictive Power Score". Differs: errors
instead of F1, deeper trees, a line beside the tree, medians of values.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from longspan.data.leakage.column_leaks import ColumnLeak
from longspan.data.table_view import TableView
from longspan.randomness import permutation

__all__ = ["target_leak_score", "target_leaks"]

# N rows that have a value and a target
CERTAIN = 0.999
"""Scores from here on are refused. Measured on data sets of scikit-learn and adult: the best honest column is the width
of iris petals at 0.93; copies and renamings of a target score 1."""
SUSPECT = 0.95
"""Scores from here on are reported."""
_MIN_ROWS = 50
_MAX_ROWS = 20_000
_FOLDS = 5
_KINDS = ("category", "number", "text")


def target_leaks(table: TableView, rows: np.ndarray, inputs: Sequence[str], targets: Sequence[str]) -> list[ColumnLeak]:
    """Inputs that predict a target nearly by themselves, those that are refused first.

    Where there is one input, predicting the target from it is the task, and nothing is judged.

    Args:
        table: Where the cells are.
        rows: Training rows; held-out targets are not looked at. At most 20,000 of them are drawn.
        inputs: Names of the inputs; images and what lies in them are left out.
        targets: Names of the targets: classes, numbers and texts.
    """
    kinds = {name: column.kind for name, column in table.columns.items()}
    judged = [name for name in inputs if kinds.get(name) in _KINDS]
    wanted = [name for name in targets if kinds[name] in _KINDS]
    if len(inputs) < 2 or not judged or not wanted or len(rows) < _MIN_ROWS:
        return []
    if len(rows) > _MAX_ROWS:
        rows = np.sort(rows[permutation(0, "target_leaks", 0, len(rows))[:_MAX_ROWS].numpy()])
    found = []
    for target in wanted:
        for name in judged:
            score = target_leak_score(
                table.frame[name][rows],
                table.frame[target][rows],
                ordered=kinds[name] == "number",
                numbers=kinds[target] == "number",
            )
            if score < SUSPECT:
                continue
            what = (
                f"input {name!r} alone predicts {target!r}: on held-out rows it removes {score:.1%} of the errors "
                "of the best constant prediction"
            )
            found.append(ColumnLeak("target", name, what, certain=score >= CERTAIN, score=round(score, 4)))
    return sorted(found, key=lambda leak: not leak.certain)


def target_leak_score(cells: pl.Series, targets: pl.Series, *, ordered: bool, numbers: bool) -> float:
    """Fraction of the best constant prediction's errors that the cells alone remove, cross-validated; 0 to 1.

    Rows without a cell or a target are left out; fewer than fifty of them, or one target only, score 0.

    Args:
        cells: The column, N rows.
        targets: The target.
        ordered: The cells are numbers; else classes or texts.
        numbers: The targets are numbers, of which errors are differences; else classes.
    """
    there = (cells.is_not_null() & targets.is_not_null()).to_numpy()
    cells, targets = cells.filter(there), targets.filter(there)
    if len(cells) < _MIN_ROWS or targets.n_unique() < 2 or cells.n_unique() < 2:
        return 0.0
    x, y = _values_of(cells, ordered), _values_of(targets, numbers)
    fold = permutation(1, "target_leaks", 0, len(cells)).numpy() % _FOLDS
    ways = [_by_value] if not ordered else [_by_tree, _by_line] if numbers else [_by_tree]
    scores = []
    for way in ways:
        errors, constant = 0.0, 0.0
        for k in range(_FOLDS):
            known, left_out = fold != k, fold == k
            said = way(x[known], y[known], x[left_out], numbers)
            usual = _usual(y[known], numbers)
            errors += np.abs(said - y[left_out]).sum() if numbers else (said != y[left_out]).sum()
            constant += np.abs(usual - y[left_out]).sum() if numbers else (usual != y[left_out]).sum()
        scores.append(1 - errors / constant if constant else 0.0)
    return float(max(0.0, *scores))


def _values_of(cells: pl.Series, numbers: bool) -> np.ndarray:
    """`(N,)`: numbers as they are, classes and texts as the number of their value."""
    if numbers:
        return cells.cast(pl.Float64).fill_nan(0).to_numpy()
    return cells.cast(pl.String).rank("dense").to_numpy()


def _by_value(known: np.ndarray, targets: np.ndarray, asked: np.ndarray, numbers: bool) -> np.ndarray:
    """The usual target of each value; that of all rows for a value never seen."""
    usual = _usual(targets, numbers)
    by_value: dict[Any, list[Any]] = defaultdict(list)
    for value, target in zip(known.tolist(), targets.tolist(), strict=True):
        by_value[value].append(target)
    said: Mapping[Any, Any] = {value: _usual(np.asarray(some), numbers) for value, some in by_value.items()}
    return np.asarray([said.get(value, usual) for value in asked.tolist()])


def _by_tree(known: np.ndarray, targets: np.ndarray, asked: np.ndarray, numbers: bool) -> np.ndarray:
    """What a decision tree over one number says; leaves of two rows at least."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    make = DecisionTreeRegressor if numbers else DecisionTreeClassifier
    return make(min_samples_leaf=2, random_state=0).fit(known[:, None], targets).predict(asked[:, None])


def _by_line(known: np.ndarray, targets: np.ndarray, asked: np.ndarray, numbers: bool) -> np.ndarray:
    """What the straight line through one number says."""
    spread = known.std() or 1.0
    slope = ((known - known.mean()) * (targets - targets.mean())).mean() / spread**2
    return targets.mean() + slope * (asked - known.mean())


def _usual(targets: np.ndarray, numbers: bool) -> Any:
    """The best constant target: the median of numbers, the most frequent class."""
    return float(np.median(targets)) if numbers else Counter(targets.tolist()).most_common(1)[0][0]
