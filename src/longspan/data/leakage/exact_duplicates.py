"""Rows of a table with the same cells, distinguished from rows that agree by chance."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl

__all__ = ["equal_rows"]

_TEXT_CHARS = 32
"""Equal texts longer than this are the same sample."""
_BY_CHANCE = 0.01
_RARE = (5, 1000)
"""A cell is rare if at most five rows, or one in a thousand, share it."""


def equal_rows(cells: pl.DataFrame, rows: np.ndarray) -> list[list[int]]:
    """Groups of `rows` with equal cells that chance does not explain.

    Equal texts of more than 32 characters, or lists, are the same sample. Equal rows of short cells may be two people
    of the same age and job, so they count only if one cell is rare (at most 0.1 % of the rows, or five, share it) and
    fewer than 0.01 such twins are expected were the columns independent.

    Rows are compared by a 64-bit hash, and only those whose hash another row has by their cells.

    Args:
        cells: One row per row of the table; NaN equals NaN, a missing cell another missing one.
        rows: Row numbers, int64.
    """
    suspects = np.intersect1d(np.flatnonzero(cells.hash_rows(seed=0).is_duplicated().to_numpy()), rows)
    if not len(suspects):
        return []
    content = np.zeros(len(suspects), dtype=bool)
    rarest = np.full(len(suspects), cells.height)
    log_chance = np.zeros(len(suspects))
    for name, dtype in cells.schema.items():
        some = cells[name][suspects]
        if dtype == pl.String:
            content |= (some.str.len_chars().fill_null(0) > _TEXT_CHARS).to_numpy()
        content |= dtype.is_nested()
        shared_by = cells.select(pl.len().over(name))[:, 0][suspects].to_numpy()
        rarest = np.minimum(rarest, shared_by)
        log_chance += np.log(shared_by / cells.height)
    # Rows that fraction the rarest cell, times the odds that the other cells agree too, were they independent.
    by_chance = rarest * np.exp(log_chance - np.log(rarest / cells.height))
    odd = (rarest <= max(_RARE[0], cells.height // _RARE[1])) & (by_chance < _BY_CHANCE)
    groups: dict[str, list[int]] = defaultdict(list)
    reported = suspects[odd | content]
    for row, values in zip(reported.tolist(), cells[reported].iter_rows(), strict=True):
        # repr, so that lists can be compared and NaN equals NaN.
        groups[repr(values)].append(row)
    return [group for group in groups.values() if len(group) > 1]
