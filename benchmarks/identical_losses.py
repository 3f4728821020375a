"""Whether trainings give the same numbers as before, to the last bit: for changes that must not change any.

    export LONGSPAN_DATA=../shared/data
    python benchmarks/identical_losses.py --out benchmarks/results/identical_losses.json
    python benchmarks/identical_losses.py --compare benchmarks/results/identical_losses.json

Trains a small form of every ready-made system and every head at seed 0, on the CPU, with one thread. For each it
records the loss of every step, the metrics, and SHA-256 of all weights. `--compare` trains again and lists what
differs from a recorded file; it exits with 1 if anything does. `--only TEXT` takes the trainings whose names contain
it.

Numbers and weights are compared by value, without their names: a renamed metric, option or layer is no difference.
Durations and rates per second are left out. Compare on the machine that made the file: another processor or another
version of PyTorch may round differently.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
    os.environ[_name] = "1"  # read when the libraries are loaded

import numpy as np  # noqa: E402
import torch  # noqa: E402

_TIMES = re.compile(r"second|minute|time")
"""In the name of a number that a clock gave."""


def train(case: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """One training as JSON values."""
    from identical_trainings import recorded_trainings

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    log: list[dict[str, Any]] = []
    with recorded_trainings(log):
        found = case()
    if not log:
        raise AssertionError("nothing was trained")
    return {
        "trainings": [
            {
                "step_losses": [loss for epoch in each["losses"] for loss in epoch],
                "epochs": dict(_numbers(each["epochs"])),
                "weights": _fingerprint(each["weights"]),
            }
            for each in log
        ],
        "metrics": dict(_numbers(found["metrics"])),
        "details": dict(_numbers(found.get("details", {}))),
        "model_file": _fingerprint(found["model_file"]) if "model_file" in found else None,
    }


def _numbers(values: Any, path: str = "") -> Iterator[tuple[str, float | int]]:
    """All numbers inside, by their place, except those that a clock gave."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            if not _TIMES.search(str(name)):
                yield from _numbers(value, f"{path}/{name}" if path else str(name))
    elif isinstance(values, list | tuple):
        for number, value in enumerate(values):
            yield from _numbers(value, f"{path}[{number}]")
    elif isinstance(values, int | float | np.number) and not isinstance(values, bool):
        yield path, values.item() if isinstance(values, np.number) else values


def _fingerprint(tensors: Iterable[torch.Tensor]) -> str:
    """How many tensors and values, and SHA-256 of types, shapes and bytes; independent of names and order."""
    digests, values = [], 0
    for tensor in tensors:
        flat = tensor.contiguous().reshape(-1)
        digest = hashlib.sha256(f"{tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(flat.view(torch.uint8).numpy().tobytes() if len(flat) else b"")
        digests.append(digest.digest())
        values += len(flat)
    return f"{len(digests)} tensors, {values} values, {hashlib.sha256(b''.join(sorted(digests))).hexdigest()}"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs in one training, in words."""
    if "failed" in now:
        return [f"failed: {now['failed']}"]
    found = []
    old, new = before["trainings"], now["trainings"]
    if len(old) != len(new):
        found.append(f"{len(old)} calls trained before, {len(new)} now")
    for number, (one, other) in enumerate(zip(old, new, strict=False), 1):
        where = f"training {number} of {len(old)}"
        losses = one["step_losses"], other["step_losses"]
        if len(losses[0]) != len(losses[1]):
            found.append(f"{where}: {len(losses[0])} steps before, {len(losses[1])} now")
        step = next((i for i, pair in enumerate(zip(*losses, strict=False)) if repr(pair[0]) != repr(pair[1])), None)
        if step is not None:
            found.append(f"{where}: the loss of step {step + 1} was {losses[0][step]!r}, is {losses[1][step]!r}")
        found += [f"{where}, epochs: {each}" for each in _differing(one["epochs"], other["epochs"])]
        if one["weights"] != other["weights"]:
            found.append(f"{where}: weights were {one['weights']}, are {other['weights']}")
    for part in ("metrics", "details"):
        found += [f"{part}: {each}" for each in _differing(before[part], now[part])]
    if before["model_file"] != now["model_file"]:
        found.append(f"model file: was {before['model_file']}, is {now['model_file']}")
    return found


def _differing(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Numbers that differ; where only their names do, none."""
    if sorted(map(repr, before.values())) == sorted(map(repr, now.values())):
        return []
    names = [*before, *(name for name in now if name not in before)]
    return [
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in names
        if repr(before.get(name)) != repr(now.get(name))
    ]


def measure(only: str) -> dict[str, dict[str, Any]]:
    """All trainings whose names contain `only`, each with its seconds; a training that fails says why."""
    from identical_trainings import cases

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, case in cases(Path(folder)).items():
            if only not in name:
                continue
            started = time.perf_counter()
            try:
                results[name] = train(case)
            except Exception as error:
                traceback.print_exc()
                results[name] = {"failed": f"{type(error).__name__}: {error}"}
            results[name]["seconds"] = round(time.perf_counter() - started, 1)
            print(f"{results[name]['seconds']:6.1f} s  {name}", flush=True)
    return results


def environment() -> dict[str, Any]:
    """What the numbers depend on."""
    import platform
    from importlib import metadata

    import identical_trainings as trainings

    source = Path(trainings.ls.__file__).parent
    git = ["git", "-C", str(source)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True, text=True, check=False).stdout
    names = ("torch", "torchvision", "numpy", "pillow", "scikit-learn", "opencv-contrib-python-headless")
    installed = {each.metadata["Name"].lower(): each.version for each in metadata.distributions()}
    return {
        "commit": commit + (" with changes" if changed else ""),
        "python": platform.python_version(),
        **{name: installed[name] for name in names if name in installed},
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Train, then write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="file for the numbers")
    parser.add_argument("--compare", type=Path, help="file of earlier numbers")
    parser.add_argument("--only", default="", help="part of the names of the trainings to run")
    options = parser.parse_args()
    if options.out is None and options.compare is None:
        parser.error("give --out FILE, --compare FILE, or both")
    before = None if options.compare is None else json.loads(options.compare.read_text())
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    started = time.perf_counter()
    results = measure(options.only)
    result = {
        "command": f"python benchmarks/identical_losses.py --out {options.out}",
        "environment": environment(),
        "seconds": round(time.perf_counter() - started),
        "trainings": results,
    }
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    wrong = {name: [f"failed: {each['failed']}"] for name, each in results.items() if "failed" in each}
    if before is not None:
        for name, value in before["environment"].items():
            if name != "commit" and result["environment"].get(name) != value:
                print(f"{name}: {value} before, {result['environment'].get(name)} now; numbers may differ for that.")
        known = {name: each for name, each in before["trainings"].items() if options.only in name}
        wrong |= {name: ["it was not trained now"] for name in known if name not in results}
        wrong |= {name: ["it is not in the file"] for name in results if name not in known}
        for name in known.keys() & results.keys():
            found = differences(known[name], results[name])
            if found:
                wrong[name] = found
    for name, found in wrong.items():
        print(f"\n{name}")
        for line in found[:12]:
            print(f"  {line}")
        if len(found) > 12:
            print(f"  and {len(found) - 12} more")
    steps = sum(len(each["step_losses"]) for one in results.values() for each in one.get("trainings", []))
    print(f"\n{len(results)} trainings, {steps} steps, {result['seconds']} s; {len(wrong)} wrong or different")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
