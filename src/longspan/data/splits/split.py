"""Which rows train, which validate, which lie in the vault: at random, by time, by group, or by a column."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

import numpy as np
import torch

from longspan.data.leakage.leak_check import check_split
from longspan.data.leakage.leaks import Leaks
from longspan.data.splits.column_values import check_known, class_ids, class_of, present_values, values_of
from longspan.data.splits.folds import fold_numbers
from longspan.data.splits.split_column import PARTS, part_of_value, read_naming
from longspan.data.splits.split_sizes import checked_fraction, counts_of
from longspan.data.splits.timestamps import moments_of
from longspan.data.splits.vault import Vault
from longspan.errors import SplitError
from longspan.randomness import uniform

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

        Args:
            folds: How many.
            group: A column no value of which may stand in two folds; by default that of a split by group.

        Raises:
            SplitError: a split by time, or fewer rows or groups than folds.
        """
        if self.how["kind"] == "time":
            raise SplitError("A split by time has no folds: training would then know what comes after it.")
        if group is None and self.how["kind"] == "group":
            group = str(self.how["column"])
        strata = self.how.get("stratify")
        names = list(strata) if isinstance(strata, list | tuple) else _strata_columns(self.table, "auto")
        rows = np.union1d(self.train, self.valid)
        seed = int(self.how.get("seed", 0))  # type: ignore[call-overload]
        numbers = fold_numbers(self.table, rows, folds, seed=seed, strata=names, group=group)
        found = []
        for fold in range(folds):
            train, valid = rows[numbers != fold], rows[numbers == fold]
            counts = {"train": len(train), "valid": len(valid), "test": len(self.vault)}
            how = {**self.how, "fold": fold + 1, "folds": folds, "stratify": names, "rows": counts}
            if group is not None:
                how["fold_group"] = group
            found.append(Split(table=self.table, train=train, valid=valid, vault=self.vault, how=how))
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

    def __repr__(self) -> str:
        kind = self.how["kind"]
        by = "at random" if kind == "random" else f"by {kind} {self.how['column']!r}"
        strata = self.how.get("stratify")
        if strata:
            by += f", stratified by {', '.join(map(repr, strata))}"  # type: ignore[arg-type]
        if "seed" in self.how:
            by += f", seed {self.how['seed']}"
        return f"Split({len(self.train)} train, {len(self.valid)} valid, {len(self.vault)} test in the vault; {by})"


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
) -> Split:
    """Split the rows of `table`; the same arguments give the same split on every machine.

    By default rows are drawn at random, in the same fractions from every class. At most one of these replaces the draw:

    - `time="date"`: the last rows in time are the test rows, those before them validate. Rows of one moment stay
      together. Numbers, dates and ISO 8601 text have an order in time; other text is refused.
    - `group="patient"`: all rows of one value go to one part; the parts come as near to their sizes as groups allow.
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

    Raises:
        SplitError: The split cannot be made as asked; the message says which part fails and what would do.
        UnknownNameError: A column that the table does not have.
    """
    ways = {name: way for name, way in (("time", time), ("group", group), ("column", column)) if way is not None}
    if len(ways) > 1:
        raise SplitError(f"A split is made in one way, got {' and '.join(f'{k}={v!r}' for k, v in ways.items())}.")
    valid, test = checked_fraction("valid", valid), checked_fraction("test", test)
    if not len(table):
        raise SplitError("The table has no rows, so there is nothing to split.")
    if stratify not in ("auto", None) and (time is not None or group is not None):
        raise SplitError(
            f"stratify={stratify!r} is for random splits: by time or by group, rows are not free to be drawn by class."
        )
    how: dict[str, object]
    if time is not None:
        parts = _by_time(present_values(table, time, "time"), time, valid, test)
        how = {"kind": "time", "column": time, "valid": valid, "test": test}
    elif group is not None:
        parts = _by_group(present_values(table, group, "group"), group, valid, test, seed)
        how = {"kind": "group", "column": group, "valid": valid, "test": test, "seed": seed}
    elif column is not None:
        parts, how = _by_column(table, column, valid, test, seed, stratify)
    else:
        strata = _strata_columns(table, stratify)
        parts = _at_random(table, np.arange(len(table)), valid, test, seed, strata, explicit=stratify != "auto")
        how = {"kind": "random", "valid": valid, "test": test, "seed": seed, "stratify": strata}
    train, valid_rows, test_rows = (np.sort(part).astype(np.int64) for part in parts)
    if not len(train):
        raise SplitError(f"No row is left to train on: all {len(table)} rows validate or test.")
    how["rows"] = {"train": len(train), "valid": len(valid_rows), "test": len(test_rows)}
    return Split(table=table, train=train, valid=valid_rows, vault=Vault(test_rows), how=how)


def _at_random(
    table: Table,
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
                f"row {row}: {value!r}"
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


def _by_time(values: list[object], name: str, valid: float, test: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Earliest rows train, later ones validate, the last test; borders lie between two different moments."""
    moments = moments_of(values, name)
    try:
        distinct = sorted(set(moments))  # type: ignore[type-var]
    except TypeError as error:
        raise SplitError(
            f"Column {name!r} cannot be put in order ({error}). A time column holds numbers, dates or ISO 8601 text, "
            "all of one sort."
        ) from error
    rank = {moment: i for i, moment in enumerate(distinct)}
    ranks = np.fromiter((rank[moment] for moment in moments), dtype=np.int64, count=len(moments))
    num_valid, num_test = counts_of(len(values), valid, test)
    needed = 1 + (num_valid > 0) + (num_test > 0)
    if len(distinct) < needed:
        raise SplitError(f"Column {name!r} has {len(distinct)} different moments; {needed} parts need {needed}.")
    # ends[k]: rows up to and with moment k, the only places a border may be.
    ends = np.cumsum(np.bincount(ranks, minlength=len(distinct)))
    last = len(distinct)
    first_test = last
    if num_test:
        lowest = 2 if num_valid else 1
        first_test = lowest + int(np.abs(ends[lowest - 1 : last - 1] - (len(values) - num_test)).argmin())
    first_valid = first_test
    if num_valid:
        border = int(ends[first_test - 1]) - num_valid
        first_valid = 1 + int(np.abs(ends[: first_test - 1] - border).argmin())
    return (
        np.flatnonzero(ranks < first_valid),
        np.flatnonzero((ranks >= first_valid) & (ranks < first_test)),
        np.flatnonzero(ranks >= first_test),
    )


def _by_group(
    values: list[object], name: str, valid: float, test: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole groups, walked through in drawn order: one joins a part if that brings the part nearer to its fraction."""
    ids, groups = class_ids(values)
    num_valid, num_test = counts_of(len(values), valid, test)
    needed = 1 + (num_valid > 0) + (num_test > 0)
    if len(groups) < max(2, needed):
        raise SplitError(
            f"Column {name!r} has {len(groups)} {'group' if len(groups) == 1 else 'groups'} "
            f"({', '.join(map(repr, groups[:3]))}); a split into {needed} parts needs at least {max(2, needed)}."
        )
    sizes = np.bincount(ids)
    draws = uniform(seed, "split-group", 0, torch.arange(len(groups)), 1)[:, 0].numpy()
    waiting = np.argsort(draws, kind="stable").tolist()
    part_of = np.zeros(len(groups), dtype=np.int8)
    for part, target, later in ((2, num_test, 1 + (num_valid > 0)), (1, num_valid, 1)):
        if not target:
            continue
        size, taken = 0, []
        for group in waiting:
            if len(waiting) - len(taken) > later and abs(size + sizes[group] - target) < abs(size - target):
                taken.append(group)
                size += int(sizes[group])
        taken = taken or [min(waiting, key=lambda group: sizes[group])]
        part_of[taken] = part
        waiting = [group for group in waiting if group not in set(taken)]
    parts = part_of[ids]
    return np.flatnonzero(parts == 0), np.flatnonzero(parts == 1), np.flatnonzero(parts == 2)


def _by_column(
    table: Table,
    column: str | Mapping[str, Mapping[str, object]],
    valid: float,
    test: float,
    seed: int,
    stratify: str | Sequence[str] | None,
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], dict[str, object]]:
    """Rows by the part that a column names; parts it does not name are drawn from its training rows."""
    naming: dict[str, list[object]] | None = None
    if isinstance(column, str):
        name = column
    else:
        name, naming = read_naming(column)
    values = present_values(table, name, "split")
    part_of = {value: part_of_value(value, naming, name) for value in set(values)}
    rows = {part: np.flatnonzero([part_of[value] == part for value in values]) for part in PARTS}
    for part, wanted in (naming or {}).items():
        if not len(rows[part]):
            there = ", ".join(map(repr, class_ids(values)[1][:10]))
            raise SplitError(
                f"Column {name!r} has no row with any of {wanted!r}, so the {part} part is empty. It holds {there}."
            )
    how: dict[str, object] = {"kind": "column", "column": name}
    if naming is not None:
        how["values"] = {
            part: [value if isinstance(value, (str, int, float)) else str(value) for value in wanted]
            for part, wanted in naming.items()
        }
    if len(rows["test"]) and test:
        raise SplitError(f"Column {name!r} names {len(rows['test'])} test rows; test={test} would draw others.")
    draw_valid = 0 if len(rows["valid"]) else valid
    draw_test = 0 if len(rows["test"]) else test
    if draw_valid or draw_test:
        strata = _strata_columns(table, stratify, except_for=name)
        explicit = stratify != "auto"
        train, drawn_valid, drawn_test = _at_random(
            table, rows["train"], draw_valid, draw_test, seed, strata, explicit=explicit
        )
        rows["train"] = train
        if draw_valid:
            rows["valid"] = drawn_valid
        if draw_test:
            rows["test"] = drawn_test
        drawn = {part: fraction for part, fraction in (("valid", draw_valid), ("test", draw_test)) if fraction}
        how |= {"drawn": drawn, "seed": seed, "stratify": strata}
    return (rows["train"], rows["valid"], rows["test"]), how


def _strata_columns(table: Table, stratify: str | Sequence[str] | None, *, except_for: str = "") -> list[str]:
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
