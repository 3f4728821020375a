"""Rows with a known target and what a model predicts for them, as all explanations read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.data import Table
from longspan.errors import ConfigError, DataError, unknown_name
from longspan.heads import TargetPrediction
from longspan.metrics.row_errors import RowError
from longspan.portable.trained_model import TrainedModel
from longspan.randomness import permutation

__all__ = ["MeasuredRows", "measured_rows", "only_target"]


@final
@dataclass(frozen=True, slots=True)
class MeasuredRows:
    """A target's known values in some rows of a table, beside a model that predicts it."""

    model: TrainedModel
    target: str
    table: Table
    """N rows whose target is known."""
    values: list[Any]
    """Their targets, N."""
    error: RowError

    def predictions(self, table: Table | None = None) -> list[TargetPrediction]:
        """What the model predicts for the rows, or for others in their place."""
        found = self.model.predict(self.table if table is None else table)
        return [each.by_target[self.target] for each in found]

    def errors(self, predictions: Sequence[TargetPrediction]) -> np.ndarray:
        """Error of each prediction, `(N,)` float64."""
        pairs = zip(self.values, predictions, strict=True)
        return np.array([self.error(value, each.value) for value, each in pairs])

    def probabilities(self, predictions: Sequence[TargetPrediction]) -> tuple[np.ndarray, list[Any]]:
        """Probabilities of the classes `(N, K)` float64, and the classes.

        Raises:
            ConfigError: the target is not one of several classes.
        """
        found = [each.probabilities for each in predictions]
        if self.model.heads[self.target].kind != "classify" or not found or found[0] is None:
            raise ConfigError(f"Target {self.target!r} is not one of several classes, so it has no probabilities.")
        labels = list(found[0])
        return np.array([[each[label] for label in labels] for each in found if each is not None]), labels


def measured_rows(
    model: Any, table: Table, target: str | None, *, rows: int | None = None, seed: int = 0
) -> MeasuredRows:
    """The rows of a table whose target is known.

    Args:
        model: A trained network, boosted trees, or a Learner.
        table: Rows that the model was not trained on.
        target: Which target; the only one if None.
        rows: At most so many, drawn at random.
        seed: Of the draw.

    Raises:
        ConfigError: several targets and none is named, or a model that cannot be explained so.
        DataError: no row has the target.
        UnknownNameError: no such target or column.
    """
    if hasattr(model, "predictor"):
        model = model.predictor()
    if "explain" not in getattr(model, "abilities", ()):
        what = getattr(model, "what", type(model).__name__)
        raise ConfigError(f"Only networks and boosted trees can be explained, not {what}.")
    target = only_target(model, target)
    column = model.heads[target].column
    assert column is not None
    if column.context_kind:
        raise ConfigError(f"Target {target!r} lies in the image; only targets of whole rows are explained so far.")
    table.column(target)
    cells = table.column_values(target)
    known = np.array([row for row, cell in enumerate(cells) if cell is not None and cell == cell], np.int64)
    if not len(known):
        raise DataError(f"No row of {table.source} has a value in {target!r}, so nothing can be measured.")
    if rows is not None and len(known) > rows:
        known = np.sort(known[permutation(seed, "explain", 0, len(known))[:rows].numpy()])
    chosen = table.take(known)
    values = [column.decode(column.encode(cells[row])) for row in known.tolist()]
    return MeasuredRows(model, target, chosen, values, column.row_error)


def only_target(model: TrainedModel, target: str | None) -> str:
    """The target of that name; None: the only one.

    Raises:
        ConfigError: several targets and none is named.
        UnknownNameError: no such target.
    """
    if target is None:
        if len(model.heads) != 1:
            raise ConfigError(f"The model predicts {', '.join(model.heads)}; name one with target=.")
        target = next(iter(model.heads))
    if target not in model.heads:
        raise unknown_name("target", target, model.heads)
    return target
