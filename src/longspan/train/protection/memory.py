"""Memory that a step frees is kept for the next one, or given back."""

from __future__ import annotations

import ctypes
import functools
import gc
import sys

import torch

__all__ = ["give_back_freed_memory", "keep_freed_memory"]

# From mallopt(3): blocks come from the heap and not from the kernel (a threshold stops at 32 MiB, and a batch of photos
# is more); free memory at its top that is kept; memory that is asked for in advance.
_OPTIONS = {-4: 0, -1: 1 << 30, -2: 64 << 20}


@functools.cache
def keep_freed_memory() -> bool:
    """Ask glibc to keep freed blocks for the next step; True where that was possible. Numbers stay the same.

    By default activations of a few megabytes are mapped, zeroed and unmapped by the kernel thousands of times per step,
    which costs a small network on a processor up to half of its time. Peak memory does not change; memory is given
    back to the system later. Nothing happens on systems without glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all([mallopt(option, value) == 1 for option, value in _OPTIONS.items()])


def give_back_freed_memory(device: torch.device) -> None:
    """What tensors do not use any more goes back to the system, or on a GPU to its driver."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
