"""Looking for leaks in a split without training anything: images at 128 pixels, recordings, other cells as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from longspan.columns import Column
from longspan.data.batches.build import build_store
from longspan.data.batches.context import compared_inputs
from longspan.data.batches.store import RowStore
from longspan.data.leakage.leaks import Leaks, compared, find_leaks, parts_of
from longspan.data.table_view import SplitView, TableView
from longspan.errors import ConfigError, data_error, unknown_name

__all__ = ["check_split"]

_SIDE_PX = 128
"""Four pixels for each of a thumbnail. Measured: of copies of pets at JPEG quality 50 or half the size, 3 % are lost
at 64 pixels, for decoders make them smaller in another way, and none at 128. Smaller images stay as they are."""
_MEMORY_BYTES = 4 * 2**30


def check_split(
    split: SplitView,
    inputs: str | Sequence[str] | None,
    targets: str | Sequence[str],
    *,
    group: str | None = None,
    time: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> Leaks:
    """See `Split.leaks`."""
    table = split.table
    wanted = _names(targets)
    names = (
        [*_names(inputs)] if inputs is not None else _readable(table, {*wanted, split.how.get("column"), group, time})
    )
    for name in (*names, *wanted):
        if name not in table.columns:
            raise unknown_name("column", name, table.columns)
    if on_error not in ("raise", "skip"):
        raise ConfigError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
    rows = np.sort(np.concatenate(list(parts_of(split).values())))
    encoded = {
        name: _encoded(table, name, table.columns[name], rows)
        for name in compared_inputs({name: table.columns[name] for name in names})
    }
    faults = [fault for store, _ in encoded.values() for fault in store.faults.values()]
    if faults and on_error == "raise":
        raise data_error(
            f"{len(faults)} {' and '.join(sorted({f'{column.kind} files' for _, column in encoded.values()}))} cannot "
            "be read:",
            faults,
            'Fix or remove them, or on_error="skip" (--on-error skip).',
        )
    images = {name: compared(store, column) for name, (store, column) in encoded.items()}
    return find_leaks(split, images, inputs=names, targets=wanted, group=group, time=time)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _readable(table: TableView, except_for: set[object]) -> list[str]:
    """Columns that a network can read: if there are images they alone, for what lies beside them may be anything."""
    names = [name for name, column in table.columns.items() if name not in except_for and column.readable]
    images = compared_inputs({name: table.columns[name] for name in names})
    return images or names


def _encoded(table: TableView, name: str, column: Column, rows: np.ndarray) -> tuple[RowStore, Column]:
    """The values, images no larger than is needed and the whole of each, and the fitted column that encoded them."""
    present = rows[table.frame[name].is_not_null().to_numpy()[rows]]

    def values() -> Iterable[Any]:
        if name in table.arrays:  # all of one size
            return [table.arrays[name][0]]
        return (table.value(int(row), name) for row in present)

    small = column.fit_small(values, _SIDE_PX) if len(present) else column
    return build_store(table, name, small, rows, memory_bytes=_MEMORY_BYTES), small
