"""Speed and memory of a staged recogniser over an hour of sound, on one thread.

longspan run transcribe --strategies "in stages, network" --hours 2.25 --out runs/staged
OMP_NUM_THREADS=1 python benchmarks/decoding.py runs/staged/model.safetensors --out benchmarks/results/decoding.json

The test recordings of `librispeech-100` (its small part where only that is at hand) are read one after the other, again
and again, until they last as long as asked; of each stage the seconds are counted, and the memory is read every five
minutes of sound. What is compiled, read and built once is done before, on the first recording.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch

import longspan as ls
from longspan.report.environment import describe_environment
from longspan.systems.function_registry import load_with_functions

RATE_HZ = 16_000
EVERY_S = 300.0


def resident_mib() -> float:
    """Memory of this process now, where the system says it; else the most so far."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="what `longspan run transcribe` wrote")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = load_with_functions(options.model)
    table = ls.datasets.load("librispeech-100", accept_small=True)
    rows = np.flatnonzero(np.asarray(table["part"]) == "test")
    recordings = table.take(rows).select("audio")
    seconds = [len(ls.audio.read_samples(str(each), RATE_HZ)) / RATE_HZ for each in recordings.column_values("audio")]
    list(pipeline.predict(recordings.take([0])))
    heard, spent, memory, place = 0.0, 0.0, [(0.0, resident_mib())], 0
    while heard < 60 * options.minutes:
        row = place % len(recordings)
        started = time.perf_counter()
        list(pipeline.predict(recordings.take([row])))
        spent += time.perf_counter() - started
        heard += seconds[row]
        place += 1
        if heard - 60 * memory[-1][0] >= EVERY_S:
            memory.append((heard / 60, resident_mib()))
            print(
                f"{heard / 60:6.1f} min of sound, {heard / spent:5.1f} x real time, {memory[-1][1]:,.0f} MiB",
                flush=True,
            )
    result = {
        "command": f"python benchmarks/decoding.py {options.model.name} --minutes {options.minutes:g}",
        "minutes": round(heard / 60, 2),
        "times_real_time": round(heard / spent, 2),
        "memory_mib": [{"minutes": round(at, 1), "mib": round(size)} for at, size in memory],
        "environment": describe_environment(),
    }
    print(json.dumps(result, indent=1))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
