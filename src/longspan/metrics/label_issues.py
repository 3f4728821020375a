"""Labels that are probably wrong, found from predictions for rows that the model was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

__all__ = ["LabelIssue", "confident_joint", "label_issues", "multi_label_issues"]


_SURE = 0.9


@final
@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A row whose label is probably wrong."""

    position: int
    """Of the row among those that were given."""
    suggested: tuple[int, ...]
    """Class numbers that it probably has; one, or any number for several labels."""
    margin: float
    """Probability of the given label minus that of the suggested one; the lower, the surer."""


def confident_joint(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> np.ndarray:
    """How many rows have each given label (row) and are confidently of each class (column): `(K, K)` int64.

    Args:
        labels: `(N,)` class numbers as given.
        probabilities: `(N, K)` out of sample.
    """
    given, confident = _confident(np.asarray(labels, np.int64), np.asarray(probabilities, float))
    size = np.asarray(probabilities).shape[1]
    joint = np.zeros((size, size), np.int64)
    known = confident >= 0
    np.add.at(joint, (given[known], confident[known]), 1)
    return joint


def label_issues(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> list[LabelIssue]:
    """Rows off the diagonal of the confident joint whose label is not the most probable class, the surest first.

    A row is confidently of class k if its probability is at least the mean probability of k over the rows labelled k;
    of several such classes the most probable counts.

    Source: Northcutt, Jiang, Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", section 3.1,
    equations 1 and 2, and the selection by off-diagonals of the confident joint (section 3.2, method 2), sorted by
    normalised margin. Differs: rows whose given label is the most probable class are never listed; and no threshold is
    above 0.9, where a network that is sure of almost every row would leave out all that it is less sure of.

    Args:
        labels: `(N,)` class numbers as given.
        probabilities: `(N, K)` from models that were not trained on the row.
    """
    prob_NK = np.asarray(probabilities, float)
    given, confident = _confident(np.asarray(labels, np.int64), prob_NK)
    best = prob_NK.argmax(axis=1)
    found = [
        LabelIssue(i, (int(confident[i]),), float(prob_NK[i, given[i]] - prob_NK[i, confident[i]]))
        for i in np.flatnonzero((confident >= 0) & (confident != given) & (best != given)).tolist()
    ]
    return sorted(found, key=lambda issue: (issue.margin, issue.position))


def multi_label_issues(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> list[LabelIssue]:
    """`label_issues` of several labels a row: each class by itself, present or absent; a row is listed once.

    Source: as `label_issues`, one class against the rest (Thyagarajan et al. 2022, "Identifying Incorrect Annotations
    in Multi-Label Classification Data", section 3). Differs: the surest class of a row orders the rows.

    Args:
        labels: `(N, K)` bool as given.
        probabilities: `(N, K)` from models that were not trained on the row.
    """
    given_NK, prob_NK = np.asarray(labels, bool), np.asarray(probabilities, float)
    wrong: dict[int, list[tuple[int, float]]] = {}
    for k in range(given_NK.shape[1]):
        both = np.stack([1 - prob_NK[:, k], prob_NK[:, k]], axis=1)
        for issue in label_issues(given_NK[:, k].astype(np.int64), both):
            wrong.setdefault(issue.position, []).append((k, issue.margin))
    found = []
    for position, classes in wrong.items():
        suggested = given_NK[position].copy()
        suggested[[k for k, _ in classes]] ^= True
        found.append(
            LabelIssue(position, tuple(np.flatnonzero(suggested).tolist()), min(margin for _, margin in classes))
        )
    return sorted(found, key=lambda issue: (issue.margin, issue.position))


def _confident(given: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels, and the class of which each row confidently is; -1 where there is none."""
    classes = probabilities.shape[1]
    counts = np.bincount(given, minlength=classes)
    sums = np.bincount(given, weights=probabilities[np.arange(len(given)), given], minlength=classes)
    means = np.minimum(sums / np.maximum(counts, 1), _SURE)
    thresholds = np.where(counts > 0, means, np.inf)  # no row of a class: nothing to compare
    above = np.where(probabilities >= thresholds - 1e-12, probabilities, -np.inf)
    return given, np.where(np.isfinite(above).any(axis=1), above.argmax(axis=1), -1)
