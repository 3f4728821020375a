"""What is said of encoded samples before training: classes with one sample, lost objects, texts, contradictions."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from longspan.columns import Category, Column
from longspan.data.batches.samples import Samples
from longspan.data.batches.store import RowStore
from longspan.data.batches.truncation import truncation_of
from longspan.data.table import Table
from longspan.errors import Fault
from longspan.lazy_torch import torch

__all__ = ["notes_on_samples", "single_samples"]

_BATCH = 256
_END_BYTES = 4096


def single_samples(
    table: Table, inputs: Sequence[str], targets: Sequence[str], is_sealed: Callable[[int], bool]
) -> dict[int, Fault]:
    """Rows whose class, in one of the targets, no other row has; the class of a sealed test row is not named."""
    found: dict[int, Fault] = {}
    for name in targets:
        if not isinstance(table.columns[name], Category):
            continue
        for row, cell in _alone(table.frame[name]).items():
            shown = "its class" if is_sealed(row) else f"class {cell!r}"
            what = f"{shown} of {name!r} has one sample, which cannot both train and validate."
            found[row] = Fault(table.where(row, inputs[0]), what, "Add samples, or merge classes.")
    return found


def _alone(cells: pl.Series) -> dict[int, Hashable]:
    """By row the labels that no other row has, unless all rows have one label."""
    if cells.dtype == pl.String or cells.dtype.is_integer():
        single = (cells.is_unique() & cells.is_not_null()).to_numpy()
        several = cells.drop_nulls().n_unique() > 1
        return {row: cells[row] for row in np.flatnonzero(single).tolist()} if several else {}
    labels = cells.to_list()
    counts = Counter(label for label in labels if isinstance(label, Hashable) and label is not None)
    alone = {row: each for row, each in enumerate(labels) if isinstance(each, Hashable) and counts[each] == 1}
    return alone if len(counts) > 1 else {}


def notes_on_samples(
    table: Table,
    samples: Samples,
    inputs: Mapping[str, Column],
    targets: Mapping[str, Column],
    train: torch.Tensor,
    valid: torch.Tensor,
) -> Iterator[str]:
    """Sentences on what training will not see as the table has it, each worth a warning.

    Args:
        table: The table.
        samples: Its encoded rows.
        inputs: Fitted input columns.
        targets: Fitted target columns.
        train: Training rows.
        valid: Validation rows.
    """
    yield from _lost_objects(table, samples, targets, train)
    rows = np.union1d(train.numpy(), valid.numpy())
    yield from _contradictions(table, inputs, targets, rows)
    yield from _contradicting_copies(table, inputs, targets, rows)
    for name, column in inputs.items():
        yield from _odd_values(table, name, column, samples.inputs[name], train)
    parts = {"training rows": train, "validation rows": valid}
    for name, column in inputs.items():
        yield from truncation_of(table, name, column, samples.inputs[name], parts)


def _lost_objects(table: Table, samples: Samples, targets: Mapping[str, Column], train: torch.Tensor) -> Iterator[str]:
    """Objects of the training rows that are too small for the network's images, or cut off."""
    for name, column in targets.items():
        cells = table.frame[name].gather(train.numpy())
        store = samples.targets[name]
        if not isinstance(cells.dtype, pl.List) or column.count_objects(store.read(train[:1])) is None:
            continue
        there = int(cells.list.len().sum() or 0)
        left = sum(column.count_objects(store.read(rows)) or 0 for rows in train.split(_BATCH))
        if left < there:
            yield (
                f"Column {name!r}: {there - left:,} of the {there:,} objects of the training rows are left out: "
                "they are smaller than a pixel in the images that the network sees, or lie where those are cut. "
                "Larger images (size_px=, --size), resize='pad' or tiles keep more of them."
            )


def _odd_values(table: Table, name: str, column: Column, store: RowStore, train: torch.Tensor) -> Iterator[str]:
    """Values of the training rows that are odd, though they are used."""
    if not column.oddity:
        return
    there = train[store.present(train)]
    found = [
        row for rows in there.split(_BATCH) for row, odd in zip(rows, column.odd(store.read(rows)), strict=True) if odd
    ]
    if found:
        yield (
            f"Column {name!r}: in {len(found):,} of the {len(there):,} training rows {column.oddity}. The first is "
            f"{table.where(int(found[0]), name)}."
        )


def _contradictions(
    table: Table, inputs: Mapping[str, Column], targets: Mapping[str, Column], rows: np.ndarray
) -> Iterator[str]:
    """Files that have several labels."""
    for name in inputs:
        cells = table.frame[name]
        if not table.columns[name].in_files or name in table.arrays or cells.dtype != pl.String:
            continue
        for target in targets:
            labels = table.frame[target]
            if not isinstance(table.columns[target], Category):
                continue
            both = pl.DataFrame({"file": cells[rows], "label": labels[rows].cast(pl.String)}).drop_nulls().unique()
            several = both.filter(pl.col("file").is_duplicated()).sort("file", "label")
            if len(several):
                file = several["file"][0]
                found = several.filter(pl.col("file") == file)["label"].to_list()
                yield (
                    f"Column {target!r}: files with several different labels: {several['file'].n_unique():,}, such "
                    f"as {file} as {' and '.join(map(repr, found))}. For several labels of one image: one row with "
                    "a MultiLabel column."
                )


def _contradicting_copies(
    table: Table, inputs: Mapping[str, Column], targets: Mapping[str, Column], rows: np.ndarray
) -> Iterator[str]:
    """Files with the same bytes, under other names, that have different labels."""
    labelled = [name for name in targets if isinstance(table.columns[name], Category)]
    for name in inputs if labelled else ():
        if not table.columns[name].in_files or name in table.arrays or table.frame[name].dtype != pl.String:
            continue
        groups = _same_bytes({row: Path(table.where(row, name)) for row in rows.tolist()})
        for target in labelled:
            labels = table.frame[target]
            known = [[row for row in group if labels[row] is not None] for group in groups]
            found = [group for group in known if len({labels[row] for row in group}) > 1]
            if found:
                first = found[0][0]
                other = next(row for row in found[0] if labels[row] != labels[first])
                have = "files have" if len(found) > 1 else "file has"
                yield (
                    f"Column {target!r}: {len(found):,} {have} a copy with another label, such as "
                    f"{table.where(first, name)} as {labels[first]!r} and {table.where(other, name)} as "
                    f"{labels[other]!r}. Correct the labels, or drop the rows."
                )


def _same_bytes(files: Mapping[int, Path]) -> list[list[int]]:
    """Groups of rows whose files differ in their names alone; of files of one size the ends are compared first."""
    groups = [list(files)]
    for key in (_size, _end, _digest):
        parted: dict[object, list[int]] = {}
        for place, group in enumerate(groups):
            for row in group:
                if (found := key(files[row])) is not None:
                    parted.setdefault((place, found), []).append(row)
        groups = [group for group in parted.values() if len({files[row] for row in group}) > 1]
    return groups


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None  # reported when it is read


def _end(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _END_BYTES))
            return file.read()
    except OSError:
        return None


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
