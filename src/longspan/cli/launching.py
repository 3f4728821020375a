"""One training in several processes on the command line: starting them, and being one of them."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from longspan.errors import ConfigError

__all__ = [
    "check_launch",
    "end_with_launcher",
    "first_to_say",
    "is_launched",
    "launch",
    "launched_rank",
    "restarts_so_far",
]

_SET_DEATH_SIGNAL = 1  # prctl(2)
_SECONDS = 5


def is_launched() -> bool:
    """Whether `torchrun` or `--processes` has started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1") != "1" and "RANK" in os.environ


def launched_rank() -> int:
    """The number of this process among those that train together; 0 where it is alone."""
    return int(os.environ["RANK"]) if is_launched() else 0


def restarts_so_far() -> int:
    """How often the launcher has started all processes again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) if "RANK" in os.environ else 0


def check_launch(processes: int | None, restarts: int) -> None:
    """ConfigError for numbers of processes and restarts that cannot be."""
    if processes is not None and processes < 1:
        raise ConfigError(f"--processes must be at least 1, got {processes}.")
    if restarts < 0:
        raise ConfigError(f"--restarts must be at least 0, got {restarts}.")
    if restarts and processes is None and not is_launched():
        raise ConfigError("--restarts starts the processes of --processes again when one dies: add --processes N.")


def launch(processes: int, restarts: int, arguments: Sequence[str]) -> int:
    """Run `longspan ARGUMENTS` in several processes on this machine, and give the exit code of them all.

    When one ends badly the others are ended; with `restarts` left, all are started again.

    Args:
        processes: How many.
        restarts: How often they may be started again.
        arguments: What follows `longspan` on the command line.
    """
    # Its own log says in many lines what the processes have said in one.
    logging.disable(logging.CRITICAL)
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=uuid.uuid4().hex, rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0", max_restarts=restarts, monitor_interval=0.1, start_method="spawn",
    )  # fmt: skip
    try:
        elastic_launch(config, sys.executable)("-m", "longspan", *arguments)
    except ChildFailedError as error:
        return _code(error.failures, restarts)
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _code(failures: dict[int, Any], restarts: int) -> int:
    codes = {rank: failure.exitcode for rank, failure in sorted(failures.items())}
    # Those that the launcher ended, after another had failed, were sent SIGTERM.
    killed = {rank: -code for rank, code in codes.items() if code < 0 and -code != signal.SIGTERM}
    if killed:
        rank, number = next(iter(killed.items()))
        name = signal.Signals(number).name if number in set(signal.Signals) else number
        tried = f" All were started again {restarts} times before." if restarts else ""
        print(
            f"longspan: error: process {rank} of this training was ended by the system ({name}; SIGKILL often means "
            f"that memory ran out), and the others were ended too.{tried} With --out RUN, a folder, --resume goes on "
            "from the last checkpoint, and --restarts N does so by itself.",
            file=sys.stderr,
        )
        return 2
    return next((code for code in codes.values() if code > 0), 1)


def end_with_launcher() -> None:
    """Ask the system to end this process when the one that started it is gone, however it ended."""
    if is_launched() and sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


def first_to_say(message: str) -> bool:
    """Whether no other process of this training has printed the same message; True where nobody can be asked."""
    import torch.distributed as dist

    key = hashlib.blake2b(message.encode(), digest_size=8).hexdigest()
    try:
        store = dist.TCPStore(  # pyright: ignore[reportPrivateImportUsage]
            os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False,
            timeout=timedelta(seconds=_SECONDS),
        )  # fmt: skip
        return store.add(f"longspan/said/{key}", 1) == 1
    except (RuntimeError, ValueError, KeyError):
        return True
