"""The same training alone and beside a program that keeps every core busy, by how threads wait for one another.

    LONGSPAN_DATA=../shared/data python benchmarks/busy_machine.py --out benchmarks/results/busy_machine.json

Run it on a machine that does nothing else. Each measurement is a process of its own, since OpenMP reads its settings
when it is loaded: a network on MNIST for a few epochs, the fastest of which counts (the first loads libraries).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from longspan.report import describe_environment

SETTINGS: dict[str, dict[str, str]] = {
    "OpenMP's default": {"GOMP_SPINCOUNT": "300000"},
    "longspan's default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
}
TRAINING = """
import json, os, sys
import numpy as np
import longspan as ls
import torch
torch.set_num_threads(int(sys.argv[1]))
digits = ls.datasets.load("mnist").take(np.arange(3210))
split = digits.with_column("role", ls.Category(), ["train"] * 3200 + ["valid"] * 10).split(column="role")
task = ls.Task(split, inputs="image", targets="digit", allow_leaks=True)
learner = ls.Learner(task, sys.argv[2], config=ls.TrainConfig(batch_size=128), progress=False, device="cpu")
learner.fit_one_cycle(4, lr=3e-3)
print(json.dumps([record["seconds"] for record in learner.history]))
"""


def seconds(threads: int, model: str, settings: dict[str, str]) -> float:
    """Of the fastest epoch but the first."""
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, str(threads), model],
        capture_output=True, text=True, check=True, env={**environment, **settings},
    )  # fmt: skip
    return min(json.loads(done.stdout)[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["deep_cnn", "lenet5", "resnet20"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    results: dict[str, Any] = {}
    for model in options.models:
        for name, settings in SETTINGS.items():
            quiet = min(seconds(cores, model, settings) for _ in range(options.repeats))
            loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
            try:
                busy = min(seconds(cores, model, settings) for _ in range(options.repeats))
            finally:
                for loop in loops:
                    loop.kill()
                    loop.wait()
            results.setdefault(model, {})[name] = {
                "seconds_alone": round(quiet, 3),
                "seconds_beside_busy_loops": round(busy, 3),
                "times_as_slow": round(busy / quiet, 2),
            }
            print(model, name, results[model][name], flush=True)
    report = {
        "command": f"python benchmarks/busy_machine.py {' '.join(sys.argv[1:])}".strip(),
        "cores": cores,
        "machine": f"{platform.machine()}, {cores} cores",
        "load_before": [round(each, 2) for each in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "results": results,
        "environment": describe_environment(),
    }
    if options.out:
        options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
