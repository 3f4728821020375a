"""Layers over sequences of several lengths in one batch: what lies after the end of a row never counts."""

# B rows, S steps, C channels

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longspan.columns.ragged import Ragged
from longspan.errors import ShapeError
from longspan.nn.global_pool import PoolName

__all__ = ["StepConv", "check_sequence", "pool_steps", "shrunk", "step_mask"]


def step_mask(steps: Tensor, lengths: Tensor) -> Tensor:
    """`(B, S, 1)`: 1 for the steps of a row, 0 after its end; `steps` is `(B, S, C)`."""
    return (torch.arange(steps.shape[1], device=steps.device) < lengths[:, None])[:, :, None].to(steps.dtype)


def pool_steps(steps: Tensor, lengths: Tensor, pool: PoolName) -> Tensor:
    """The steps of each row as one vector: their mean, `(B, C)`, and for "avg_max" their maximum too, `(B, 2 C)`."""
    mask = step_mask(steps, lengths)
    mean = (steps * mask).sum(dim=1) / lengths.clamp_min(1)[:, None]
    if pool == "avg":
        return mean
    lowest = torch.finfo(steps.dtype).min
    return torch.cat([mean, steps.masked_fill(mask == 0, lowest).amax(dim=1)], dim=1)


def check_sequence(name: str, sequence: object, in_channels: int) -> Ragged:
    """The sequence, if it is ragged and `in_channels` wide.

    Raises:
        ShapeError: it is not.
    """
    if isinstance(sequence, Ragged) and sequence.values.shape[2] == in_channels:
        return sequence
    values = sequence.values if isinstance(sequence, Ragged) else sequence
    raise ShapeError(
        f"{name} reads ragged sequences of {in_channels} features, got {tuple(getattr(values, 'shape', ()))}. For "
        "sound: Audio(layout='sequence')."
    )


def shrunk(lengths: Tensor, strides: Sequence[int]) -> Tensor:
    """Steps that are left of sequences of `lengths` by layers with these strides, each rounded up."""
    for stride in strides:
        lengths = torch.div(lengths + stride - 1, stride, rounding_mode="floor")
    return lengths


@final
class StepConv(nn.Module):
    """A convolution along the steps of `(B, S, in)` to `(B, S / stride, out)`, rounded up; zeros around each row.

    A step sees `ahead` steps behind its own; by default as many as before it.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1,
        ahead: int | None = None,
    ) -> None:  # fmt: skip
        """Make the layer; `kernel` is odd where `ahead` is None."""
        super().__init__()
        self.ahead = kernel // 2 if ahead is None else ahead
        self.before = kernel - 1 - self.ahead
        self.conv = nn.Conv1d(in_channels, out_channels, kernel, stride=stride, groups=groups)

    def forward(self, steps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The steps, not zero after the end of a row, and how many each row has."""
        inside = (steps * step_mask(steps, lengths)).transpose(1, 2)
        convolved = self.conv(F.pad(inside, (self.before, self.ahead))).transpose(1, 2)
        return convolved, shrunk(lengths, self.conv.stride)
