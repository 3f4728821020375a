"""Encoded rows and the batches they come in: which rows, in which order, with which draws, is a function."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, final

import numpy as np

from longspan.columns import Column
from longspan.columns.augmentation import DrawnParams
from longspan.columns.ragged import take_rows
from longspan.data.batches.ahead import in_order
from longspan.data.batches.build import build_store
from longspan.data.batches.context import context_for
from longspan.data.batches.order import split_evenly
from longspan.data.batches.store import RowStore
from longspan.data.table_view import TableView
from longspan.errors import Fault
from longspan.lazy_torch import torch

__all__ = ["Batch", "Samples", "encode_rows"]

_READERS = 4  # threads that read batches ahead
_READ_BYTES = 1 << 18  # of several small batches that are read together


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """B encoded rows."""

    rows: torch.Tensor
    """`(B,)` int64 row numbers."""
    inputs: dict[str, Any]
    """As `Column.collate` gives them: tensors of B rows, or `Ragged`."""
    targets: dict[str, Any]
    """Likewise."""
    present: dict[str, torch.Tensor]
    """By target `(B,)` bool: which rows have a value; the others hold zeros."""
    augment_params: Mapping[str, DrawnParams] = field(default_factory=dict)
    """What was drawn for the rows, by input, and by target for targets that lie in an input."""

    def __len__(self) -> int:
        return len(self.rows)

    def params(self, name: str) -> DrawnParams | None:
        """How the rows of this input or target are changed by augmentation, for `Column.prepare`; None: not at all."""
        return self.augment_params.get(name)

    def to(self, device: torch.device) -> Batch:
        """The same batch where it trains; images move as bytes."""
        if device.type == "cpu":
            return self
        moved = [
            {name: value.to(device, non_blocking=True) for name, value in part.items()}
            for part in (self.inputs, self.targets, self.present)
        ]
        return Batch(self.rows, *moved, augment_params=_each_once(self.augment_params, lambda p: p.to(device)))

    def take(self, rows: slice) -> Batch:
        """Some rows of the batch."""
        parts = (self.inputs, self.targets, self.present)
        taken = [{name: take_rows(value, rows) for name, value in part.items()} for part in parts]
        return Batch(self.rows[rows], *taken, augment_params=_each_once(self.augment_params, lambda p: p.take(rows)))


def _each_once(
    params: Mapping[str, DrawnParams], change: Callable[[DrawnParams], DrawnParams]
) -> dict[str, DrawnParams]:
    """What `change` makes of each; a target has the very same parameters as the input that it lies in."""
    changed = {id(each): change(each) for each in params.values()}
    return {name: changed[id(each)] for name, each in params.items()}


@final
class Samples:
    """Encoded inputs and targets of rows of a table.

    What is not in memory is read ahead of the training, by threads and in the same order.
    """

    def __init__(
        self, inputs: Mapping[str, RowStore], targets: Mapping[str, RowStore], contexts: Mapping[str, str] | None = None
    ) -> None:
        """Wrap the stores; `encode_rows` makes them.

        Args:
            inputs: By name.
            targets: By name.
            contexts: For targets that lie in an input and follow its augmentation, the name of that input.
        """
        self.inputs = dict(inputs)
        self.targets = dict(targets)
        self.contexts = dict(contexts or {})

    def faults(self) -> dict[int, Fault]:
        """Rows with values that could not be read, and every reason."""
        found: dict[int, Fault] = {}
        for store in (*self.inputs.values(), *self.targets.values()):
            for row, fault in store.faults.items():
                first = found.get(row)
                found[row] = fault if first is None else Fault(first.where, f"{first.what}; and {fault!r}")
        return dict(sorted(found.items()))

    def batches(
        self,
        rows: torch.Tensor,
        batch_size: int,
        *,
        augment_params: Mapping[str, DrawnParams] | None = None,
        first: int = 0,
        own: Callable[[int], slice] | None = None,
    ) -> Iterator[Batch]:
        """`rows` in their order, in batches of equal size, give or take one; from batch number `first` on.

        Equal sizes: a last batch of two or three rows would weigh as much as a full one and upset batch statistics.

        Args:
            rows: `(N,)` row numbers.
            batch_size: Rows of a batch at most.
            augment_params: By input what was drawn for all `rows`, in the same order; see `epoch_augment_params`.
            first: Number of the batch to begin with.
            own: From the size of a batch to the rows of it that are read, where other processes read the others.
        """
        drawn = dict(augment_params or {})
        drawn |= {target: drawn[name] for target, name in self.contexts.items() if name in drawn}
        parts = split_evenly(rows, batch_size)
        starts = np.cumsum([0, *map(len, parts)]).tolist()
        together = self._batches_together(batch_size) if own is None else 1

        def read(number: int) -> list[Batch]:
            numbers = range(number, min(number + together, len(parts)))
            begin, end = starts[number], starts[numbers[-1] + 1]
            if own is not None:
                chosen = own(end - begin)
                begin, end = begin + chosen.start, begin + chosen.stop
            part = rows[begin:end]
            several = Batch(
                part,
                {name: store.read(part) for name, store in self.inputs.items()},
                {name: store.read(part) for name, store in self.targets.items()},
                {name: store.present(part) for name, store in self.targets.items()},
                augment_params=_each_once(drawn, lambda params: params.take(slice(begin, end))),
            )
            if together == 1:
                return [several]
            return [several.take(slice(starts[each] - begin, starts[each + 1] - begin)) for each in numbers]

        numbers = range(first, len(parts), together)
        if all(store.in_memory for store in (*self.inputs.values(), *self.targets.values())):
            return chain.from_iterable(map(read, numbers))
        workers = min(_READERS, os.cpu_count() or 1)
        return chain.from_iterable(in_order(read, numbers, workers=workers, ahead=workers))

    def _batches_together(self, batch_size: int) -> int:
        """How many batches are read at once, as few bytes a row cost more to look up than to copy."""
        sizes = [store.row_bytes for store in (*self.inputs.values(), *self.targets.values())]
        known = [size for size in sizes if size is not None]
        return 1 if len(known) < len(sizes) else max(_READ_BYTES // max(sum(known) * batch_size, 1), 1)

    @property
    def block_rows(self) -> int | None:
        """How many rows a block has, of inputs and targets that are read in blocks; None where there are none."""
        found = [each.block_rows for each in (*self.inputs.values(), *self.targets.values())]
        return min((each for each in found if each is not None), default=None)

    def lengths(self, rows: torch.Tensor) -> torch.Tensor | None:
        """`(N,)` int64: steps of all ragged inputs of these rows together; None where no input is ragged."""
        counts = [each for store in self.inputs.values() if (each := store.lengths(rows)) is not None]
        return sum(counts[1:], counts[0]) if counts else None

    def by_length(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`rows`, the shortest first, so that batches of them hold little padding, and what undoes that.

        Returns:
            `(N,)` row numbers, and `(N,)` where each of `rows` is among them; None where no input is ragged, for then
            the rows are in their own order.
        """
        lengths = self.lengths(rows)
        if lengths is None:
            return rows, None
        order = lengths.argsort(stable=True)
        return rows[order], order.argsort()


def encode_rows(
    table: TableView,
    rows: np.ndarray,
    inputs: Mapping[str, Column],
    targets: Mapping[str, Column],
    *,
    cache_gb: float = 4.0,
    disk_cache_gb: float = math.inf,
    progress: Callable[[int], None] | None = None,
) -> Samples:
    """Encode these rows with fitted columns. A missing target is a missing value, a missing input a fault or a value.

    A target that lies in an input, such as a mask in an image, is encoded as that input lies in its frame.

    Args:
        table: Where the values are.
        rows: Row numbers, int64.
        inputs: Fitted columns by name.
        targets: Fitted columns by name.
        cache_gb: Encoded values of a column up to this size stay in memory, larger ones in a file in the cache folder.
        disk_cache_gb: Larger ones than this, or than the disk has room for, are read again whenever they are needed.
        progress: Called with the number of values read since the last call.
    """
    contexts = {name: context_for(column, inputs) for name, column in targets.items()}

    def build(name: str, column: Column, *, as_input: bool) -> RowStore:
        return build_store(
            table, name, column, rows, memory_bytes=int(cache_gb * 2**30), disk_bytes=disk_cache_gb * 2**30,
            context=None if as_input else contexts[name], as_input=as_input, progress=progress,
        )  # fmt: skip

    samples = Samples(
        {name: build(name, column, as_input=True) for name, column in inputs.items()},
        {name: build(name, column, as_input=False) for name, column in targets.items()},
        {name: context[0] for name, context in contexts.items() if context is not None},
    )
    for name, store in samples.inputs.items():
        for row in rows[~store.present(torch.from_numpy(rows)).numpy()]:
            store.faults.setdefault(int(row), Fault(table.where(int(row), name), "the input is missing"))
    return samples
