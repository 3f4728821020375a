"""How glibc's malloc keeps the memory of tensors that are no longer used.

By default it gives memory back to Linux whenever more than a little is free at the end of its heap, or a large buffer
is freed. A network frees all its activations with each batch; the next batch then pays for fresh pages, which Linux
fills with zeros one by one as they are first touched. So up to 128 MB of free memory stay with the process.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

__all__ = ["keep_freed_memory", "keep_one_arena"]

# mallopt's parameters by their numbers in glibc's malloc.h, in bytes. The first may be 32 MiB at most; larger buffers
# are given back when they are freed.
_KEPT = {
    -3: 32 * 2**20,  # M_MMAP_THRESHOLD: buffers of this size and more have pages of their own
    -1: 128 * 2**20,  # M_TRIM_THRESHOLD: how much may be free at the end of the heap
    -2: 64 * 2**20,  # M_TOP_PAD: how much more is asked for than is needed
}
_ONE_ARENA = {-8: 1}  # M_ARENA_MAX


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Keep freed memory for the next batch; whether it was set.

    It is left alone where malloc is not glibc's, and where the user has chosen its settings or another allocator.
    """
    return _set(_KEPT, environment)


def keep_one_arena(environment: Mapping[str, str] = os.environ) -> bool:
    """Let threads share one heap; whether it was set, as above.

    Otherwise each thread that starts from now on has a heap of its own, and keeps what it freed from all others: the
    memory of a server grows for thousands of requests.
    """
    return _set(_ONE_ARENA, environment)


def _set(parameters: Mapping[int, int], environment: Mapping[str, str]) -> bool:
    chosen = any(name.startswith("MALLOC_") or name in ("GLIBC_TUNABLES", "LD_PRELOAD") for name in environment)
    if chosen or sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    done = [library.mallopt(parameter, value) for parameter, value in parameters.items()]
    return all(each == 1 for each in done)
