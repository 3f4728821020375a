"""Whether all processes of a training have the same code, data, settings and first weights."""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longspan.data.batches.row_hashes import hash_rows
from longspan.data.batches.samples import Samples
from longspan.errors import ConfigError
from longspan.train.checkpoints.checkpoint_state import changes, identity
from longspan.train.config import Phase
from longspan.train.distributed.processes import Processes
from longspan.train.training import Training
from longspan.version import __version__

__all__ = ["check_agreement", "check_phases"]

_SHOWN = 6


def check_agreement(training: Training, processes: Processes) -> None:
    """Compare what must be the same in every process; every one of them calls this.

    Raises:
        ConfigError: in all of them, where one differs from the first; names what.
    """
    if processes.count > 1:
        _compare(_described(training), processes)


def check_phases(phases: Sequence[Phase], processes: Processes) -> None:
    """Compare epochs and rates, which come later than all the rest: with others, weights would drift apart.

    Raises:
        ConfigError: as `check_agreement`.
    """
    if processes.count > 1:
        _compare({"phases": {str(number): phase.to_json() for number, phase in enumerate(phases)}}, processes)


def _compare(described: Mapping[str, Any], processes: Processes) -> None:
    all_of_them = [each for each, _ in processes.gather(described)]
    faults = []
    for rank, other in enumerate(all_of_them[1:], 1):
        found = list(changes("", all_of_them[0], other))
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        if found:
            faults.append(f"process {rank}: {'; '.join(found[:_SHOWN])}{more}")
    if faults:
        raise ConfigError(
            f"The processes of this training do not agree, compared with process 0: {'. '.join(faults)}. Give all of "
            "them the same program, options, data and versions."
        )


def _described(training: Training) -> dict[str, Any]:
    """What must be equal, as JSON values."""
    task = training.task
    hashes = dict(task.row_hashes())
    if hashes:  # empty where rows are read anew in every epoch
        hashes["targets"] = hash_rows(Samples(task.samples.targets, {}), torch.cat([task.train, task.valid]))
    return {
        "code": {"longspan": __version__, "its files": _code(), "torch": torch.__version__,
                 "Python": platform.python_version()},
        "data": {name: _digest({name: torch.from_numpy(np.ascontiguousarray(each).view(np.uint8).copy())})
                 for name, each in hashes.items()},
        "training": identity(training),
        "first weights": _digest(training.network.state_dict()),
        "precision": str(training.dtype),
    }  # fmt: skip


@functools.cache
def _code() -> str:
    """Of longspan's own files."""
    digest = hashlib.blake2b(digest_size=8)
    home = Path(__file__).parents[2]
    for path in sorted(home.rglob("*.py")):
        digest.update(str(path.relative_to(home)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in tensors.items():
        digest.update(f"{name} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
