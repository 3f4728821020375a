"""What columns say about a split: groups that stand in several parts, and parts that overlap in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

import numpy as np
import polars as pl

from longspan.data.splits.column_values import present_values
from longspan.data.splits.timestamps import moments_of
from longspan.data.table_view import SplitView

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["ColumnLeak", "group_leak", "group_rows", "suggested_groups", "time_leak"]

_SHOWN = 3
_VALUE = "\0value"
"""Name of the column of values beside those of the parts, which no column of a user's bears."""
_MIN_STRADDLING = 20


@final
@dataclass(frozen=True, slots=True)
class ColumnLeak:
    """A column through which held-out rows, or their targets, are known in training."""

    kind: Literal["group", "time", "target"]
    column: str
    what: str
    """What was found, in a sentence."""
    certain: bool
    """Refused like a copied sample; else reported, for a person to judge."""
    score: float | None = None
    """Of a column that predicts a target: fraction of the errors of the best constant prediction that it removes."""

    def __str__(self) -> str:
        return self.what


def group_leak(split: SplitView, parts: Mapping[str, np.ndarray], column: str) -> ColumnLeak | None:
    """Values of `column` (a person, a scene) that stand in several parts; None if there are none.

    Raises:
        UnknownNameError: no such column.
    """
    counts = _counts_by_value(split, parts, column)
    both = counts.filter(pl.sum_horizontal(pl.col(part) > 0 for part in parts) > 1)
    if not len(both):
        return None
    shown = [
        f"{value!r} ({', '.join(f'{count} {part}' for part, count in zip(parts, rest, strict=True) if count)})"
        for value, *rest in both.head(_SHOWN).iter_rows()
    ]
    more = f", and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
    what = f"column {column!r}: {len(both)} of {len(counts)} groups stand in several parts: {', '.join(shown)}{more}"
    return ColumnLeak("group", column, what, certain=True)


def group_rows(split: SplitView, parts: Mapping[str, np.ndarray], column: str) -> np.ndarray:
    """Rows, int64 ascending, whose group stands in several parts."""
    counts = _counts_by_value(split, parts, column)
    both = counts.filter(pl.sum_horizontal(pl.col(part) > 0 for part in parts) > 1)[_VALUE]
    return np.flatnonzero(_text_of(split.table.frame[column]).is_in(both.implode()).fill_null(False).to_numpy())


def time_leak(split: SplitView, parts: Mapping[str, np.ndarray], column: str) -> ColumnLeak | None:
    """Parts that overlap in time, where training should lie before validation and that before test.

    Raises:
        SplitError: values are missing or have no order in time.
        UnknownNameError: no such column.
    """
    moments = moments_of(present_values(split.table, column, "time"), column)
    overlaps = []
    order = [part for part in ("train", "valid", "test") if part in parts]
    for k, later in enumerate(order[1:], 1):
        earlier = np.concatenate([parts[part] for part in order[:k]])
        last = max(moments[row] for row in earlier.tolist())  # type: ignore[type-var]
        early = [row for row in parts[later].tolist() if moments[row] <= last]  # type: ignore[operator]
        if early:
            first = min(early, key=lambda row: moments[row])  # type: ignore[arg-type, return-value]
            overlaps.append(
                f"{len(early)} of {len(parts[later])} {later} rows are not later than the last row before them, of "
                f"{last} (the first is {split.table.row_name(first)}, of {moments[first]})"
            )
    if not overlaps:
        return None
    return ColumnLeak("time", column, f"column {column!r}: parts overlap in time: {'; '.join(overlaps)}", certain=True)


def suggested_groups(
    split: SplitView, parts: Mapping[str, np.ndarray], except_for: Collection[object]
) -> list[ColumnLeak]:
    """Columns that look like groups nobody named: many values, few rows each, standing in several parts.

    Text and classes alone, for a quantity has as many values as there are rows. To be one, a column needs twice as
    many values as the square root of the rows, two rows each on average, and at least half as many values in several
    parts as chance would put there: a split that kept groups together leaves none.
    """
    found = []
    rows = sum(map(len, parts.values()))
    for name, kind in split.table.columns.items():
        if name in except_for or kind.in_files or split.table.frame[name].dtype != pl.String:
            continue
        counts = _counts_by_value(split, parts, name)
        sizes = counts.select(total=pl.sum_horizontal(*parts))["total"].to_numpy()
        if len(counts) < 2 * rows**0.5 or sizes.sum() < 2 * len(counts):
            continue
        fractions = np.array([len(part) / rows for part in parts.values()])
        expected = (1 - (fractions[:, None] ** sizes).sum(0)).sum()
        both = len(counts.filter(pl.sum_horizontal(pl.col(part) > 0 for part in parts) > 1))
        if both >= max(_MIN_STRADDLING, expected / 2):
            what = (
                f"column {name!r} may name groups: {both} of its {len(counts)} values stand in several parts, with "
                f"{sizes.mean():.1f} rows each. If they are persons, patients or scenes, split(group={name!r}) keeps "
                "each in one part"
            )
            found.append(ColumnLeak("group", name, what, certain=False))
    return found


def _counts_by_value(split: SplitView, parts: Mapping[str, np.ndarray], column: str) -> pl.DataFrame:
    """Rows of each part by value: `_VALUE`, then one column for each part; missing values are left out."""
    split.table.column(column)
    part_of = np.full(len(split.table), -1, np.int8)
    for k, rows in enumerate(parts.values()):
        part_of[rows] = k
    frame = pl.DataFrame([_text_of(split.table.frame[column]).alias(_VALUE), pl.Series("part", part_of)])
    counts = (
        frame.drop_nulls().group_by(_VALUE).agg((pl.col("part") == k).sum().alias(part) for k, part in enumerate(parts))
    )
    return counts.filter(pl.sum_horizontal(*parts) > 0).sort(_VALUE)


def _text_of(series: pl.Series) -> pl.Series:
    """Cells that can be grouped: lists as text, NaN as missing."""
    if series.dtype.is_nested():
        return pl.Series(series.name, [None if cell is None else repr(cell) for cell in series.to_list()], pl.String)
    return series.fill_nan(None) if series.dtype.is_float() else series
