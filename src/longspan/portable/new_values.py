"""New inputs of a trained model: values, lists of them, or tables, encoded as its columns read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.data import Table
from longspan.errors import ConfigError, Fault, unknown_name

__all__ = ["EncodedValues", "encode_table", "encode_values", "image_in", "path_of", "with_inputs"]


@final
@dataclass(frozen=True, slots=True)
class EncodedValues:
    """Encoded values of N samples by input, and what could not be read."""

    encoded: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """Without the values that have a fault."""
    given: dict[str, list[Any]] = field(default_factory=dict)
    """The raw values of each input."""
    faults: list[Fault] = field(default_factory=list)


def encode_values(values: Sequence[Any], inputs: Mapping[str, Column]) -> EncodedValues:
    """Encode samples: raw values where there is one input, otherwise dicts by input.

    Raises:
        ConfigError: a sample that is no dict where there are several inputs.
        UnknownNameError: a dict that lacks an input.
    """
    read = EncodedValues()
    for name, column in inputs.items():
        encoded, given = read.encoded.setdefault(name, []), read.given.setdefault(name, [])
        for i, value in enumerate(values):
            if isinstance(value, dict) and (name in value or not column.sources):
                if name not in value:
                    raise unknown_name("input", name, value)
                value = value[name]
            elif len(inputs) > 1 and not isinstance(value, dict):
                raise ConfigError(f"This model reads {sorted(inputs)}: give each sample as a dict of them.")
            given.append(value)
            try:
                encoded.append(column.encode_input(value))
            except ValueError as error:
                read.faults.append(Fault(path_of(value) or f"sample {i}", str(error)))
    return read


def encode_table(table: Table, inputs: Mapping[str, Column]) -> EncodedValues:
    """Encode the inputs of every row of a table, which has them (see `with_inputs`)."""
    read = EncodedValues()
    for name, column in inputs.items():
        cells = table.frame[name]
        if not cells.null_count() and _encode_together(read, table, name, column):
            continue
        encoded = read.encoded.setdefault(name, [])
        for row in range(len(table)):
            try:
                encoded.append(column.encode_input(None if cells[row] is None else table.value(row, name)))
            except ValueError as error:
                read.faults.append(Fault(table.where(row, name), str(error)))
    return read


def _encode_together(read: EncodedValues, table: Table, name: str, column: Column) -> bool:
    """Encode a column without missing cells some rows at a time; False, and nothing done, if its kind cannot."""
    encoded, start = read.encoded.setdefault(name, []), 0
    for cells in table.cell_parts(name, np.arange(len(table))):
        together = column.encode_cells(cells)
        if together is None:
            return False
        encoded.extend(map(np.asarray, together[0]))
        read.faults.extend(Fault(table.where(start + row, name), what) for row, what in together[1].items())
        start += len(cells)
    return True


def with_inputs(table: Table, inputs: Mapping[str, Column]) -> Table:
    """The table with the inputs that are made of several of its columns.

    Raises:
        UnknownNameError: it lacks an input.
        DataError: it lacks a column that an input is made of.
    """
    for name, column in inputs.items():
        if column.sources:
            table = table.with_column(name, column)
        table.column(name)
    return table


def image_in(value: Any, name: str) -> Any:
    """The image of a sample: the sample itself, or its value by name."""
    return value[name] if isinstance(value, dict) else value


def path_of(value: Any) -> str | None:
    """The path of a sample that is a file."""
    return str(value) if isinstance(value, str | Path) else None
