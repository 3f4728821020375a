"""Latency, memory and start of model files, each measured in processes of its own, in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from longspan.deploy import timed_process
from longspan.deploy.frontier import Latency
from longspan.errors import ModelFileError
from longspan.portable.new_values import EncodedValues

__all__ = ["Timed", "time_files"]

_BATCH = 32
_ROUNDS = 2


@final
@dataclass(frozen=True, slots=True)
class Timed:
    """What one file costs."""

    latencies: list[Latency]
    memory_mb: float
    start_seconds: float


def time_files(
    files: Mapping[str, Path], read: EncodedValues, *, threads: Sequence[int] = (1, 2), runs: int = 60
) -> dict[str, Timed]:
    """Time the predictions of several model files for the same encoded rows.

    All files are measured one after the other, and then again: a machine that grows slower meanwhile slows all of them.

    Args:
        files: By name.
        read: Encoded rows, at least one; they are repeated where there are fewer than 32.
        threads: Numbers of threads.
        runs: Of batch 1, in all.
    """
    times: dict[str, dict[tuple[int, int], list[float]]] = {name: defaultdict(list) for name in files}
    memory: dict[str, list[float]] = {name: [] for name in files}
    starts: dict[str, list[float]] = {name: [] for name in files}
    with tempfile.TemporaryDirectory(prefix="longspan-timing-") as folder:
        rows = Path(folder) / "rows.npz"
        arrays = {
            f"{number}_{row}": values[row % len(values)]
            for number, values in enumerate(read.encoded.values())
            for row in range(_BATCH)
        }
        np.savez(rows, **arrays)  # pyright: ignore[reportArgumentType]
        for _ in range(_ROUNDS):
            for name, path in files.items():
                found = _measured(path, rows, threads, -(-runs // _ROUNDS))
                for each in found["latencies"]:
                    times[name][each["threads"], each["batch"]] += each["ms"]
                memory[name].append(found["memory_mb"])
                starts[name].append(found["start_seconds"])
    return {
        name: Timed(
            [
                Latency(count, batch, _quantile(ms, 0.5), _quantile(ms, 0.99), len(ms))
                for (count, batch), ms in by.items()
            ],
            max(memory[name]),
            min(starts[name]),
        )
        for name, by in times.items()
    }


def _quantile(ms: list[float], fraction: float) -> float:
    return round(float(np.quantile(ms, fraction)), 4)


def _measured(path: Path, rows: Path, threads: Sequence[int], runs: int) -> dict:
    package = str(Path(timed_process.__file__).parents[2])
    paths = os.pathsep.join(each for each in (package, os.environ.get("PYTHONPATH")) if each)
    # -P: beside the program lie modules whose names would hide those of the standard library.
    done = subprocess.run(
        [sys.executable, "-P", timed_process.__file__, str(path), str(rows), ",".join(map(str, threads)), str(runs)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": str(max(threads))},
    )  # fmt: skip
    if done.returncode:
        raise ModelFileError(f"{path.name} could not be timed: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])
