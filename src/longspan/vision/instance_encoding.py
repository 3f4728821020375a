"""Boxes and masks of objects in one array of bytes: six float32, then the mask, eight pixels to a byte by rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from longspan.lazy_torch import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["areas", "boxes_in", "masks_in", "packed", "tight_boxes"]

_NUMBERS = 24  # bytes of six float32


def packed(boxes: Tensor, masks: Tensor) -> Tensor:
    """`(..., 24 + H * ceil(W / 8))` uint8 from boxes `(..., 6)` float32 and masks `(..., H, W)` bool, on their device.

    Example:
        >>> rows = packed(torch.zeros(3, 6), torch.ones(3, 5, 9, dtype=torch.bool))
        >>> rows.shape, masks_in(rows, (5, 9)).all().item()
        (torch.Size([3, 34]), True)
    """
    numbers = boxes.float().contiguous().view(torch.uint8)
    bits = torch.from_numpy(np.packbits(masks.numpy(), axis=-1)) if masks.device.type == "cpu" else _to_bits(masks)
    return torch.cat([numbers, bits.flatten(-2)], dim=-1)


def boxes_in(rows: Tensor) -> Tensor:
    """The boxes `(..., 6)` float32 of packed rows."""
    # A copy, since the bytes of a row need not begin where a float may.
    return rows[..., :_NUMBERS].clone(memory_format=torch.contiguous_format).view(torch.float32)


def masks_in(rows: Tensor, size_px: tuple[int, int]) -> Tensor:
    """The masks `(..., H, W)` bool of packed rows."""
    height, width = size_px
    bits = rows[..., _NUMBERS:].unflatten(-1, (height, -(-width // 8)))
    if rows.device.type == "cpu":
        return torch.from_numpy(np.unpackbits(bits.numpy(), axis=-1, count=width)).view(torch.bool)
    return _from_bits(bits, width)


def tight_boxes(masks: Tensor) -> Tensor:
    """The upright boxes x0, y0, x1, y1 `(..., 4)` float32 around masks `(..., H, W)` bool; zeros around empty ones.

    Example:
        >>> tight_boxes(torch.tensor([[[0, 0, 0], [0, 1, 1]]]).bool()).tolist()
        [[1.0, 1.0, 3.0, 2.0]]
    """
    sides = []
    for across in (-2, -1):  # along x, then along y
        # On the CPU numpy is many times faster than torch here.
        on_cpu = masks.device.type == "cpu"
        there = torch.from_numpy(masks.numpy().any(across)) if on_cpu else masks.any(across)
        numbers = there.byte()
        first, last = numbers.argmax(-1), there.shape[-1] - numbers.flip(-1).argmax(-1)
        sides.append(torch.stack([first, last], dim=-1) * there.any(-1, keepdim=True))
    return torch.stack(sides, dim=-1).flatten(-2).float()


def areas(masks: Tensor) -> Tensor:
    """The number of pixels, `(N,)` int64, of masks `(N, H, W)` bool."""
    if masks.device.type == "cpu":
        return torch.tensor([np.count_nonzero(mask) for mask in masks.numpy()], dtype=torch.int64)
    return masks.flatten(1).count_nonzero(1)


def _to_bits(masks: Tensor) -> Tensor:
    """As numpy.packbits along the last axis, on any device: the highest bit is the leftmost pixel."""
    full = torch.nn.functional.pad(masks.to(torch.uint8), (0, -masks.shape[-1] % 8)).unflatten(-1, (-1, 8))
    return (full << _shifts(masks.device)).sum(-1, dtype=torch.uint8)


def _from_bits(bits: Tensor, width: int) -> Tensor:
    """As numpy.unpackbits along the last axis, on any device."""
    return ((bits[..., None] >> _shifts(bits.device)) & 1).flatten(-2)[..., :width].bool()


def _shifts(device: torch.device) -> Tensor:
    return torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
