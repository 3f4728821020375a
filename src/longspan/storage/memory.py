"""How much memory this machine has."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["installed_bytes", "memory_bytes"]

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def installed_bytes() -> int | None:
    """Bytes of memory that are built in; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def memory_bytes() -> int | None:
    """Bytes that this process may use: those of its container where they are fewer; None where nothing is known."""
    total = installed_bytes()
    for path in _LIMITS:
        try:
            limit = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if limit.isdigit():
            return int(limit) if total is None else min(total, int(limit))
    return total
