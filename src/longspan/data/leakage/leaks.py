"""What of the held-out rows, or of their targets, is known in training already: found before the first step.

- Samples that stand on both sides of a split: identical images or rows, near-identical and mirrored images, texts
  that differ in a few words (`alike_images`, `equal_rows`, `alike_texts`).
- Groups parted by the split, and parts that overlap in time, by columns that a person names (`column_leaks`).
- Inputs that give the target away (`target_leaks`).

What is certain is refused. What a person has to judge is reported, as notes: a column that looks like a group, an input
that predicts suspiciously well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl

from longspan.columns import Column
from longspan.data.batches.store import RowStore
from longspan.data.leakage.column_leaks import ColumnLeak, group_leak, suggested_groups, time_leak
from longspan.data.leakage.exact_duplicates import ScannedCells, equal_rows
from longspan.data.leakage.near_duplicates import ImageStore, Kind, alike_images
from longspan.data.leakage.near_recordings import FingerprintStore
from longspan.data.leakage.near_texts import alike_texts
from longspan.data.leakage.target_leakage import target_leaks
from longspan.data.scanned_rows import ScannedRows
from longspan.data.table_view import SplitView, TableView
from longspan.errors import LeakError
from longspan.lazy_torch import torch

__all__ = ["Compared", "Leak", "Leaks", "compared", "find_leaks", "parts_of"]

_RANKS = {"train": 0, "valid": 1, "test": 2}
_CURES = {
    "group": "Keep each group in one part: split(group={column!r}) (--split-by group:{column}).",
    "time": "Let the past train and the future test: split(time={column!r}) (--split-by time:{column}).",
    "target": "Leave {column!r} out of the inputs, unless it is known before the target is.",
}


@final
@dataclass(frozen=True, slots=True)
class Leak:
    """Two rows of different parts that hold the same sample, or nearly so."""

    row: int
    part: str
    other_row: int
    other_part: str
    kind: Kind
    name: str
    """What a person calls the first row: its file, or table and row number."""
    other_name: str
    column: str = ""
    """The image that is alike; empty where all inputs of the rows are equal."""

    def __str__(self) -> str:
        return f"{self.name} ({self.part}) and {self.other_name} ({self.other_part}): {self.kind}"


@final
@dataclass(frozen=True, slots=True)
class Leaks:
    """All leaks of a split, identical pairs first; empty and false if nothing is certain."""

    pairs: tuple[Leak, ...]
    """The same sample in two parts."""
    columns: tuple[ColumnLeak, ...] = ()
    """Groups in several parts, parts that overlap in time, inputs that give the target away."""
    notes: tuple[ColumnLeak, ...] = ()
    """What may be one of these, for a person to judge; nothing is refused for it."""

    def __len__(self) -> int:
        return len(self.pairs) + len(self.columns)

    def __iter__(self) -> Iterator[Leak | ColumnLeak]:
        yield from self.pairs
        yield from self.columns

    def __repr__(self) -> str:
        found = [f"{count} {kind} {parts}" for parts, kind, count in self.counts()]
        found += [f"{leak.kind} {leak.column!r}" for leak in self.columns]
        return f"Leaks({', '.join(found) or 'none'})"

    def counts(self) -> list[tuple[str, str, int]]:
        """Two parts ("train/test"), kind of pair, and how many there are."""
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for leak in self.pairs:
            counts[f"{leak.part}/{leak.other_part}", leak.kind] += 1
        return [(parts, kind, count) for (parts, kind), count in counts.items()]

    def to_json(self) -> dict[str, object]:
        """What model files and reports keep: pairs per two parts and kind, columns and notes in sentences.

        Such as `{"pairs": {"train/test": {"identical": 3}}, "columns": [...], "notes": [...]}`.
        """
        pairs: dict[str, dict[str, int]] = {}
        for parts, kind, count in self.counts():
            pairs.setdefault(parts, {})[kind] = count
        return {"pairs": pairs, "columns": [leak.what for leak in self.columns], "notes": [n.what for n in self.notes]}

    def summary(self) -> str:
        """One line: how many of what."""
        if not len(self):
            return "nothing of the held-out rows was found in training"
        several = {"group": "groups parted by", "time": "time order broken by", "target": "the target given away by"}
        found = [f"{count} {kind} between {parts}" for parts, kind, count in self.counts()]
        return ", ".join([*found, *(f"{several[leak.kind]} {leak.column!r}" for leak in self.columns)])

    def message(self, shown: int = 10) -> str:
        """What is certain: the pairs by name, the first `shown` of them, the columns, and the cures."""
        if not len(self):
            return f"{self.summary().capitalize()}."
        lines = []
        if self.pairs:
            counts = ", ".join(f"{count} {kind} between {parts}" for parts, kind, count in self.counts())
            lines.append(f"Samples on both sides of the split, so metrics would be too good ({counts}):")
            lines += [f"  {leak}" for leak in self.pairs[:shown]]
            if len(self.pairs) > shown:
                lines.append(f"  ... and {len(self.pairs) - shown} more")
            lines.append(
                "Let the held-out copies train instead with move_leaks=True (--leaks move), keep such rows together "
                "with split(group=...), or drop them."
            )
        if self.columns:
            lines.append("Columns that would make metrics too good:")
            lines += [f"  {leak}. {_CURES[leak.kind].format(column=leak.column)}" for leak in self.columns]
        lines.append("allow_leaks=True (--leaks allow) trains all the same, and the model file says so.")
        return "\n".join(lines)

    def refuse(self) -> None:
        """Raise LeakError with `message()` if there is any leak."""
        if len(self):
            raise LeakError(self.message())


def parts_of(split: SplitView) -> dict[str, np.ndarray]:
    """Row numbers of the parts that have any, test rows among them: for looking for leaks, and nothing else."""
    parts = {"train": split.train, "valid": split.valid, "test": split.vault.rows_for_leak_check()}
    return {part: rows for part, rows in parts.items() if len(rows)}


Compared = ImageStore | FingerprintStore


def compared(store: RowStore, column: Column) -> Compared:
    """Encoded values as they are compared: images as they are, others by their fingerprints."""
    return FingerprintStore(store, column) if column.has_fingerprints else store


def find_leaks(
    split: SplitView,
    images: Mapping[str, Compared] | None = None,
    *,
    inputs: Sequence[str] = (),
    targets: Sequence[str] = (),
    group: str | None = None,
    time: str | None = None,
    name: Callable[[int, str], str] | None = None,
) -> Leaks:
    """Look for the same sample in two parts of a split, and for columns that say too much.

    Args:
        split: The parts. Test rows are compared without opening the vault: nothing is learned from them, and their
            targets are not looked at.
        images: The inputs that are images or recordings, by name and by row of the split's table. A sample is a copy
            if one of them is; but an image that many rows share, a pattern to compare with, says nothing by itself.
        inputs: Names of all inputs. Without images, rows whose inputs are all equal are copies, unless chance
            explains it (see `equal_rows`). Of several, all but images are tested as target leaks.
        targets: Names of the targets; only those of training rows are read.
        group: A column that names persons, patients, scenes: none may stand in two parts. That of a split by group if
            None.
        time: A column in whose order the parts must lie. That of a split by time if None.
        name: What a person calls a row, given the column that is alike; by default its file, else its number.

    Raises:
        UnknownNameError: a column that the table does not have.
        SplitError: `time` has no order.
    """
    table, parts = split.table, parts_of(split)
    given = list(inputs)
    inputs = [each for name in inputs for each in (table.columns[name].sources or (name,))]
    name = name or (lambda row, column: table.where(row, column) if column in table.columns else table.row_name(row))
    part_of = np.full(len(table), "", dtype="<U5")
    for part, rows in parts.items():
        part_of[rows] = part
    every = np.concatenate(list(parts.values()))
    images = {key: store for key, store in (images or {}).items() if store.present(torch.from_numpy(every)).any()}
    found: dict[tuple[int, int], tuple[Kind, str]] = {}
    if images:
        found = _alike(images, parts, part_of)
    elif inputs:
        for equal in equal_rows(_compared_cells(table, given), every):
            found |= dict.fromkeys(_across(equal, part_of), ("identical", ""))
        found = {**_alike_texts(table, inputs, parts, part_of), **found}
    order = sorted(found, key=lambda pair: (found[pair][0], part_of[pair[0]] != "train", pair))
    pairs = []
    for one, other in order:
        kind, column = found[one, other]
        parts_here = (str(part_of[one]), str(part_of[other]))
        pairs.append(
            Leak(one, parts_here[0], other, parts_here[1], kind, name(one, column), name(other, column), column)
        )
    how = split.how
    group = group if group is not None or how["kind"] != "group" else str(how["column"])
    time = time if time is not None or how["kind"] != "time" else str(how["column"])
    judged: list[ColumnLeak | None] = [
        None if group is None else group_leak(split, parts, group),
        None if time is None else time_leak(split, parts, time),
        *target_leaks(table, split.train, inputs, targets),
        *suggested_groups(split, parts, {*targets, group, time, how.get("column")}),
    ]
    columns = tuple(leak for leak in judged if leak is not None and leak.certain)
    return Leaks(tuple(pairs), columns, tuple(leak for leak in judged if leak is not None and not leak.certain))


def _compared_cells(table: TableView, inputs: Sequence[str]) -> pl.DataFrame | ScannedCells:
    """The cells of all inputs, those of features one by one; where one stays in a file, read when they are needed."""
    scanned = [name for name in inputs if isinstance(table.arrays.get(name), ScannedRows)]
    others = [name for name in inputs if name not in scanned]
    sources = [each for name in others for each in (table.columns[name].sources or (name,))]
    if not scanned:
        return table.frame.select(sources)
    rows = {name: held for name in scanned if isinstance(held := table.arrays[name], ScannedRows)}
    return ScannedCells(rows, table.frame.select(*scanned, *sources))


def _alike(
    images: Mapping[str, Compared], parts: Mapping[str, np.ndarray], part_of: np.ndarray
) -> dict[tuple[int, int], tuple[Kind, str]]:
    """Pairs of rows of which an image is a copy, and which; an image that many rows share does not count alone."""
    found: dict[str, dict[tuple[int, int], Kind]] = {}
    shared: dict[str, set[int]] = {}
    many = max(5, len(part_of) // 1000)
    for column, store in images.items():
        alike = store.alike(parts) if isinstance(store, FingerprintStore) else alike_images(store, parts)
        found[column] = dict(alike.pairs)
        for equal in alike.equal:
            found[column] |= dict.fromkeys(_across(equal, part_of), "identical")
        shared[column] = {row for equal in alike.equal if len(equal) > many for row in equal}
    kept: dict[tuple[int, int], tuple[Kind, str]] = {}
    for column, pairs in found.items():
        for pair, kind in pairs.items():
            alone = len(images) == 1 or not shared[column] >= set(pair)
            if alone or all(pair in found[other] for other in images):
                kept.setdefault(pair, (kind, column))
    return kept


def _alike_texts(
    table: TableView, inputs: Sequence[str], parts: Mapping[str, np.ndarray], part_of: np.ndarray
) -> dict[tuple[int, int], tuple[Kind, str]]:
    """Pairs of rows whose texts are copies, in every column of texts."""
    found: list[dict[tuple[int, int], Kind]] = []
    every = np.concatenate(list(parts.values()))
    names = []
    for name in inputs:
        if name not in table.columns or name not in table.frame.columns:
            continue
        texts = table.columns[name].comparable(table.frame[name].gather(every))
        if texts is None:
            continue
        names.append(name)
        alike = alike_texts(dict(zip(every.tolist(), texts, strict=True)), parts)
        pairs = dict(alike.pairs)
        for equal in alike.equal:
            pairs |= dict.fromkeys(_across(equal, part_of), "identical")
        found.append(pairs)
    if not found:
        return {}
    return {pair: (kind, "") for pair, kind in found[0].items() if all(pair in other for other in found[1:])}


def _across(group: list[int], part_of: np.ndarray) -> list[tuple[int, int]]:
    """Each later row of a group of equals, paired with the group's first row of each other part.

    Not every row with every row: a thousand black images are a thousand leaks, not a million.
    """
    firsts: dict[str, int] = {}
    for row in group:
        firsts.setdefault(part_of[row], row)
    pairs = []
    for row in group:
        part = part_of[row]
        pairs += [(first, row) for other, first in firsts.items() if _RANKS[other] < _RANKS[part]]
    return pairs
