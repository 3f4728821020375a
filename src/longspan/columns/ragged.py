"""Values of several lengths in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from longspan.errors import ShapeError
from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Ragged", "pad", "take_rows"]


class Ragged(NamedTuple):
    """A batch of B sequences, padded to the longest. A named tuple of tensors, so that PyTorch can trace it.

    Example:
        >>> batch = pad([torch.tensor([1, 2, 3]), torch.tensor([4])])
        >>> batch.values.tolist(), batch.lengths.tolist()
        ([[1, 2, 3], [4, 0, 0]], [3, 1])
        >>> batch.mask.tolist()
        [[True, True, True], [True, False, False]]
    """

    values: Tensor
    """`(B, T, ...)`: row i holds `lengths[i]` steps, then padding."""
    lengths: Tensor
    """`(B,)` int64."""

    @property
    def mask(self) -> Tensor:
        """`(B, T)` bool: True where there is a value, False where there is padding."""
        steps = torch.arange(self.values.shape[1], device=self.lengths.device)
        return steps[None] < self.lengths[:, None]

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Ragged:
        """The same batch on `device`."""
        return Ragged(*(each.to(device, non_blocking=non_blocking) for each in self))

    def take(self, rows: slice | Tensor) -> Ragged:
        """Some rows, with no more padding than the longest of them needs.

        Args:
            rows: A slice, or `(N,)` row numbers, or a `(B,)` bool mask.
        """
        lengths = self.lengths[rows]
        longest = int(lengths.max()) if len(lengths) else 0
        return Ragged(self.values[rows][:, :longest], lengths)


def take_rows(batch: Any, rows: slice | Tensor) -> Any:
    """Some rows of a batch, ragged or not."""
    return batch.take(rows) if isinstance(batch, Ragged) else batch[rows]


def pad(values: Sequence[Tensor], padding: float = 0) -> Ragged:
    """Sequences `(T_i, ...)` as one batch, padded after their ends.

    Args:
        values: At least one; they differ in their length alone.
        padding: Stands after the end of the shorter ones.

    Raises:
        ShapeError: no sequences, or steps of several shapes.
    """
    if not values or len({value.shape[1:] for value in values}) > 1 or not all(value.ndim for value in values):
        shapes = sorted({str(tuple(value.shape)) for value in values})
        raise ShapeError(
            f"A ragged batch needs sequences whose steps have one shape, got {', '.join(shapes) or 'none'}. "
            "Only the length, the first axis, may differ."
        )
    lengths = torch.tensor([len(value) for value in values], dtype=torch.int64)
    padded = values[0].new_full((len(values), int(lengths.max()), *values[0].shape[1:]), padding)
    for row, value in enumerate(values):
        padded[row, : len(value)] = value
    return Ragged(padded, lengths)
