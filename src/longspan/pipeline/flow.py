"""Columns of samples on their way through a pipeline: from the data or from a stage, each computed once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, final

from longspan.data import Table
from longspan.data.batches.context import pixel_inputs
from longspan.heads import TargetPrediction
from longspan.pipeline.components import Component
from longspan.pipeline.execution import run_stage
from longspan.pipeline.stage import Stage

__all__ = ["Flow", "Rows"]


@final
class Rows:
    """Raw values by column and row as they come in, and what a row is called in messages."""

    def __init__(
        self, names: Collection[str], num_rows: int, read: Callable[[str], list[Any]], where: Callable[[int], str]
    ) -> None:
        """`read` gives all values of one column."""
        self.names = frozenset(names)
        self.num_rows = num_rows
        self.read = read
        self.where = where

    @classmethod
    def of_table(cls, table: Table) -> Rows:
        """The rows of a table; images as paths or arrays."""
        images = pixel_inputs(table.columns)

        def where(row: int) -> str:
            files = [table.where(row, name) for name in images if isinstance(table.frame[name][row], str)]
            return f"row {row} of {table.source}" + (f" ({files[0]})" if files else "")

        return cls(table.columns, len(table), table.column_values, where)

    @classmethod
    def of_samples(cls, columns: Mapping[str, list[Any]]) -> Rows:
        """Values given one by one."""
        num_rows = len(next(iter(columns.values())))
        return cls(columns, num_rows, columns.__getitem__, lambda row: f"sample {row}")

    def parts(self, size: int) -> Iterator[Rows]:
        """The same rows, at most `size` at a time, called as they are called here."""
        for first in range(0, self.num_rows, size):
            end = min(first + size, self.num_rows)
            yield Rows(self.names, end - first, _slice_of(self.read, first, end), _later(self.where, first))


def _slice_of(read: Callable[[str], list[Any]], first: int, end: int) -> Callable[[str], list[Any]]:
    return lambda name: read(name)[first:end]


def _later(where: Callable[[int], str], first: int) -> Callable[[int], str]:
    return lambda row: where(first + row)


@final
class Flow:
    """The rows of one table, and what the stages add to them.

    A column's value depends on which columns are *taken* from the table and not computed: none of those that stages
    add when the pipeline predicts, all that are there when it is fed with the ground truth, some in a ceiling analysis.
    What two such readings have in common is computed once. Stages that keep state begin anew in each.
    """

    def __init__(self, stages: Sequence[Stage], component: Callable[[Stage], Component], rows: Rows) -> None:
        """Nothing is computed yet; `component` gives what does a stage's work, started, whenever a stage is run."""
        self.rows = rows
        self._component = component
        self._makers = {name: stage for stage in stages for name in stage.adds}
        self._read: dict[str, list[Any]] = {}
        self._made: dict[tuple[str, frozenset[str]], dict[str, list[TargetPrediction]]] = {}

    def values(self, name: str, taken: Collection[str] = ()) -> list[Any]:
        """One column, a value per row; columns in `taken` are those of the table, others are computed if they can be.

        Raises:
            PipelineError: a stage fails on a sample.
        """
        return [each.value for each in self.predictions(name, taken)]

    def predictions(self, name: str, taken: Collection[str] = ()) -> list[TargetPrediction]:
        """The same with the probabilities that a network gives."""
        maker = None if name in taken else self._makers.get(name)
        if maker is None:
            if name not in self._read:
                self._read[name] = self.rows.read(name)
            return [TargetPrediction(value) for value in self._read[name]]
        key = (maker.name, self.origins(name, taken))
        if key not in self._made:
            reads = [self.values(read, taken) for read in maker.reads]
            self._made[key] = run_stage(maker.spec, self._component(maker), reads, self.rows.where)
        return self._made[key][name]

    def origins(self, name: str, taken: Collection[str] = ()) -> frozenset[str]:
        """The columns of the table that a column is computed from. They identify one of the ways to compute it."""
        maker = None if name in taken else self._makers.get(name)
        if maker is None:
            return frozenset((name,))
        return frozenset().union(*(self.origins(read, taken) for read in maker.reads))

    def upstream(self, names: Collection[str]) -> list[str]:
        """These columns and all that they are computed from when the pipeline predicts, in no order that matters."""
        found: dict[str, None] = {}
        waiting = [*names]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = None
                waiting += self._makers[name].reads if name in self._makers else ()
        return list(found)
