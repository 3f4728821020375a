"""Recordings that are copies of each other: identical, or nearly so (re-encoded, louder, with other silence around)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.columns import Column
from longspan.columns.ragged import Ragged
from longspan.data.batches.store import RowStore
from longspan.data.leakage.near_duplicates import NearDuplicates
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FingerprintStore"]

_ALIKE = 0.99
"""Least correlation of two fingerprints. Measured by `benchmarks/sound_leaks.py`: of copies as Opus 85 % lie above it,
at half the level and with silence around 75 %; of 3,000 spoken digits 1 % have another by the same speaker above it."""
_AT_ONCE = 128


@final
class FingerprintStore:
    """Encoded recordings that are compared by `Column.fingerprints`."""

    def __init__(self, store: RowStore, column: Column) -> None:
        """Wrap the encoded values of a fitted column."""
        self.store = store
        self.column = column

    def present(self, rows: Tensor) -> Tensor:
        """`(B,)` bool: which of these rows have a value; the others are not compared."""
        return self.store.present(rows)

    def alike(self, parts: Mapping[str, np.ndarray]) -> NearDuplicates:
        """Copies among the recordings of these parts (row numbers by part)."""
        kept = {part: rows[self.present(torch.from_numpy(rows)).numpy()] for part, rows in parts.items()}
        prints: dict[str, Tensor] = {}
        same: dict[bytes, list[int]] = defaultdict(list)
        for part, rows in kept.items():
            found = []
            for some in torch.from_numpy(rows).split(_AT_ONCE):
                batch = self.store.read(some)
                found.append(self.column.fingerprints(batch))
                for row, digest in zip(some.tolist(), _digests(batch), strict=True):
                    same[digest].append(row)
            prints[part] = torch.cat(found) if found else torch.empty(0, 1)
        equal = [group for group in same.values() if len(group) > 1]
        first = {row: group[0] for group in equal for row in group}
        pairs = {}
        for one, other in combinations([part for part, rows in kept.items() if len(rows)], 2):
            for block, some in enumerate(prints[one].split(2048)):
                for i, j in (some @ prints[other].T > _ALIKE).nonzero().tolist():
                    pair = (int(kept[one][2048 * block + i]), int(kept[other][j]))
                    if first.get(pair[0], -1) != first.get(pair[1], -2):
                        pairs[pair] = "near-identical"
        return NearDuplicates(equal, pairs)  # type: ignore[arg-type]


def _digests(batch: Any) -> list[bytes]:
    """A hash of each row."""
    if isinstance(batch, Ragged):
        rows = [row[:length] for row, length in zip(batch.values, batch.lengths.tolist(), strict=True)]
    else:
        rows = list(batch)
    return [hashlib.blake2b(row.numpy().tobytes(), digest_size=16).digest() for row in rows]
