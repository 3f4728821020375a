"""How much a model relies on each column: the error it makes when the column's values are shuffled among the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.data import Table
from longspan.errors import unknown_name
from longspan.explain.expected_cost import HOUR, check_predictions
from longspan.inference.measured_rows import measured_rows
from longspan.randomness import permutation
from longspan.study.statistics.t_distribution import t_quantile

__all__ = ["Importance", "importance"]


@final
@dataclass(frozen=True, slots=True)
class Importance:
    """Of one column for one target."""

    column: str
    increase: float
    """Mean error with the column shuffled, less the error as it is: in the unit of the error, or a fraction."""
    interval: tuple[float, float]
    """95 %, over rows."""
    error: float
    """Mean error as it is."""

    @property
    def certain(self) -> bool:
        """Whether the interval lies above zero."""
        return self.interval[0] > 0


def importance(
    model: Any,
    table: Table,
    target: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    repeats: int = 3,
    rows: int = 2000,
    seed: int = 0,
    max_seconds: float | None = HOUR,
) -> list[Importance]:
    """Permutation importance of the columns that a model reads, on rows it was not trained on.

    A column that another one repeats seems unimportant, for the model can read the other one instead. Shuffled rows
    may be impossible ones (a child with a pension), and the model's errors on those count too.

    Args:
        model: A trained network or boosted trees.
        table: Held-out rows.
        target: Of a model with several.
        columns: Only these; all that the model reads if None.
        repeats: Shuffles of each column; their errors are averaged for each row.
        rows: At most so many rows, drawn at random.
        seed: Random seed of the draw.
        max_seconds: Refused if it would take longer; None: never.

    Returns:
        From the most to the least important.

    Source: Breiman 2001, "Random forests", section 10; on held-out rows, as Fisher, Rudin and Dominici 2019. Differs:
    the interval is that of the mean increase over rows, each averaged over the repeats.
    """
    measured = measured_rows(model, table, target, rows=rows, seed=seed)
    read = columns_read(measured.model)
    for name in columns or ():
        if name not in read:
            raise unknown_name("column that the model reads", name, read)
    check_predictions("Importance", measured, 1 + repeats * len(columns or read), max_seconds)
    plain = measured.errors(measured.predictions())
    found = []
    for name in columns or read:
        values = measured.table.column_values(name)
        increases = np.zeros(len(values))
        for repeat in range(repeats):
            order = permutation(seed, f"importance {name}", repeat, len(values)).tolist()
            shuffled = measured.table.with_column(name, measured.table.columns[name], [values[row] for row in order])
            increases += (measured.errors(measured.predictions(shuffled)) - plain) / repeats
        mean, margin = float(increases.mean()), 0.0
        if len(increases) > 1:
            spread = float(increases.std(ddof=1)) / np.sqrt(len(increases))
            margin = t_quantile(0.975, len(increases) - 1) * float(spread)
        found.append(Importance(name, mean, (mean - margin, mean + margin), float(plain.mean())))
    return sorted(found, key=lambda each: -each.increase)


def columns_read(model: Any) -> list[str]:
    """The columns of a table that a model reads: those that `Features` put together one by one."""
    return [name for input_name, column in model.inputs.items() for name in (column.sources or (input_name,))]
