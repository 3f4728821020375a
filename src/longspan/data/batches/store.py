"""Encoded values of some rows of one column: in memory, in a memory-mapped file, or encoded when they are read."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any, final

import numpy as np

from longspan.columns.ragged import Ragged, take_rows
from longspan.data.batches.encoder import Encoder
from longspan.errors import DataError, Fault
from longspan.lazy_torch import torch

__all__ = ["BLOCK_ROWS", "BlockStore", "RaggedStore", "RowStore", "Store", "StreamedStore"]

BLOCK_ROWS = 1 << 16
"""Rows that lie together on the disk and are read together."""
_KEPT_BLOCKS = 16
"""Encoded blocks that stay in memory: twice those among which an epoch's order is shuffled."""


class RowStore(ABC):
    """Gives batches of encoded values by row number, as `Column.collate` puts them together."""

    in_memory: bool
    """Whether reading is quick; if not, batches are read ahead by threads."""
    row_bytes: int | None = None
    """Bytes of a row's value where reading many rows at once costs no more than reading them apart; else None."""
    block_rows: int | None = None
    """How many consecutive rows should train at about the same time, because they are read together; None: any may."""

    def __init__(self, slots: np.ndarray, faults: dict[int, Fault]) -> None:
        """Set what every kind of store has.

        Args:
            slots: `(len(table),)` int64: number of the entry that holds a row's value; -1 where it is missing or bad.
            faults: Rows whose value could not be read, and why.
        """
        self.slots = torch.from_numpy(slots)
        self.faults = faults

    @abstractmethod
    def read(self, rows: torch.Tensor) -> Any:
        """Values of these rows: `(B, *shape)`, zeros where missing; or `Ragged`, of no length where missing."""

    @abstractmethod
    def lengths(self, rows: torch.Tensor) -> torch.Tensor | None:
        """`(B,)` int64: lengths of the values of these rows; None for values of one shape."""

    @final
    def present(self, rows: torch.Tensor) -> torch.Tensor:
        """`(B,)` bool: which of these rows have a value."""
        return self.slots[rows] >= 0


@final
class Store(RowStore):
    """Values of one shape."""

    def __init__(self, values: torch.Tensor, slots: np.ndarray, faults: dict[int, Fault]) -> None:
        """Wrap encoded values.

        Args:
            values: `(S, *shape)`, one for each entry.
            slots: See `RowStore`.
            faults: See `RowStore`.
        """
        super().__init__(slots, faults)
        self.values = values
        self.in_memory = True
        self.row_bytes = values.element_size() * math.prod(values.shape[1:])

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Values of these rows, `(B, *shape)`; zeros where a value is missing."""
        slots = self.slots[rows]
        if not len(self.values):  # no row at all has a value
            return self.values.new_zeros((len(rows), *self.values.shape[1:]))
        batch = self.values[slots.clamp_min(0)]
        absent = slots < 0
        if absent.any():
            batch[absent] = 0
        return batch

    def lengths(self, rows: torch.Tensor) -> None:
        """None: all values have one shape."""
        del rows


@final
class RaggedStore(RowStore):
    """Values of several lengths, one after the other."""

    def __init__(
        self,
        values: torch.Tensor,
        offsets: torch.Tensor,
        slots: np.ndarray,
        faults: dict[int, Fault],
        *,
        padding: float = 0,
    ) -> None:
        """Wrap encoded values.

        Args:
            values: `(total, *shape)`, the steps of all entries in order.
            offsets: `(S + 1,)` int64: where each entry begins; the last is `total`.
            slots: See `RowStore`.
            faults: See `RowStore`.
            padding: Stands after the end of the shorter values of a batch.
        """
        super().__init__(slots, faults)
        self.values = values
        self.offsets = offsets
        self.padding = padding
        self.in_memory = True

    def read(self, rows: torch.Tensor) -> Ragged:
        """Values of these rows, padded to the longest of them."""
        lengths, starts = self.lengths(rows), self.offsets[self.slots[rows].clamp_min(0)]
        if not len(rows):
            return Ragged(self.values.new_empty(0, 0, *self.values.shape[1:]), lengths)
        # Slices, not places: a recording has many thousands of steps that lie together.
        parts = [
            self.values[start : start + length] for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
        ]
        return Ragged(torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=self.padding), lengths)

    def lengths(self, rows: torch.Tensor) -> torch.Tensor:
        """`(B,)` int64; 0 where a value is missing."""
        slots = self.slots[rows]
        known = slots.clamp_min(0)
        return torch.where(slots < 0, 0, self.offsets[known + 1] - self.offsets[known])


@final
class StreamedStore(RowStore):
    """Values that are encoded whenever they are read, for what fits neither in memory nor on the disk."""

    def __init__(
        self, encoder: Encoder, slots: np.ndarray, faults: dict[int, Fault], lengths: torch.Tensor | None
    ) -> None:
        """Wrap an encoder whose entries have all been read once.

        Args:
            encoder: Makes the values.
            slots: See `RowStore`.
            faults: See `RowStore`.
            lengths: `(S,)` int64 of a ragged column, else None.
        """
        super().__init__(slots, faults)
        self.encoder = encoder
        self.in_memory = False
        self._lengths = lengths

    def read(self, rows: torch.Tensor) -> Any:
        """Values of these rows, encoded now.

        Raises:
            DataError: a value that could be read before cannot be read any more.
        """
        column = self.encoder.column
        shape = (0, *column.shape) if column.ragged else column.shape
        absent = torch.from_numpy(np.zeros(shape, column.dtype))
        values = [self._encoded(slot) if slot >= 0 else absent for slot in self.slots[rows].tolist()]
        return column.collate(values) if values else take_rows(column.collate([absent]), slice(0, 0))

    def lengths(self, rows: torch.Tensor) -> torch.Tensor | None:
        """`(B,)` int64, 0 where a value is missing; None for values of one shape."""
        if self._lengths is None:
            return None
        slots = self.slots[rows]
        return torch.where(slots < 0, 0, self._lengths[slots.clamp_min(0)])

    def _encoded(self, entry: int) -> torch.Tensor:
        try:
            return torch.from_numpy(np.array(self.encoder.encode(entry)))
        except ValueError as error:
            raise DataError(
                f"{self.encoder.where(entry)}: {error}. It could be read before training: the file has changed since."
            ) from error


@final
class BlockStore(RowStore):
    """Values of one shape that are encoded when they are read, a block of consecutive entries at once.

    The blocks last used stay in memory, so that rows should come in an order that stays among a few blocks for a while
    (see `epoch_order`).
    """

    def __init__(self, encoder: Encoder, slots: np.ndarray, faults: dict[int, Fault]) -> None:
        """Wrap an encoder of whole columns whose entries have all been read once.

        Args:
            encoder: Makes the values.
            slots: See `RowStore`.
            faults: See `RowStore`.
        """
        super().__init__(slots, faults)
        self.encoder = encoder
        self.in_memory = False
        self.row_bytes = np.dtype(encoder.column.dtype).itemsize * math.prod(encoder.column.shape)
        self.block_rows = BLOCK_ROWS
        self._blocks: OrderedDict[int, torch.Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Values of these rows, `(B, *shape)`; zeros where a value is missing.

        Raises:
            DataError: the file has changed since the entries were read.
        """
        slots = self.slots[rows]
        column = self.encoder.column
        batch = torch.from_numpy(np.zeros((len(rows), *column.shape), column.dtype))
        blocks = torch.where(slots < 0, -1, slots // BLOCK_ROWS)
        for number in blocks.unique().tolist():
            if number >= 0:
                mine = blocks == number
                batch[mine] = self._block(number)[slots[mine] - number * BLOCK_ROWS]
        return batch

    def lengths(self, rows: torch.Tensor) -> None:
        """None: all values have one shape."""
        del rows

    def _block(self, number: int) -> torch.Tensor:
        with self._lock:
            if number not in self._blocks:
                entries = np.arange(number * BLOCK_ROWS, min((number + 1) * BLOCK_ROWS, len(self.encoder)))
                self._blocks[number] = torch.from_numpy(self.encoder.encode_some(entries)[0])
                while len(self._blocks) > _KEPT_BLOCKS:
                    self._blocks.popitem(last=False)
            self._blocks.move_to_end(number)
            return self._blocks[number]
