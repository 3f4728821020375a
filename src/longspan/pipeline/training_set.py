"""The samples that one stage is trained on, and the task that a strategy makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.data import Table, Task
from longspan.pipeline.stage_spec import StageSpec
from longspan.pipeline.stage_tables import table_of, with_values

__all__ = ["TrainingSet"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSet:
    """N samples to learn from, with the row of the table that each comes from."""

    spec: StageSpec
    """The stage."""
    inputs: dict[str, list[Any]]
    """By column read."""
    targets: dict[str, list[Any]]
    """By column added."""
    rows: np.ndarray
    """Row of the table, `(N,)` int64."""
    table: Table
    """Where they come from."""
    computed: frozenset[str]
    """Columns whose values are computed by stages or by `label`, and do not stand in the table."""
    columns: Mapping[str, Column]
    """What the columns that the stage reads and adds mean, where that is known."""

    def __len__(self) -> int:
        return len(self.rows)

    def task(self, size_px: tuple[int, int] | None) -> Task:
        """The task of the stage: all samples train. Values that stand in the table are not copied."""
        spec, columns = self.spec, self.columns
        values = {**self.inputs, **self.targets}
        direct = [name for name in values if name not in self.computed]
        if direct:
            data = self.table.select(*direct).take(self.rows)
            for name in direct:
                data = data.with_column(name, columns[name])
            for name in (name for name in values if name in self.computed):
                data = with_values(data, name, columns[name], values[name], size_px)
        else:
            data = table_of(values, columns, size_px, spec.name)
        return Task(data.split(valid=0, stratify=None), spec.reads, spec.adds, size_px=size_px)
