"""Pooling over the whole image, by average or by average beside maximum."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from longspan.errors import ConfigError

__all__ = ["GlobalPool", "PoolName"]

PoolName = Literal["avg", "avg_max"]


@final
class GlobalPool(nn.Module):
    """One number per channel: `(B, C, H, W)` to `(B, C)`, or `(B, 2 C)` for "avg_max" (averages first).

    The maximum is `amax`, whose gradient is shared among equal maxima: unlike adaptive max pooling it is the same on
    every run on a GPU.

    Raises: ConfigError for a `pool` that is neither.
    """

    def __init__(self, pool: PoolName = "avg") -> None:
        """Pool by `pool`: "avg" or "avg_max"."""
        super().__init__()
        if pool not in ("avg", "avg_max"):
            raise ConfigError(f"pool must be 'avg' or 'avg_max', got {pool!r}.")
        self.pool = pool

    def num_features(self, channels: int) -> int:
        """How many numbers come out for `channels` going in."""
        return channels if self.pool == "avg" else 2 * channels

    def forward(self, maps: Tensor) -> Tensor:
        """Pool `maps` (B, C, H, W) over H and W."""
        if self.pool == "avg":
            return maps.mean(dim=(2, 3))
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
