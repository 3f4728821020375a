"""Trained gradient-boosted trees: they predict tables and rows, are measured as networks are, and are one file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
import torch

from longspan.columns import Category, Column, Features
from longspan.data import Table
from longspan.data.batches.samples import encode_rows
from longspan.errors import Fault, ModelFileError, data_error
from longspan.heads import Head, head_for
from longspan.inference.estimators.estimator_files import (
    decode_predictions,
    measure_predictions,
    read_columns,
    reading_estimator,
    write_estimator,
)
from longspan.inference.estimators.trees import Trees
from longspan.inference.labelled_rows import labelled_rows
from longspan.portable.trained_model import Ability, TrainedModel
from longspan.storage.files import tensors_below

__all__ = ["TREES_FORMAT", "BoostedTrees", "TreeRows", "rows_of"]

TREES_FORMAT = {"format": "longspan trees", "format_version": 1}


@final
@dataclass(frozen=True, slots=True)
class TreeRows:
    """How trees read what a `Features` column encodes: without indicators, missing values as NaN."""

    numbers: int
    missing: tuple[tuple[int, int], ...]
    """Of each number that has one, its place and that of its indicator."""
    categories: tuple[tuple[int, int], ...]
    """Of each category, its place among what trees read, and its number of classes."""

    @classmethod
    def of(cls, column: Features) -> Self:
        """For a fitted column."""
        assert column.number_stats is not None
        assert column.category_stats is not None
        with_indicator = [place for place, stats in enumerate(column.number_stats) if stats.missing]
        count = len(column.number_stats)
        return cls(
            count,
            tuple((place, count + order) for order, place in enumerate(with_indicator)),
            tuple((count + order, stats.num_classes) for order, stats in enumerate(column.category_stats)),
        )


def rows_of(read: TreeRows, encoded: np.ndarray) -> np.ndarray:
    """`(N, F)` float32 as encoded, to what trees read, float64."""
    numbers = encoded[:, : read.numbers].astype(np.float64)
    for place, indicator in read.missing:
        numbers[encoded[:, indicator] > 0, place] = np.nan
    return np.concatenate([numbers, encoded[:, encoded.shape[1] - len(read.categories) :]], axis=1)


@final
class BoostedTrees(TrainedModel):
    """Trained trees for one or several targets; `Boosting` makes them."""

    what: ClassVar[str] = "boosted trees"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"batch_size", "explain"})

    def __init__(
        self,
        name: str,
        column: Features,
        targets: Mapping[str, Column],
        trees: Mapping[str, Trees],
        *,
        logs: Collection[str] = (),
        steps_done: int = 0,
    ) -> None:
        """Put them together.

        Args:
            name: Of the input.
            column: The fitted input.
            targets: Fitted target columns.
            trees: By target.
            logs: Targets whose trees add up to the logarithm of the number.
            steps_done: Trees that were grown.
        """
        self.inputs: dict[str, Column] = {name: column}
        self.heads: dict[str, Head] = {target: head_for(each) for target, each in targets.items()}
        self.trees = dict(trees)
        self.logs = tuple(logs)
        self.steps_done = steps_done
        self._name = name
        self._column = column
        self._rows = TreeRows.of(column)

    def __repr__(self) -> str:
        return f"BoostedTrees({sum(len(each.roots) for each in self.trees.values())} trees -> {', '.join(self.heads)})"

    @property
    def input_columns(self) -> dict[str, Column | None]:
        """What it reads, by name."""
        return dict(self.inputs)

    def predict(self, data: Any, *, batch_size: int = 64) -> Any:
        """Predictions for a Table, a row as a dict of its columns, or a list of rows; in order.

        Raises:
            DataError: rows that cannot be used, all of them by name; or a column is missing.
        """
        del batch_size
        several = isinstance(data, Table | list | tuple)
        if isinstance(data, Table):
            encoded = self._encode_table(data)
        else:
            encoded, faults = [], []
            for number, row in enumerate(data if several else [data]):
                value = row.get(self._name, row) if isinstance(row, dict) else row
                try:
                    encoded.append(self._column.encode(value))
                except ValueError as error:
                    faults.append(Fault(f"sample {number}", str(error)))
            if faults:
                raise data_error("Nothing was predicted, because some rows cannot be used:", faults)
            encoded = np.stack(encoded) if encoded else np.empty((0, *self._column.shape), np.float32)
        found = decode_predictions(self.heads, self._raw(encoded), len(encoded))
        return found if several else found[0]

    def evaluate(self, data: Table | str | Path) -> dict[str, float]:
        """The metrics of each target's head over the rows that have the target, of a table or a table's file."""
        table = labelled_rows(data, self.inputs, self.heads)
        return measure_predictions(self.heads, self._raw(self._encode_table(table)), table)

    def save(self, path: str | Path) -> Path:
        """One safetensors file: the arrays of the trees, and the columns as JSON. It holds no code."""
        tensors = {
            f"{number}.{name}": tensor
            for number, trees in enumerate(self.trees.values())
            for name, tensor in trees.tensors().items()
        }
        return write_estimator(path, tensors, TREES_FORMAT, self.inputs, self.heads, logs=self.logs)

    @classmethod
    def from_parts(cls, tensors: Mapping[str, torch.Tensor], described: Mapping[str, Any]) -> Self:
        """What `save` wrote.

        Raises:
            ModelFileError: damaged, or from a newer longspan.
        """
        with reading_estimator(described, TREES_FORMAT, "trees"):
            name, column, targets = read_columns(described, Features)
            read = TreeRows.of(column)
            width = read.numbers + len(read.categories)
            trees = {
                target: Trees.from_tensors(tensors_below(tensors, f"{number}."), width)
                for number, target in enumerate(targets)
            }
            logs = [str(each) for each in described.get("logs", ())]
            if not set(logs) <= set(targets):
                raise ModelFileError("it names targets that it does not predict")
            return cls(name, column, targets, trees, logs=logs)

    def _encode_table(self, table: Table) -> np.ndarray:
        table = table.with_column(self._name, self._column)
        samples = encode_rows(table, np.arange(len(table)), self.inputs, {})
        faults = list(samples.faults().values())
        if faults:
            raise data_error("Nothing was predicted, because some inputs cannot be used:", faults)
        return samples.inputs[self._name].read(torch.arange(len(table))).numpy()

    def _raw(self, encoded: np.ndarray) -> dict[str, torch.Tensor]:
        """By target probabilities `(N, classes)` or numbers `(N,)`."""
        rows = rows_of(self._rows, encoded)
        found = {}
        for name, trees in self.trees.items():
            outputs = torch.from_numpy(trees.predict(rows))
            if isinstance(self.heads[name].column, Category):
                found[name] = outputs.softmax(1).float()
            else:
                found[name] = outputs[:, 0].exp() if name in self.logs else outputs[:, 0]
        return found
