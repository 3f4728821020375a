"""From which probability on to say yes, where one mistake costs more than the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.data import Table
from longspan.errors import ConfigError, unknown_name
from longspan.explain.expected_cost import HOUR, check_predictions
from longspan.inference.measured_rows import measured_rows

__all__ = ["Threshold", "threshold"]

_RESAMPLES = 500
_FOLDS = 5


@final
@dataclass(frozen=True, slots=True)
class Threshold:
    """The threshold of the lowest cost."""

    positive: Any
    """The class that is predicted from the threshold on."""
    threshold: float
    """Between 0 and 1; rows at least this probable are predicted positive."""
    cost: float
    """Mean cost of a row, each with a threshold chosen on the other rows (five folds)."""
    cost_at_half: float
    """Mean cost of a row at 0.5."""
    saved: tuple[float, float]
    """95 % interval of `cost_at_half - cost`, over resampled rows."""


def threshold(
    model: Any,
    table: Table,
    target: str | None = None,
    *,
    positive: Any,
    false_positive: float = 1.0,
    false_negative: float = 1.0,
    rows: int = 10_000,
    seed: int = 0,
    max_seconds: float | None = HOUR,
) -> Threshold:
    """Choose the threshold of one class by what mistakes cost, on rows the model was not trained on.

    With probabilities that hold, it is near false_positive / (false_positive + false_negative).

    Args:
        model: A trained network or boosted trees whose target is one of several classes.
        table: Held-out rows.
        target: Of a model with several.
        positive: The class to be found; all others count as negative.
        false_positive: Cost of a row predicted positive that is not.
        false_negative: Cost of a positive row that is missed.
        rows: At most so many rows, drawn at random.
        seed: Of draws and folds.
        max_seconds: Refused if it would take longer; None: never.

    Raises:
        ConfigError: costs that are negative, or all rows of one kind.
        UnknownNameError: no such class.

    Source: Elkan 2001, "The foundations of cost-sensitive learning".
    """
    if min(false_positive, false_negative) < 0 or false_positive + false_negative == 0:
        raise ConfigError(f"Costs must be at least 0 and not both 0, got {false_positive} and {false_negative}.")
    measured = measured_rows(model, table, target, rows=rows, seed=seed)
    check_predictions("The threshold", measured, 1, max_seconds)
    probabilities, labels = measured.probabilities(measured.predictions())
    if positive not in labels:
        raise unknown_name("class", str(positive), list(map(str, labels)))
    is_positive = np.array([value == positive for value in measured.values])
    if is_positive.all() or not is_positive.any():
        raise ConfigError(f"All {len(is_positive)} rows are {'of' if is_positive.any() else 'not of'} {positive!r}.")
    scores = probabilities[:, labels.index(positive)]
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(scores)) % _FOLDS
    costs = np.zeros(len(scores))
    for k in range(_FOLDS):
        mine = fold == k
        chosen = _best(scores[~mine], is_positive[~mine], false_positive, false_negative)
        costs[mine] = _costs(scores[mine], is_positive[mine], chosen, false_positive, false_negative)
    at_half = _costs(scores, is_positive, 0.5, false_positive, false_negative)
    drawn = rng.integers(0, len(scores), (_RESAMPLES, len(scores)))
    low, high = np.quantile((at_half - costs)[drawn].mean(axis=1), [0.025, 0.975])
    best = _best(scores, is_positive, false_positive, false_negative)
    return Threshold(positive, best, float(costs.mean()), float(at_half.mean()), (float(low), float(high)))


def _costs(
    scores: np.ndarray, positive: np.ndarray, at: float, false_positive: float, false_negative: float
) -> np.ndarray:
    said = scores >= at
    return false_positive * (said & ~positive) + false_negative * (~said & positive)


def _best(scores: np.ndarray, positive: np.ndarray, false_positive: float, false_negative: float) -> float:
    """Halfway between the two scores where the summed cost is lowest; of several such places the one nearest 0.5."""
    order = np.argsort(-scores, kind="stable")
    ranked, kinds = scores[order], positive[order]
    # costs[k]: the k highest scores are predicted positive.
    costs = np.concatenate([[0.0], np.cumsum(np.where(kinds, 0.0, false_positive))]) + false_negative * (
        kinds.sum() - np.concatenate([[0], np.cumsum(kinds)])
    )
    edges = np.concatenate([[1.0], (ranked[:-1] + ranked[1:]) / 2, [0.0]])
    possible = np.concatenate([[True], ranked[:-1] > ranked[1:], [True]])
    costs = np.where(possible, costs, np.inf)
    lowest = np.flatnonzero(costs <= costs.min() + 1e-9)
    return float(edges[lowest[np.abs(edges[lowest] - 0.5).argmin()]])
