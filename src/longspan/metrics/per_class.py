"""Each class by itself: precision, recall, F1, average precision, and its ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

__all__ = ["ClassCurves", "ClassMetrics", "class_curves", "class_metrics"]


@final
@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """Metrics of one class against all others; None where they are undefined."""

    label: Any
    rows: int
    """Rows that have the class."""
    predicted: int
    """Rows for which it is predicted."""
    precision: float | None
    """Fraction of the predicted rows that have the class; None where it is never predicted."""
    recall: float | None
    """Fraction of the class's rows that are predicted; None where no row has it."""
    f1: float | None
    average_precision: float | None
    """Area under the precision-recall curve, as a sum over thresholds; None where no row has the class."""
    roc_auc: float | None
    """Probability that a row of the class has a higher score than a row without it; None unless there are both."""


@final
@dataclass(frozen=True, slots=True)
class ClassCurves:
    """The curves of one class, from the highest threshold to the lowest."""

    label: Any
    false_positive_rate: npt.NDArray[np.float64]
    true_positive_rate: npt.NDArray[np.float64]
    roc_auc: float
    recall: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    average_precision: float


def class_metrics(
    targets: npt.ArrayLike, scores: npt.ArrayLike, predicted: npt.ArrayLike, labels: Sequence[Any]
) -> list[ClassMetrics]:
    """Metrics of every class, in the order of `labels`.

    Args:
        targets: `(N, K)` bool: which classes each row has.
        scores: `(N, K)`: how probable each class is.
        predicted: `(N, K)` bool: which classes are predicted.
        labels: K names.
    """
    from sklearn import metrics

    true_NK, score_NK, predicted_NK = np.asarray(targets, bool), np.asarray(scores, float), np.asarray(predicted, bool)
    found = []
    for k, label in enumerate(labels):
        true, predicted_N = true_NK[:, k], predicted_NK[:, k]
        rows, count, hits = int(true.sum()), int(predicted_N.sum()), int((true & predicted_N).sum())
        found.append(
            ClassMetrics(
                label=label,
                rows=rows,
                predicted=count,
                precision=hits / count if count else None,
                recall=hits / rows if rows else None,
                f1=2 * hits / (rows + count) if rows + count else None,
                average_precision=float(metrics.average_precision_score(true, score_NK[:, k])) if rows else None,
                roc_auc=float(metrics.roc_auc_score(true, score_NK[:, k])) if 0 < rows < len(true) else None,
            )
        )
    return found


def class_curves(targets: npt.ArrayLike, scores: npt.ArrayLike, labels: Sequence[Any]) -> list[ClassCurves]:
    """The curves of every class that some rows have and some have not; arguments as for `class_metrics`."""
    from sklearn import metrics

    true_NK, score_NK = np.asarray(targets, bool), np.asarray(scores, float)
    found = []
    for k, label in enumerate(labels):
        true, score = true_NK[:, k], score_NK[:, k]
        if true.all() or not true.any():
            continue
        false_rate, true_rate, _ = metrics.roc_curve(true, score)
        precision, recall, _ = metrics.precision_recall_curve(true, score)
        found.append(
            ClassCurves(
                label=label,
                false_positive_rate=false_rate,
                true_positive_rate=true_rate,
                roc_auc=float(metrics.roc_auc_score(true, score)),
                recall=recall[::-1],
                precision=precision[::-1],
                average_precision=float(metrics.average_precision_score(true, score)),
            )
        )
    return found
