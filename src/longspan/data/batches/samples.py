"""Encoded rows and the batches they come in: which rows, in which order, with which draws, is a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import torch

from longspan.columns import Column, Image, Spatial
from longspan.data.batches.store import Store, build_store
from longspan.data.table import Table
from longspan.errors import ConfigError, Fault
from longspan.vision import AugmentParams
from longspan.vision.augment import Augment

__all__ = ["Batch", "Samples", "encode_rows", "image_of"]


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """B encoded rows. `present[target]` is `(B,)` bool: which rows have a value; the others hold zeros."""

    rows: torch.Tensor
    inputs: dict[str, torch.Tensor]
    targets: dict[str, torch.Tensor]
    present: dict[str, torch.Tensor]
    augment_params: AugmentParams | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> Batch:
        """The same batch where it trains; images move as bytes."""
        if device.type == "cpu":
            return self
        moved = [
            {name: value.to(device, non_blocking=True) for name, value in part.items()}
            for part in (self.inputs, self.targets, self.present)
        ]
        return Batch(
            self.rows, *moved, augment_params=None if self.augment_params is None else self.augment_params.to(device)
        )


@final
class Samples:
    """Encoded inputs and targets of rows of a table."""

    def __init__(self, inputs: dict[str, Store], targets: dict[str, Store]) -> None:
        """Wrap the stores; `encode_rows` makes them."""
        self.inputs = inputs
        self.targets = targets

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
        augment_params: AugmentParams | None = None,
        first: int = 0,
    ) -> Iterator[Batch]:
        """`rows` in their order, in batches of equal size, give or take one; from batch number `first` on.

        Equal sizes: a last batch of two or three rows would weigh as much as a full one and upset batch statistics.
        `draws` are those of all `rows`, in the same order.
        """
        parts = split_evenly(rows, batch_size)
        start = sum(len(part) for part in parts[:first])
        for part in parts[first:]:
            yield Batch(
                part,
                {name: store.read(part) for name, store in self.inputs.items()},
                {name: store.read(part) for name, store in self.targets.items()},
                {name: store.present(part) for name, store in self.targets.items()},
                augment_params=None if augment_params is None else augment_params.take(slice(start, start + len(part))),
            )
            start += len(part)


def split_evenly(rows: torch.Tensor, batch_size: int) -> tuple[torch.Tensor, ...]:
    """`rows` in as many parts as batches of at most `batch_size` need, whose sizes differ by one at most."""
    return rows.tensor_split(max(1, -(-len(rows) // batch_size)))


def epoch_augment_params(
    augment: Augment, inputs: Mapping[str, Column], rows: torch.Tensor, epoch: int, seed: int
) -> AugmentParams | None:
    """The draws of all `rows` in one epoch, in their order; None where nothing is drawn."""
    images = [column for column in inputs.values() if isinstance(column, Image)]
    if not augment.active or not images:
        return None
    size_px = images[0].size_px
    assert size_px is not None
    if any(column.size_px != size_px for column in images):
        raise ConfigError("Images of one row are augmented alike, so they must be of one size: Task(size_px=).")
    return augment.draw(rows, epoch, seed, size_px)


def image_of(columns: Mapping[str, Column]) -> tuple[str, Image] | None:
    """Name and column of the image that located values lie in: the first among the inputs."""
    return next(((name, column) for name, column in columns.items() if isinstance(column, Image)), None)


def encode_rows(
    table: Table,
    rows: np.ndarray,
    inputs: Mapping[str, Column],
    targets: Mapping[str, Column],
    *,
    cache_gb: float = 4.0,
    progress: Callable[[int], None] | None = None,
) -> Samples:
    """Encode these rows with fitted columns. A missing input is a fault; a missing target is a missing value.

    What lies in an image (`Spatial`) is encoded as that image, the first among the inputs, lies in its frame.
    """
    memory_bytes = int(cache_gb * 2**30)
    image = image_of(inputs)

    def build(name: str, column: Column) -> Store:
        around = image if isinstance(column, Spatial) else None
        return build_store(table, name, column, rows, memory_bytes=memory_bytes, image=around, progress=progress)

    samples = Samples(
        {name: build(name, column) for name, column in inputs.items()},
        {name: build(name, column) for name, column in targets.items()},
    )
    for name, store in samples.inputs.items():
        for row in rows[~store.present(torch.from_numpy(rows)).numpy()]:
            store.faults.setdefault(int(row), Fault(table.where(int(row), name), "the input is missing"))
    return samples
