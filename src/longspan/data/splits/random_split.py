"""Splits at random, in the same fractions from every class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from longspan.data.splits.column_values import check_known, class_ids, class_of, values_of
from longspan.data.splits.split_sizes import counts_of
from longspan.data.table_view import TableView
from longspan.errors import SplitError
from longspan.lazy_torch import torch
from longspan.randomness import uniform

__all__ = ["split_at_random", "strata_columns"]


def split_at_random(
    table: TableView,
    rows: np.ndarray,
    valid: float,
    test: float,
    seed: int,
    strata: Sequence[str],
    *,
    explicit: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Train, valid and test rows among `rows`, by systematic sampling down a list sorted by class, then by draw.

    Every m-th entry of that list is taken, so the totals are exact and a class of n rows gives its fraction of n,
    rounded up or down (for the first of several strata columns; the others come close).
    """
    num_valid, num_test = counts_of(len(rows), valid, test)
    draws = uniform(seed, "split", 0, torch.from_numpy(rows), 1)[:, 0].numpy()
    keys: list[np.ndarray] = []
    only = np.zeros(len(rows), dtype=bool)
    for name in strata:
        ids = class_ids([class_of(value) for value in values_of(table, name, rows)])[0]
        single = np.bincount(ids)[ids] == 1
        if explicit and num_valid + num_test and single.any():
            lone = [
                f"{table.row_name(row)}: {value!r}"
                for row, value in zip(rows[single], values_of(table, name, rows[single]), strict=True)
            ]
            raise SplitError(
                f"Column {name!r} has {len(lone)} classes with one row, which cannot be in two parts: "
                f"{'; '.join(lone[:10])}{' ...' if len(lone) > 10 else ''}. "
                "Filter them out, add rows, or use stratify=None."
            )
        keys.append(ids)
        only |= single
    # A class that nothing teaches cannot be validated either, so its only row trains.
    free = np.flatnonzero(~only) if (~only).sum() > num_valid + num_test else np.arange(len(rows))
    order = free[np.lexsort([rows[free], draws[free], *(ids[free] for ids in reversed(keys))])]
    start = uniform(seed, "split-start", 0, torch.zeros(1, dtype=torch.int64), 2)[0].tolist()
    test_picked = _every(len(order), num_test, start[0])
    rest = np.delete(order, test_picked)
    valid_picked = _every(len(rest), num_valid, start[1])
    held = np.zeros(len(rows), dtype=np.int8)
    held[order[test_picked]] = 2
    held[rest[valid_picked]] = 1
    _keep_each_class(held, keys, rest)
    return rows[held == 0], rows[held == 1], rows[held == 2]


def _keep_each_class(held: np.ndarray, keys: Sequence[np.ndarray], order: np.ndarray) -> None:
    """Give each class whose rows are all held out a training row, in exchange for one of another class, in place.

    Args:
        held: 0 for rows that train, 1 for those that validate, 2 for test rows.
        keys: Class numbers of the rows, one array for each column to stratify by.
        order: The rows that could train or validate, in the order in which they were drawn.
    """
    for ids in keys:
        for lost in np.setdiff1d(ids, ids[held == 0]).tolist():
            mine = np.flatnonzero(ids == lost)
            # A validation row first: the test rows then stay as they are.
            row = min(mine.tolist(), key=lambda row: (held[row], row))
            safe = [
                other
                for other in order.tolist()
                if held[other] == 0 and all((each[held == 0] == each[other]).sum() > 1 for each in keys)
            ]
            if safe:
                nearest = min(safe, key=lambda other: (abs(int(ids[other]) - lost), other))
                held[nearest], held[row] = held[row], 0


def _every(total: int, count: int, start: float) -> np.ndarray:
    """`count` evenly spaced positions in `range(total)`, the first offset by `start` (0..1) of a gap."""
    if not count:
        return np.empty(0, dtype=np.int64)
    return np.minimum(((np.arange(count) + start) * total / count).astype(np.int64), total - 1)


def strata_columns(table: TableView, stratify: str | Sequence[str] | None, *, except_for: str = "") -> list[str]:
    """The columns to stratify by."""
    if stratify is None:
        return []
    if stratify != "auto":
        names = [stratify] if isinstance(stratify, str) else list(stratify)
        for name in names:
            check_known(table, name)
        return names
    found: list[tuple[int, str]] = []
    for name, column in table.columns.items():
        if column.kind == "category" and name != except_for:
            classes = len({class_of(value) for value in table.column_values(name)})
            if 1 < classes <= len(table) / 2:
                found.append((classes, name))
    # Stable: columns with as many classes stay in the table's order.
    return [name for _, name in sorted(found, key=lambda pair: pair[0])]
