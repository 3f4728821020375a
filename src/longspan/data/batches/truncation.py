"""What a network does not read of its inputs because they are longer than it reads: counted, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from longspan.columns import Column
from longspan.data.batches.store import RowStore
from longspan.data.table_view import TableView
from longspan.lazy_torch import torch

__all__ = ["NOT_READ", "truncation_of", "truncation_words"]

NOT_READ = "tokens that the network reads"
"""A part of every sentence."""


def truncation_words(name: str, column: Column, cells: pl.Series, lengths: list[int], what: str) -> str | None:
    """How many values are cut, in a sentence; None if none is.

    Args:
        name: The column's name.
        column: Fitted.
        cells: Its values, none of them missing.
        lengths: Of each, the steps that are read.
        what: Which values they are: "training rows".
    """
    count, lost = column.cut_short(cells, lengths)
    if not count:
        return None
    steps = max(lengths)
    return (
        f"Column {name!r}: {count:,} of the {len(lengths):,} {what} are longer than the {steps:,} {NOT_READ}; "
        f"{lost:,} tokens at their ends are not read. Text(max_tokens=...) reads more."
    )


def truncation_of(
    table: TableView, name: str, column: Column, store: RowStore, rows: Mapping[str, torch.Tensor]
) -> list[str]:
    """The sentences for some parts of a table, each with the name of what its rows are."""
    if not column.ragged:
        return []
    found = []
    for what, numbers in rows.items():
        there = numbers[store.present(numbers)]
        if not len(there):
            continue
        lengths = store.lengths(there)
        assert lengths is not None
        cells = table.frame[name].gather(there.numpy().astype(np.int64))
        known = cells.is_not_null().to_list()
        some = [length for length, kept in zip(lengths.tolist(), known, strict=True) if kept]
        words = truncation_words(name, column, cells.drop_nulls(), some, what)
        found += [words] if words else []
    return found
