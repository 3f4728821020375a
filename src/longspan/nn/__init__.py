"""Layers that several models share."""

from __future__ import annotations

from longspan.nn.global_pool import GlobalPool, PoolName

__all__ = ["GlobalPool", "PoolName"]
