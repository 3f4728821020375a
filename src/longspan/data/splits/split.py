"""Which rows train, which validate, which lie in the vault: at random, by time, by group, or by a column."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from longspan.data.leakage.drift import Drift, find_drift
from longspan.data.leakage.leak_check import check_split
from longspan.data.leakage.leaks import Leaks
from longspan.data.splits.column_split import split_by_column
from longspan.data.splits.column_values import present_values
from longspan.data.splits.folds import fold_numbers
from longspan.data.splits.group_split import split_by_group
from longspan.data.splits.random_split import split_at_random, strata_columns
from longspan.data.splits.time_split import Gap, leave_gaps, split_by_time, time_folds
from longspan.data.splits.vault import Vault
from longspan.errors import SplitError
from longspan.valid_values import checked_fraction

if TYPE_CHECKING:
    from longspan.data.table import Table

__all__ = ["Split", "make_split"]


@final
@dataclass(frozen=True, kw_only=True, slots=True, repr=False, eq=False)
class Split:
    """A table and which of its rows are for what; row numbers are int64, ascending, and no row is in two parts."""

    table: Table
    """All rows; the parts are row numbers into it."""
    train: np.ndarray
    """Rows to learn from, (N,)."""
    valid: np.ndarray
    """Rows to look at while deciding, (N,)."""
    vault: Vault
    """The sealed test rows."""
    how: dict[str, object]
    """How the split was made (JSON-able): kind, options, seed and the three counts."""

    def moved_to_train(self, rows: np.ndarray) -> Split:
        """This split with `rows` taken out of the held-out parts and given to the training rows; noted in `how`.

        Raises:
            VaultError: The vault was opened.
        """
        held_out = np.setdiff1d(rows, self.train)
        train = np.union1d(self.train, held_out)
        valid = np.setdiff1d(self.valid, held_out)
        vault = self.vault.without(held_out)
        moved = int(self.how.get("moved_to_train", 0)) + len(held_out)  # type: ignore[call-overload]
        counts = {"train": len(train), "valid": len(valid), "test": len(vault)}
        how = {**self.how, "moved_to_train": moved, "rows": counts}
        return Split(table=self.table, train=train, valid=valid, vault=vault, how=how)

    def folds(self, folds: int = 5, *, group: str | None = None) -> list[Split]:
        """Splits for cross-validation: each training or validation row validates in one and trains in the others.

        Strata are those of this split, or all label columns; the vault is this split's and stays sealed.

        A split by time gives a rolling origin instead: each fold trains on all rows before a moment, less the split's
        gap, and validates on the block after it, so the earliest block never validates.

        Args:
            folds: How many.
            group: A column no value of which may stand in two folds; by default that of a split by group.

        Raises:
            SplitError: fewer rows, groups or moments than folds; or groups in a split by time.
        """
        rows = np.union1d(self.train, self.valid)
        if self.how["kind"] == "time":
            return self._time_folds(rows, folds, group)
        if group is None and self.how["kind"] == "group":
            group = str(self.how["column"])
        strata = self.how.get("stratify")
        names = list(strata) if isinstance(strata, list | tuple) else strata_columns(self.table, "auto")
        seed = int(self.how.get("seed", 0))  # type: ignore[call-overload]
        numbers = fold_numbers(self.table, rows, folds, seed=seed, strata=names, group=group)
        found = []
        for fold in range(folds):
            more: dict[str, object] = {"fold": fold + 1, "folds": folds, "stratify": names}
            if group is not None:
                more["fold_group"] = group
            found.append(self._with_rows(rows[numbers != fold], rows[numbers == fold], more))
        return found

    def relabel(self, path: str | os.PathLike[str]) -> Split:
        """This split with the labels that a corrections file says, and without the rows that it drops.

        No row changes its part, and no file of the data is touched. See `longspan.data.corrections`.

        Raises:
            DataError: corrections that cannot be read or do not fit the table, all of them by name.
        """
        from longspan.data.corrections import correct_split

        return correct_split(self, os.fspath(path))

    def leaks(
        self,
        inputs: str | Sequence[str] | None = None,
        targets: str | Sequence[str] = (),
        *,
        group: str | None = None,
        time: str | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Leaks:
        """What of the held-out rows is known in training already; a Task looks for the same before it trains.

        The vault stays closed: inputs of test rows are compared, their targets are not looked at.

        Args:
            inputs: Columns that a network would read; None for all that one can read, but for the targets.
            targets: Columns that it would predict: is there an input that gives one of them away?
            group: A column that names persons, patients, scenes: none may stand in two parts.
            time: A column in whose order the parts must lie.
            on_error: Images that cannot be read: "raise" refuses them by name, "skip" leaves their rows out.

        Raises:
            DataError: values that cannot be read.
            UnknownNameError: no such column.
        """
        return check_split(self, inputs, targets, group=group, time=time, on_error=on_error)

    def drift(self, part: Literal["valid", "test"] = "valid", *, leave_out: Sequence[str] = ()) -> Drift:
        """Whether held-out rows look like training rows, and which columns differ; see `longspan.data.leakage.drift`.

        Raises:
            DataError: fewer than 20 rows on either side, or no column that trees can read.
        """
        return find_drift(self, part, leave_out=leave_out)

    def __repr__(self) -> str:
        kind = self.how["kind"]
        by = "at random" if kind == "random" else f"by {kind} {self.how['column']!r}"
        if "group" in self.how:
            by += f" and group {self.how['group']!r}"
        if "gap" in self.how:
            by += f", gap {self.how['gap']}"
        strata = self.how.get("stratify")
        if strata:
            by += f", stratified by {', '.join(map(repr, strata))}"  # type: ignore[arg-type]
        if "left_out" in self.how:
            by += f", {self.how['left_out']} rows left out"
        if "seed" in self.how:
            by += f", seed {self.how['seed']}"
        return f"Split({len(self.train)} train, {len(self.valid)} valid, {len(self.vault)} test in the vault; {by})"

    def _time_folds(self, rows: np.ndarray, folds: int, group: str | None) -> list[Split]:
        if group is not None or "group" in self.how:
            raise SplitError("Folds by time cannot keep groups apart too: an earlier fold would train on few of them.")
        name = str(self.how["column"])
        values = present_values(self.table, name, "time")
        pairs = time_folds(values, name, rows, folds, self.how.get("gap"))  # type: ignore[arg-type]
        return [
            self._with_rows(train, valid, {"fold": fold, "folds": folds})
            for fold, (train, valid) in enumerate(pairs, start=1)
        ]

    def _with_rows(self, train: np.ndarray, valid: np.ndarray, more: dict[str, object]) -> Split:
        """This split's table and vault with other rows outside it."""
        counts = {"train": len(train), "valid": len(valid), "test": len(self.vault)}
        how = {**self.how, **more, "rows": counts}
        return Split(table=self.table, train=train, valid=valid, vault=self.vault, how=how)


def make_split(
    table: Table,
    *,
    valid: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    stratify: str | Sequence[str] | None = "auto",
    time: str | None = None,
    group: str | None = None,
    column: str | Mapping[str, Mapping[str, object]] | None = None,
    gap: Gap | None = None,
) -> Split:
    """Split the rows of `table`; the same arguments give the same split on every machine.

    By default rows are drawn at random, in the same fractions from every class. One of these replaces the draw:

    - `time="date"`: the last rows in time are the test rows, those before them validate. Rows of one moment stay
      together. Numbers, dates and ISO 8601 text have an order in time; other text is refused.
    - `group="patient"`: all rows of one value go to one part; the parts come as near to their sizes as groups allow.
    - `time="date", group="store"`: both, for predicting what comes for stores that training has not seen. Only early
      rows of the training stores train, only later rows of others are held out, and the rest of the rows is left out.
    - `column="part"`: the column says it: "train", "valid" (or "val", "validation"), "test"; or true = valid. Other
      values are named: `column={"fold": {"valid": 3, "test": [4, 5]}}` (the rest trains, unless "train" is named
      too). If the column names no valid (test) rows, they are drawn at random from its training rows.

    Args:
        table: What is split.
        valid: Fraction (below 1) or number (1 or more) of rows that validate; 0 for none. Of no effect when `column`
            names the valid rows.
        test: The same for the vault. With `column`, only allowed if the column names no test rows.
        seed: Another seed draws other rows.
        stratify: A column or columns whose classes are drawn in equal fractions; None for none; "auto": all `Category`
            columns with at least two rows per class on average, the one with fewest classes first. A missing class is
            a class of its own here. At least one row of each class trains; a class's only row in a named column is
            refused.
        time: Column to split by time.
        group: Column to split by group.
        column: Column, or mapping, that names the parts.
        gap: With `time`: rows that lie less than this before the first row of a later part are left out. A number in
            the column's unit, or for dates a length such as "7d", "36h" or a timedelta.

    Raises:
        SplitError: The split cannot be made as asked; the message says which part fails and what would do.
        UnknownNameError: A column that the table does not have.
    """
    ways = {name: way for name, way in (("time", time), ("group", group), ("column", column)) if way is not None}
    if column is not None and len(ways) > 1:
        raise SplitError(f"A split is made in one way, got {' and '.join(f'{k}={v!r}' for k, v in ways.items())}.")
    if gap is not None and time is None:
        raise SplitError(f"gap={gap!r} is for splits by time: name the column with time=.")
    valid, test = checked_fraction("valid", valid), checked_fraction("test", test)
    if not len(table):
        raise SplitError("The table has no rows, so there is nothing to split.")
    if stratify not in ("auto", None) and (time is not None or group is not None):
        raise SplitError(
            f"stratify={stratify!r} is for random splits: by time or by group, rows are not free to be drawn by class."
        )
    how: dict[str, object]
    if time is not None:
        parts, how = _by_time_and_group(table, time, group, valid, test, seed, gap)
    elif group is not None:
        parts = split_by_group(present_values(table, group, "group"), group, valid, test, seed)
        how = {"kind": "group", "column": group, "valid": valid, "test": test, "seed": seed}
    elif column is not None:
        parts, how = split_by_column(table, column, valid, test, seed, stratify)
    else:
        strata = strata_columns(table, stratify)
        parts = split_at_random(table, np.arange(len(table)), valid, test, seed, strata, explicit=stratify != "auto")
        how = {"kind": "random", "valid": valid, "test": test, "seed": seed, "stratify": strata}
    train, valid_rows, test_rows = (np.sort(part).astype(np.int64) for part in parts)
    if not len(train):
        raise SplitError(f"No row is left for training: all {len(table)} rows validate or test.")
    if left_out := len(table) - len(train) - len(valid_rows) - len(test_rows):
        how["left_out"] = left_out
    how["rows"] = {"train": len(train), "valid": len(valid_rows), "test": len(test_rows)}
    return Split(table=table, train=train, valid=valid_rows, vault=Vault(test_rows), how=how)


def _by_time_and_group(
    table: Table, time: str, group: str | None, valid: float, test: float, seed: int, gap: Gap | None
) -> tuple[tuple[np.ndarray, ...], dict[str, object]]:
    """Rows by part, and how they were divided: by time, perhaps with a gap, perhaps by group as well."""
    values = present_values(table, time, "time")
    parts: tuple[np.ndarray, ...] = split_by_time(values, time, valid, test)
    how: dict[str, object] = {"kind": "time", "column": time, "valid": valid, "test": test}
    if group is not None:
        by_group = split_by_group(present_values(table, group, "group"), group, valid, test, seed)
        parts = tuple(np.intersect1d(one, other) for one, other in zip(parts, by_group, strict=True))
        empty = [
            name
            for name, rows, wanted in zip(("training", "validation", "test"), parts, (1, valid, test), strict=True)
            if wanted and not len(rows)
        ]
        if empty:
            raise SplitError(
                f"No row is left for {' and '.join(empty)}: the groups of {group!r} that are held out have no row in "
                f"the stretch of {time!r} that is. Hold out larger fractions, or split by one of the two."
            )
        how |= {"group": group, "seed": seed}
    if gap is not None:
        parts = leave_gaps(values, time, gap, *parts)
        how["gap"] = str(gap) if isinstance(gap, timedelta) else gap
    return parts, how
