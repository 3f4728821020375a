"""Do held-out rows look like training rows? A classifier that tries to tell them apart, and the columns it used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import polars as pl

from longspan.columns import Features
from longspan.data.choose_features import choose_features
from longspan.data.table_view import SplitView
from longspan.errors import DataError
from longspan.randomness import permutation

__all__ = ["Drift", "DriftColumn", "find_drift"]

_MAX_ROWS = 20_000
_MIN_ROWS = 20
"""Of each side."""
_FOLDS = 5
_Z95 = 1.959964
_MOST_CATEGORIES = 255


@final
@dataclass(frozen=True, slots=True)
class DriftColumn:
    """How much one column helps to tell the parts apart."""

    name: str
    auc_drop: float
    """By how much the AUC falls when the column's values are shuffled among the rows."""


@final
@dataclass(frozen=True, slots=True)
class Drift:
    """How well a classifier distinguishes held-out rows from training rows by their inputs."""

    part: str
    """What is compared with the training rows: "valid" or "test"."""
    rows: tuple[int, int]
    """Training and held-out rows that were compared."""
    auc: float
    """Of telling held-out from training rows, out of fold: 0.5 if they are alike, 1 if a column gives them away."""
    interval: tuple[float, float]
    """95 % interval of the AUC (Hanley and McNeil 1982)."""
    columns: tuple[DriftColumn, ...]
    """Columns that help, the most useful first."""

    @property
    def certain(self) -> bool:
        """Whether the interval excludes 0.5."""
        return self.interval[0] > 0.5

    def __str__(self) -> str:
        low, high = self.interval
        words = f"AUC {self.auc:.3f} (95 %: {low:.3f} to {high:.3f})"
        if not self.certain:
            return f"{self.part} rows look like training rows: {words}"
        by = ", ".join(f"{each.name!r} (-{each.auc_drop:.3f})" for each in self.columns[:5])
        return f"{self.part} rows differ from training rows: {words}" + (f", mostly by {by}" if by else "")


def find_drift(split: SplitView, part: str = "valid", *, leave_out: Sequence[str] = (), seed: int = 0) -> Drift:
    """Train boosted trees to tell the held-out rows of a split from its training rows, by the columns of the table.

    A validation AUC near 0.5 means that a random split would have given much the same rows. Columns that only count
    time (the one of a split by time is left out) always drift, and a model that uses them extrapolates.

    Args:
        split: Whose parts are compared. The vault stays closed: of test rows the inputs are read, as the search for
            leaks does.
        part: "valid" or "test".
        leave_out: Columns not to look at, such as targets.
        seed: Of the folds and the sample of at most 20,000 rows.

    Returns:
        The AUC over five folds, with the columns whose shuffling lowers it.

    Raises:
        DataError: too few rows, or no column that trees can read.

    Source: classifier two-sample tests, Lopez-Paz and Oquab 2017; with trees, as practitioners' "adversarial
    validation".
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    held = split.valid if part == "valid" else split.vault.rows_for_leak_check()
    if min(len(split.train), len(held)) < _MIN_ROWS:
        raise DataError(
            f"Drift needs at least {_MIN_ROWS} training rows and {_MIN_ROWS} {part} rows; there are "
            f"{len(split.train)} and {len(held)}."
        )
    used = {str(split.how[key]) for key in ("column", "group") if isinstance(split.how.get(key), str)}
    chosen = choose_features(split.table.frame, split.table.columns, [*leave_out, *used])
    train, held = _sampled(split.train, seed), _sampled(held, seed + 1)
    rows = np.concatenate([train, held])
    labels = np.concatenate([np.zeros(len(train), np.int64), np.ones(len(held), np.int64)])
    values, owners, categorical = _encoded(split, chosen, rows)
    scores = np.empty(len(rows))
    shuffled = {name: np.empty(len(rows)) for name in dict.fromkeys(owners)}
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {"max_iter": 50, "categorical_features": categorical or None, "random_state": seed}
    for known, asked in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(values, labels):
        trees = HistGradientBoostingClassifier(**options).fit(values[known], labels[known])
        scores[asked] = trees.predict_proba(values[asked])[:, 1]
        for name, result in shuffled.items():
            mixed = values[asked].copy()
            places = [place for place, owner in enumerate(owners) if owner == name]
            mixed[:, places] = mixed[rng.permutation(len(asked))][:, places]
            result[asked] = trees.predict_proba(mixed)[:, 1]
    auc = float(roc_auc_score(labels, scores))
    margin = _Z95 * _standard_error(auc, len(held), len(train))
    drops = [DriftColumn(name, round(auc - float(roc_auc_score(labels, s)), 4)) for name, s in shuffled.items()]
    helpful = sorted((each for each in drops if each.auc_drop > 0.005), key=lambda each: -each.auc_drop)
    interval = (round(max(0.0, auc - margin), 4), round(min(1.0, auc + margin), 4))
    return Drift(part, (len(train), len(held)), round(auc, 4), interval, tuple(helpful))


def _sampled(rows: np.ndarray, seed: int) -> np.ndarray:
    if len(rows) <= _MAX_ROWS // 2:
        return rows
    return np.sort(rows[permutation(seed, "drift", 0, len(rows))[: _MAX_ROWS // 2].numpy()])


def _encoded(split: SplitView, chosen: Features, rows: np.ndarray) -> tuple[np.ndarray, list[str], list[int]]:
    """Features as trees read them `(N, F)`, the column of each, and which are categories that trees split by sets.

    Cells that cannot be read are left as they are encoded: this looks at rows before anything trains on them.
    """
    cells = split.table.frame[rows].select(pl.struct(chosen.sources))[:, 0]
    column = chosen.fit_cells([cells])
    spec = column.spec()
    small = [spec.numbers + place for place, classes in enumerate(spec.categories) if classes <= _MOST_CATEGORIES]
    return column.encode_cells(cells)[0], list(column.owners), small


def _standard_error(auc: float, positives: int, negatives: int) -> float:
    """Of an AUC, by Hanley and McNeil 1982, equation 1."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)) / (
        positives * negatives
    )
    return float(np.sqrt(max(variance, 0.0)))
