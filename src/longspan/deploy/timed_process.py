"""A program that loads one model file and times its predictions: `python timed_process.py FILE ROWS THREADS RUNS`.

A process of its own, so that its memory is that of the model; PyTorch is imported only for files that need it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_BATCHES = (1, 32)
_WARM, _FEWEST = 2, 4
_LONGEST_S = 4.0
"""Of one setting: a variant that is a hundred times slower needs no more runs to be known as slower."""


def main(path: str, rows: str, threads: str, runs: str) -> dict[str, Any]:
    """Load, predict, time.

    Args:
        path: A model file, or an exported model.
        rows: A file of encoded inputs: arrays by the number of the input and of the row.
        threads: Numbers of threads, with commas between.
        runs: Of the smaller batch; the larger one runs a quarter as often, and slow ones less often.
    """
    started = time.perf_counter()
    with np.load(rows, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    found: list[dict[str, Any]] = []
    first: float | None = None
    for count in [int(each) for each in threads.split(",")]:
        predict = _exported(path, arrays, count) if path.endswith(".onnx") else _network(path, arrays, count)
        for batch in _BATCHES:
            times: list[float] = []
            wanted, begun = max(int(runs) if batch == 1 else int(runs) // 4, _FEWEST), time.perf_counter()
            for run in range(_WARM + wanted):
                before = time.perf_counter()
                if run >= _WARM + _FEWEST and before - begun > _LONGEST_S:
                    break
                predict(batch)
                times.append(time.perf_counter() - before)
                if first is None:
                    first = time.perf_counter() - started
                if run < _WARM:
                    times.clear()
            found.append({"threads": count, "batch": batch, "ms": [1000 * each for each in times]})
    return {"latencies": found, "memory_mb": _peak_mb(), "start_seconds": first}


def _exported(path: str, arrays: dict[str, np.ndarray], threads: int) -> Callable[[int], Any]:
    from longspan.portable import OnnxModel
    from longspan.portable.new_values import EncodedValues

    model = OnnxModel.load(path, threads=threads)
    read = EncodedValues(_by_input(list(model.inputs), arrays))
    return lambda batch: model.run(read, slice(0, batch))


def _network(path: str, arrays: dict[str, np.ndarray], threads: int) -> Callable[[int], Any]:
    import torch

    from longspan.columns import Ragged
    from longspan.heads.members import predictions_of
    from longspan.inference import load
    from longspan.inference.source import autocast
    from longspan.portable.onnx_model import batch_of

    torch.set_num_threads(threads)
    model: Any = load(path, device="cpu")
    encoded = _by_input(list(model.inputs), arrays)

    @torch.inference_mode()
    def predict(batch: int) -> Any:
        prepared = []
        for name, column in model.inputs.items():
            tensors = [torch.from_numpy(each) for each in batch_of(column, encoded[name][:batch])]
            prepared.append(column.prepare(Ragged(*tensors) if column.ragged else tensors[0]))
        with autocast(model.device, model.dtype):
            outputs = model.network(*prepared)
        return [head.reduce(predictions_of(head, outputs[name])).float().numpy() for name, head in model.heads.items()]

    return predict


def _by_input(names: list[str], arrays: dict[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    rows = 1 + max(int(name.split("_")[1]) for name in arrays)
    return {name: [arrays[f"{number}_{row}"] for row in range(rows)] for number, name in enumerate(names)}


def _peak_mb() -> float:
    """Peak memory of this process; not a number where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
