"""New inputs of a trained model: values, lists of them, or tables, encoded as its columns read them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch

from longspan.columns import Column
from longspan.data import Samples, Table, encode_rows
from longspan.data.batches.build import store_of
from longspan.data.batches.context import context_for
from longspan.data.batches.truncation import truncation_of, truncation_words
from longspan.errors import DataError, Fault, data_error
from longspan.heads import Head
from longspan.portable.new_values import encode_values, image_in, path_of, with_inputs
from longspan.vision import ResizeTransform

__all__ = ["ReadInputs", "column_of", "encode_targets", "read_inputs"]


class ReadInputs(NamedTuple):
    """Samples that were read to be predicted, the file of each, and how its image was resized."""

    samples: Samples
    sources: list[str | None]
    transforms: list[ResizeTransform | None]


def read_inputs(data: Any, inputs: Mapping[str, Column], heads: Mapping[str, Head]) -> ReadInputs:
    """Encode what is to be predicted: a value, several, or a table.

    Raises:
        DataError: inputs that cannot be read, all of them by name.
    """
    contexts = (context_for(column_of(head), inputs) for head in heads.values())
    image = next((context for context in contexts if context is not None), None)
    if isinstance(data, Table):
        data = with_inputs(data, inputs)
        rows = np.arange(len(data))
        samples = encode_rows(data, rows, inputs, {})
        faults = list(samples.faults().values())
        for name, column in inputs.items():
            for words in truncation_of(data, name, column, samples.inputs[name], {"rows": torch.from_numpy(rows)}):
                warnings.warn(words, stacklevel=3)
        values = [data.value(int(row), image[0] if image else next(iter(inputs))) for row in rows]
    else:
        values = list(data) if isinstance(data, list | tuple) else [data]
        samples, faults = _encode(values, inputs)
    if faults:
        raise data_error("Nothing was predicted, because some inputs cannot be used:", faults)
    transforms = [None if image is None else image[1].context_of(image_in(v, image[0])) for v in values]
    return ReadInputs(samples, [path_of(value) for value in values], transforms)


def encode_targets(table: Table, inputs: Mapping[str, Column], heads: Mapping[str, Head]) -> Samples:
    """All rows of a table with inputs and targets; DataError if any cannot be used, or none has a target."""
    table = with_inputs(table, inputs)
    for name in heads:
        table.column(name)
    samples = encode_rows(table, np.arange(len(table)), inputs, {name: column_of(head) for name, head in heads.items()})
    if samples.faults():
        raise data_error("Nothing was measured, because some rows cannot be used:", list(samples.faults().values()))
    if len(table) and not any(bool((store.slots >= 0).any()) for store in samples.targets.values()):
        raise DataError(
            f"No row of {table.source} has a value in {' or '.join(map(repr, heads))}, so there is nothing to measure."
        )
    return samples


def column_of(head: Head) -> Column:
    """The fitted column of a head."""
    assert head.column is not None
    return head.column


def _encode(values: Sequence[Any], inputs: Mapping[str, Column]) -> tuple[Samples, list[Fault]]:
    read, stores = encode_values(values, inputs), {}
    for name, column in inputs.items():
        encoded, given = read.encoded[name], read.given[name]
        stores[name] = store_of(column, encoded)
        if column.ragged and len(encoded) == len(given):
            texts = [(v, len(e)) for v, e in zip(given, encoded, strict=True) if isinstance(v, str)]
            words = truncation_words(
                name, column, pl.Series([v for v, _ in texts], dtype=pl.String), [n for _, n in texts], "values"
            )
            if words:
                warnings.warn(words, stacklevel=4)
    return Samples(stores, {}), read.faults
