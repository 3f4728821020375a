"""What the columns of a table are: types, missing and unusual values, identifiers, copies, targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal, final

import numpy as np
import polars as pl

from longspan.columns.feature_values import label_values, number_values, read_dates
from longspan.data.choose_features import judge_column
from longspan.data.leakage.drift import Drift
from longspan.data.table import Table

__all__ = ["ColumnCard", "Scorecard", "TargetCard", "scorecard", "told"]

_FAR = 5.0
"""Interquartile ranges beyond the quartiles from which on a number is unusual; 3 is Tukey's "far out"."""
_FLAGS = (-9999.0, -999.0, -99.0, -1.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
"""Numbers that often stand for a missing value."""
_SHOWN = 3
_FEW_VALUES = 10
_RARE = 3
_FEW = 0.2
_HISTOGRAM = 20
_WORD = 40
_IMBALANCE = 0.1
_LONG_TAIL = 10.0


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnCard:
    """One column: what it is as a feature and why, what its values are, and what is unusual in them."""

    name: str
    kind: Literal["number", "category", "date", "left out", "target"]
    reason: str
    """Why it is of this kind."""
    missing: float
    """Fraction of the rows without a value."""
    distinct: int
    values: str
    """Quartiles of numbers, the most frequent labels, the range of dates."""
    unusual: tuple[str, ...] = ()
    """A sentence for each finding."""
    rare_labels: int = 0
    """Labels that fewer than three rows have."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TargetCard:
    """What there is to predict."""

    name: str
    classes: tuple[tuple[str, int], ...] = ()
    """Labels with their rows, the most frequent first; empty for a number."""
    histogram: tuple[tuple[float, float, int], ...] = ()
    """Of a number: ends of each bin, and rows in it."""
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Scorecard:
    """What a table holds, column by column, before anything is trained."""

    source: str
    rows: int
    columns: tuple[ColumnCard, ...]
    targets: tuple[TargetCard, ...]
    copies: int
    """Rows that equal an earlier one in every column."""
    first_copies: tuple[tuple[str, str], ...]
    """Some of them, with the row that each equals."""
    equal_columns: tuple[tuple[str, str], ...]
    """Pairs of columns with the same values in every row."""
    drifts: tuple[Drift, ...] = ()
    """Of each part of a split, whether its rows look like training rows."""

    @property
    def noted(self) -> tuple[tuple[str, str], ...]:
        """What deserves a look: the columns that it is about, and a sentence; what concerns the whole table first."""
        found = []
        if self.copies:
            example = " and ".join(self.first_copies[0])
            found.append(("all", f"{_counted(self.copies, 'row')} equal to an earlier one, such as {example}"))
        found += [("all", str(each)) for each in self.drifts if each.certain]
        found += [(card.name, each) for card in self.targets for each in card.notes]
        found += [(f"{one}, {other}", "equal in every row") for one, other in self.equal_columns]
        found += [(card.name, f"left out: {card.reason}") for card in self.columns if card.kind == "left out"]
        found += [(card.name, each) for card in self.columns for each in card.unusual]
        rare = [f"{card.name} ({card.rare_labels})" for card in self.columns if card.rare_labels]
        if rare:
            found.append((", ".join(rare), f"labels in fewer than {_RARE} rows, which networks read as unknown ones"))
        return tuple(found)

    @property
    def findings(self) -> tuple[str, ...]:
        """The same, a sentence each."""
        return tuple(what if about == "all" else f"{about}: {what}" for about, what in self.noted)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"findings": list(self.findings)}


def scorecard(table: Table, targets: str | Sequence[str] = (), *, drifts: Sequence[Drift] = ()) -> Scorecard:
    """Look at every column of a table.

    Args:
        table: Rows with numbers, labels and dates.
        targets: Columns that will be predicted.
        drifts: Of `split.drift`, where the table is split.

    Raises:
        UnknownNameError: a target that the table does not have.

    Example:
        >>> card = scorecard(Table.from_frame(pl.DataFrame({"x": [1.0, 2.0, 2.0, 900.0], "id": list("abcd")})))
        >>> [(each.name, each.kind) for each in card.columns]
        [('x', 'number'), ('id', 'category')]
    """
    names = (targets,) if isinstance(targets, str) else tuple(targets)
    for name in names:
        table.column(name)
    flat = [name for name in table.frame.columns if name in table.columns and not table.columns[name].sources]
    frame = table.frame.select(flat)
    copies, examples = _copies(table, frame)
    return Scorecard(
        source=str(table.source),
        rows=len(table),
        columns=tuple(_card(table, name, target=name in names) for name in flat),
        targets=tuple(_target(table, name) for name in names),
        copies=copies,
        first_copies=examples,
        equal_columns=tuple(_equal_columns(frame)),
        drifts=tuple(drifts),
    )


def _card(table: Table, name: str, *, target: bool) -> ColumnCard:
    cells = table.frame[name]
    kind, why = judge_column(cells, table.columns[name])
    there = cells.drop_nulls()
    if there.dtype.is_float():
        there = there.filter(there.is_not_nan())
    distinct = 0 if there.dtype.is_nested() or there.dtype == pl.Object else there.n_unique()
    words, unusual, rare = "", list[str](), 0
    if len(there) and kind == "number":
        words, unusual = _of_numbers(table, name)
    elif len(there) and kind == "date":
        moments = read_dates(there).drop_nulls()
        words = f"{moments.min()} to {moments.max()}".replace(" 00:00:00", "")
        unusual = _faulty(table, name, read_dates(cells).is_null() & cells.is_not_null(), "no date")
    elif distinct:
        words, unusual, rare = _of_labels(there, judged=kind == "category")
        unusual += _strangers(table, name)
    return ColumnCard(
        name=name,
        kind="target" if target else kind or "left out",  # type: ignore[arg-type]
        reason=why.removeprefix("left out: "),
        missing=1 - len(there) / len(cells) if len(cells) else 0.0,
        distinct=distinct,
        values=words,
        unusual=tuple(unusual),
        rare_labels=0 if target else rare,
    )


def _of_numbers(table: Table, name: str) -> tuple[str, list[str]]:
    """Quartiles, and numbers far from them, that stand for missing ones, or are no numbers."""
    values, faults = number_values(table.frame[name])
    infinite = np.isinf(values)
    wrong = pl.Series([row in faults and not infinite[row] for row in range(len(values))])
    found = _faulty(table, name, wrong, "no number")
    if infinite.any():
        found.append(
            f"{_counted(int(infinite.sum()), 'infinite value')}, such as in {table.row_name(int(infinite.argmax()))}"
        )
    finite = values[np.isfinite(values)]
    low, first, median, third, high = np.quantile(finite, [0, 0.25, 0.5, 0.75, 1])
    words = f"{told(low)} to {told(high)}, median {told(median)}, quartiles {told(first)} and {told(third)}"
    spread = third - first
    far = np.flatnonzero((finite < first - _FAR * spread) | (finite > third + _FAR * spread)) if spread else []
    if len(far):
        some = ", ".join(map(told, np.unique(finite[far])[: -_SHOWN - 1 : -1]))
        found.append(f"{_counted(len(far), 'value')} far from the others, such as {some}")
    distinct, counts = np.unique(finite, return_counts=True)
    for flag in _FLAGS:
        place = np.searchsorted(distinct, flag)
        alone = place < len(distinct) and distinct[place] == flag and place in (0, len(distinct) - 1)
        if not alone or counts[place] < 2 or len(distinct) <= _FEW_VALUES:
            continue
        below_all = (
            place == 0 and flag <= -99 and distinct[1] > flag / 10
        )  # where no other number is negative, or hardly
        if below_all or abs(flag - median) > 2 * max(spread, 1e-12):
            found.append(f"{counts[place]:,} values of {flag:g}, which may stand for missing ones")
    if (finite.size and np.abs(finite).max() >= 2**53) and table.frame[name].dtype.is_integer():
        found.append("whole numbers beyond 2^53, of which the last digits are lost: identifiers?")
    return words, found


def _of_labels(there: pl.Series, *, judged: bool) -> tuple[str, list[str], int]:
    """The most frequent labels, those that are spelled in several ways, and how many are rare."""
    labels = label_values(there)[0]
    counts = labels.value_counts(sort=True)
    pairs = list(zip(counts[:, 0].to_list(), counts[:, 1].to_list(), strict=True))
    words = ", ".join(f"{_short(label)} {count:,}" for label, count in pairs[:_SHOWN])
    words += ", ..." if len(pairs) > _SHOWN else ""
    if not judged:
        return words, [], 0
    found = []
    spellings: dict[str, list[str]] = {}
    for label, _ in pairs:
        spellings.setdefault(" ".join(label.split()).casefold(), []).append(label)
    several = [each for each in spellings.values() if len(each) > 1]
    if several:
        found.append(f"labels that differ only in case or spaces: {', '.join(map(repr, several[0]))}")
    return words, found, sum(count < _RARE for _, count in pairs)


def _strangers(table: Table, name: str) -> list[str]:
    """Cells of a column of text that are no numbers, where nearly all others are."""
    cells = table.frame[name]
    if cells.dtype != pl.String:
        return []
    wrong = pl.Series([False] * len(cells)).scatter(list(number_values(cells)[1]), True)
    count, there = int(wrong.sum()), len(cells) - cells.null_count()
    return _faulty(table, name, wrong, "no number, unlike the others") if 0 < count <= _FEW * there else []


def _faulty(table: Table, name: str, wrong: pl.Series, what: str) -> list[str]:
    """A sentence that names cells which do not fit the others, with their rows."""
    rows = np.flatnonzero(wrong.to_numpy())
    if not len(rows):
        return []
    some = "; ".join(
        f"{table.row_name(int(row))}: {_short(repr(table.frame[name][int(row)]))}" for row in rows[:_SHOWN]
    )
    return [f"{_counted(len(rows), 'cell')} that {'are' if len(rows) > 1 else 'is'} {what}: {some}"]


def _target(table: Table, name: str) -> TargetCard:
    cells = table.frame[name]
    kind, _ = judge_column(cells, table.columns[name])
    missing = cells.null_count()
    notes = [f"{missing:,} rows have no target and do not train"] if missing else []
    there = cells.drop_nulls()
    if not len(there) or there.dtype.is_nested():
        return TargetCard(name=name, notes=tuple(notes))
    if kind != "number" or there.n_unique() == 2:
        labels = label_values(there)[0].value_counts(sort=True)
        classes = tuple(zip(labels[:, 0].to_list(), labels[:, 1].to_list(), strict=True))
        if len(classes) == 1:
            notes.append("one value in every row: there is nothing to learn")
        elif classes[-1][1] < _IMBALANCE * len(there) / len(classes):
            notes.append(
                f"{classes[-1][0]!r} is rare ({classes[-1][1]:,} rows): look at F1 and average precision, not at "
                "accuracy"
            )
        return TargetCard(name=name, classes=classes, notes=tuple(notes))
    values = number_values(there)[0]
    values = values[np.isfinite(values)]
    counts, ends = np.histogram(values, _HISTOGRAM)
    middle, high = float(np.median(values)), float(values.max())
    if values.min() >= 0 < middle and high > _LONG_TAIL * middle:
        notes.append(
            f"the largest value is {high / middle:.0f} times the median: ls.Regress(scale='log') or "
            "criterion='poisson' may suit it"
        )
    bins = tuple((float(low), float(up), int(n)) for low, up, n in zip(ends[:-1], ends[1:], counts, strict=True))
    return TargetCard(name=name, histogram=bins, notes=tuple(notes))


def _copies(table: Table, frame: pl.DataFrame) -> tuple[int, tuple[tuple[str, str], ...]]:
    """How many rows equal an earlier one, and some of them with it."""
    plain = [name for name, dtype in frame.schema.items() if not dtype.is_nested() and dtype != pl.Object]
    if not plain or not len(frame):
        return 0, ()
    hashes = frame.select(plain).hash_rows().to_numpy()
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    earlier = first[inverse]
    later = np.flatnonzero(earlier != np.arange(len(frame)))
    some = tuple((table.row_name(int(earlier[row])), table.row_name(int(row))) for row in later[:_SHOWN])
    return len(later), some


def _equal_columns(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """Pairs of columns that are equal in every row and not constant."""
    by_hash: dict[int, list[str]] = {}
    for name, dtype in frame.schema.items():
        if dtype.is_nested() or dtype == pl.Object or frame[name].n_unique() < 2:
            continue
        by_hash.setdefault(int(frame[name].hash().to_numpy().sum(dtype=np.uint64)), []).append(name)
    candidates = [pair for names in by_hash.values() for pair in combinations(names, 2)]
    return [
        (one, other) for one, other in candidates
        if frame.schema[one] == frame.schema[other] and frame[one].equals(frame[other], check_names=False)
    ]  # fmt: skip


def told(number: float) -> str:
    """A number with six digits and commas between thousands."""
    value = float(f"{number:.6g}")
    return f"{int(value):,}" if value.is_integer() and abs(value) < 1e15 else f"{value:,g}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def _short(text: str) -> str:
    return text if len(text) <= _WORD else text[: _WORD - 1] + "…"
