"""How OpenMP's threads wait for one another, which it reads from the environment when PyTorch is loaded.

By default a thread that reaches the end of a parallel loop first spins for milliseconds. Beside a program that keeps
the cores busy it spins through the time that the thread it waits for would need, at every layer. So threads spin
briefly, for about as long as they wait on a quiet machine, and then sleep. The number of threads stays as it is:
results depend on it in the last digit, so it must not follow what else the machine does.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

__all__ = ["set_short_waits"]

_SETTINGS = {
    "GOMP_SPINCOUNT": "10000",  # of GNU's OpenMP (PyTorch for Linux): about a tenth of a millisecond
    "KMP_BLOCKTIME": "0",  # of LLVM's and Intel's, in milliseconds
}


def set_short_waits(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set how long threads spin, unless the user has chosen how they wait."""
    if "OMP_WAIT_POLICY" in environment:
        return
    for name, value in _SETTINGS.items():
        environment.setdefault(name, value)
