"""Looking for leaks in a split without training anything: images at 128 pixels, other cells as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from longspan.columns import Image, Spatial
from longspan.data.batches.store import Store, build_store
from longspan.data.leakage.leaks import Leaks, find_leaks, parts_of
from longspan.errors import ConfigError, data_error, unknown_name

if TYPE_CHECKING:
    from longspan.data.splits.split import Split
    from longspan.data.table import Table

__all__ = ["check_split"]

_SIDE_PX = 128
"""Four pixels for each of a thumbnail. Measured: of copies of pets at JPEG quality 50 or half the size, 3 % are lost
at 64 pixels, for decoders make them smaller in another way, and none at 128. Smaller images stay as they are."""
_MEMORY_BYTES = 4 * 2**30


def check_split(
    split: Split,
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
    images = {
        name: _decoded(table, name, column, rows) for name in names if isinstance(column := table.columns[name], Image)
    }
    faults = [fault for store in images.values() for fault in store.faults.values()]
    if faults and on_error == "raise":
        raise data_error(
            f"{len(faults)} images cannot be read:",
            faults,
            'Mend or remove them, or on_error="skip" (--on-error skip).',
        )
    return find_leaks(split, images, inputs=names, targets=wanted, group=group, time=time)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _readable(table: Table, except_for: set[object]) -> list[str]:
    """Columns that a network can read: if there are images they alone, for what lies beside them may be anything."""
    names = [
        name
        for name, column in table.columns.items()
        if name not in except_for and column.for_networks and not isinstance(column, Spatial)
    ]
    images = [name for name in names if isinstance(table.columns[name], Image)]
    return images or names


def _decoded(table: Table, name: str, column: Image, rows: np.ndarray) -> Store:
    """The images, no larger than is needed; the whole of each, whatever its shape."""
    present = rows[table.frame[name].is_not_null().to_numpy()[rows]]
    if name in table.arrays:
        fitted = replace(column, size_px=None).fit([table.arrays[name][0]]) if len(table.arrays[name]) else column
    else:
        values = (table.value(int(row), name) for row in present)
        try:
            fitted = replace(column, size_px=None).fit(values)
        except ConfigError:  # they differ in size
            fitted = replace(column, size_px=(_SIDE_PX, _SIDE_PX)).fit(table.value(int(row), name) for row in present)
    assert fitted.size_px is not None
    if min(fitted.size_px) > _SIDE_PX:
        fitted = replace(fitted, size_px=(_SIDE_PX, _SIDE_PX))
    return build_store(table, name, replace(fitted, resize="stretch"), rows, memory_bytes=_MEMORY_BYTES)
