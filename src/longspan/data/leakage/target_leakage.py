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
from collections.abc import Collection, Mapping, Sequence
from typing import Any, final

import numpy as np
import polars as pl

from longspan.data.leakage.column_leaks import ColumnLeak
from longspan.data.scanned_rows import ScannedRows
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
_FOLLOWS = 0.8
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
    kinds = {name: column.kind for name, column in table.columns.items()} | _kinds_in_files(table)
    judged = [name for name in inputs if kinds.get(name) in _KINDS]
    wanted = [name for name in targets if kinds[name] in _KINDS]
    if len(inputs) < 2 or not judged or not wanted or len(rows) < _MIN_ROWS:
        return []
    if len(rows) > _MAX_ROWS:
        rows = np.sort(rows[permutation(0, "target_leaks", 0, len(rows))[:_MAX_ROWS].numpy()])
    cells = _cells_of(table, rows, {*judged, *wanted})
    found = []
    for target in wanted:
        whole = _Answers(_values_of(cells[target].drop_nulls(), kinds[target] == "number"), kinds[target] == "number")
        for name in judged:
            score = target_leak_score(
                cells[name],
                cells[target],
                ordered=kinds[name] == "number",
                numbers=kinds[target] == "number",
                at_least=SUSPECT,
                whole=whole,
            )
            if score < SUSPECT:
                continue
            what = (
                f"input {name!r} alone predicts {target!r}: on held-out rows it removes {score:.1%} of the errors "
                "of the best constant prediction"
            )
            found.append(ColumnLeak("target", name, what, certain=score >= CERTAIN, score=round(score, 4)))
    return sorted(found, key=lambda leak: not leak.certain)


def _kinds_in_files(table: TableView) -> dict[str, str]:
    """Kinds of the columns that features read from files."""
    found: dict[str, str] = {}
    for name, column in table.columns.items():
        if isinstance(table.arrays.get(name), ScannedRows):
            numbers = set(getattr(column, "numbers", ()))
            found |= {each: "number" if each in numbers else "category" for each in column.sources}
    return found


def _cells_of(table: TableView, rows: np.ndarray, names: Collection[str]) -> dict[str, pl.Series]:
    """The cells of these rows by column, those of features in files one by one."""
    cells = {name: table.frame[name][rows] for name in table.frame.columns if name in names}
    for name, held in table.arrays.items():
        if isinstance(held, ScannedRows):
            cells |= dict(held.frame(table.frame[name][rows].to_numpy().astype(np.int64)).to_dict())
    return cells


@final
class _Answers:
    """Targets, the folds they lie in, and the errors of the best constant prediction for each."""

    def __init__(self, values: np.ndarray, numbers: bool) -> None:
        self.values = values
        self.numbers = numbers
        self.fold = permutation(1, "target_leaks", 0, len(values)).numpy() % _FOLDS
        self.several = len(np.unique(values)) > 1
        parts = range(_FOLDS) if self.several and len(values) >= _MIN_ROWS else ()
        self.constant = sum(self.errors(_usual(values[self.fold != k], numbers), k) for k in parts)
        self._shuffled = self._steps(permutation(2, "target_leaks", 0, len(values)).numpy())

    def errors(self, said: Any, k: int) -> float:
        """The sum of the errors of predictions for a fold."""
        left_out = self.values[self.fold == k]
        return float(np.abs(said - left_out).sum() if self.numbers else (said != left_out).sum())

    def follow(self, cells: np.ndarray) -> bool:
        """Whether targets follow `(N,)` cells at all: in their order neighbours differ less than neighbours at random.

        Where cells predict targets nearly without error, at most every other pair of neighbours differs as at random:
        those where one value of a cell ends and the next begins.
        """
        return self._steps(np.argsort(cells, kind="stable")) <= _FOLLOWS * self._shuffled

    def _steps(self, order: np.ndarray) -> float:
        ordered = self.values[order]
        if self.numbers:
            return float(np.abs(np.diff(ordered)).sum())
        return float((ordered[1:] != ordered[:-1]).sum())


def target_leak_score(
    cells: pl.Series,
    targets: pl.Series,
    *,
    ordered: bool,
    numbers: bool,
    at_least: float = 0.0,
    whole: _Answers | None = None,
) -> float:
    """Fraction of the best constant prediction's errors that the cells alone remove, cross-validated; 0 to 1.

    Rows without a cell or a target are left out; fewer than fifty of them, or one target only, score 0.

    Args:
        cells: The column, N rows.
        targets: The target.
        ordered: The cells are numbers; else classes or texts.
        numbers: The targets are numbers, of which errors are differences; else classes.
        at_least: Lower scores need not be exact, which saves most of the work: they are then too high, but below this.
        whole: All targets that there are, to be used again for other columns without missing cells.
    """
    missing = int(cells.filter(targets.is_not_null()).null_count())
    there = (cells.is_not_null() & targets.is_not_null()).to_numpy()
    cells = cells.filter(there)
    if len(cells) < _MIN_ROWS or cells.n_unique() < 2:
        return 0.0
    if whole is None or missing:
        whole = _Answers(_values_of(targets.filter(there), numbers), numbers)
    if not whole.several or not whole.constant:
        return 0.0
    x, y, fold = _values_of(cells, ordered), whole.values, whole.fold
    if at_least and not whole.follow(x):
        return 0.0
    ways = [_by_value] if not ordered else [_by_tree, _by_line] if numbers else [_by_tree]
    scores = [0.0]
    for way in ways:
        errors = 0.0
        for k in range(_FOLDS):
            known = fold != k
            errors += whole.errors(way(x[known], y[known], x[~known], numbers), k)
            if 1 - errors / whole.constant < at_least:
                break
        scores.append(1 - errors / whole.constant)
    return float(max(scores))


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
