"""Says which cells of new rows are unlike those that a model was trained on: labels it does not know, other units."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from longspan.columns import Column
from longspan.data import Table

__all__ = ["warn_of_unfamiliar"]

_SHOWN = 5


def warn_of_unfamiliar(table: Table, inputs: Mapping[str, Column], *, part: str = "", stacklevel: int = 3) -> bool:
    """Warn once of all columns with such cells, and say whether; the model predicts for them all the same.

    Args:
        table: The new rows.
        inputs: Fitted input columns of the model.
        part: Which rows of a file these are, if not all, such as "rows 0 to 999".
        stacklevel: Of the warning.
    """
    found = [
        words
        for column in inputs.values()
        if column.sources and set(column.sources) <= set(table.frame.columns)
        for words in column.unfamiliar(table.frame.select(column.sources))
    ]
    if found:
        more = f"; and {len(found) - _SHOWN} more columns" if len(found) > _SHOWN else ""
        warnings.warn(
            f"{table.source}{part and f', {part},'} is unlike the training rows: {'; '.join(found[:_SHOWN])}{more}.",
            stacklevel=stacklevel,
        )
    return bool(found)
