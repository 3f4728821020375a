"""Weights of training rows, as a column of the table gives them."""

from __future__ import annotations

import numpy as np

from longspan.columns.feature_values import number_values
from longspan.data import Table
from longspan.errors import ConfigError, DataError, Fault, data_error

__all__ = ["row_weights"]


def row_weights(table: Table, name: str, rows: np.ndarray) -> np.ndarray:
    """`(len(rows),)` float64 with mean 1: how much each row counts in the loss.

    Args:
        table: The rows.
        name: The column of weights.
        rows: Numbers of the training rows.

    Raises:
        UnknownNameError: no such column.
        ConfigError: it is read as a feature too.
        DataError: a weight that is missing, negative or no number, by row; or all are 0.
    """
    table.column(name)
    readers = [each for each, column in table.columns.items() if name in column.sources]
    if readers:
        raise ConfigError(
            f"{name!r} holds weights of rows, and {readers[0]!r} reads it as a feature. Leave it out of the features: "
            f"table.with_features([targets..., {name!r}])."
        )
    weights, faults = number_values(table.frame[name].gather(rows.tolist()))
    bad = {place: "not a number" for place in faults}
    bad |= {int(place): "missing" for place in np.flatnonzero(np.isnan(weights)) if int(place) not in faults}
    bad |= {int(place): "negative" for place in np.flatnonzero(weights < 0)}
    if bad:
        found = [Fault(table.row_name(int(rows[place])), f"{name!r} is {why}") for place, why in sorted(bad.items())]
        raise data_error("Some training rows have no usable weight:", found)
    if not weights.any():
        raise DataError(f"All training rows have weight 0 in {name!r}: there is nothing to learn from.")
    return weights / weights.mean()
