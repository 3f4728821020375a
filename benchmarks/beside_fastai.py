"""Everything that is measured beside fastai, in one run on one machine, nothing else running.

    python -m venv FASTAI && FASTAI/bin/pip install fastai==2.8.*
    LONGSPAN_DATA=../shared/data python benchmarks/beside_fastai.py --fastai FASTAI/bin/python

Writes `benchmarks/results/beside_fastai.json` after every part, so an interrupted run keeps what it has; `--parts` runs
some of them again. longspan is measured through its own command line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "beside_fastai.json"


def child(command: list[str]) -> tuple[str, float]:
    """What a command printed last, and its peak resident memory in MiB."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        output.seek(0)
        lines = output.read().strip().splitlines()
    return (lines[-1] if lines else ""), usage.ru_maxrss / 1024


def summary(values: list[float]) -> dict[str, Any]:
    """Mean, spread and the values."""
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(statistics.mean(values), 5), "sd": round(sd, 5), "values": [round(v, 5) for v in values]}


def system(name: str, options: list[str], seeds: range, metric: str) -> dict[str, Any]:
    """A longspan system over seeds: a metric, seconds of training, peak memory."""
    figures, seconds, memory = [], [], []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            _, peak = child(
                [
                    sys.executable,
                    "-m",
                    "longspan",
                    "run",
                    name,
                    *options,
                    "--seed",
                    str(seed),
                    "--out",
                    folder,
                    "--quiet",
                ]
            )
            result = json.loads((Path(folder) / "result.json").read_text())
        figures.append(result["metrics"][metric])
        seconds.append(result["seconds"]["train"])
        memory.append(peak)
    found = {metric: summary(figures), "seconds": summary(seconds), "peak_memory_mib": round(max(memory))}
    return {"command": f"longspan run {name} {' '.join(options)} --seed N --out DIR".replace("  ", " "), **found}


def loop(arguments: argparse.Namespace) -> dict[str, Any]:
    """Longspan's loop and the hand-written one, in turns."""
    ours, theirs = [], []
    for _ in range(3):
        line, _ = child(
            [sys.executable, str(HERE / "peers" / "handwritten_mnist.py"), "--rows", "12800", "--seeds", "4"]
        )
        theirs.append(json.loads(line)["images_per_second"])
        line, _ = child([sys.executable, str(HERE / "loop.py"), "--rows", "12800", "--epochs", "4"])
        ours.append(json.loads(line)["images_per_second"])
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {"longspan": ours, "handwritten": theirs, "ratio": round(statistics.median(ratios), 3)}


def mnist_fastai(arguments: argparse.Namespace) -> dict[str, Any]:
    """fastai, eight one-cycle epochs."""
    command = [arguments.fastai, str(HERE / "peers" / "fastai_mnist.py"), "--seeds", str(arguments.fastai_seeds)]
    line, peak = child(command)
    return {**json.loads(line), "peak_memory_mib": round(peak)}


def mnist_book(arguments: argparse.Namespace) -> dict[str, Any]:
    """The book's network."""
    return system("mnist-deep-cnn", [], range(arguments.seeds), "test_accuracy")


def mnist_fast(arguments: argparse.Namespace) -> dict[str, Any]:
    """The faster network."""
    return system("mnist-deep-cnn", ["--preset", "fast"], range(arguments.seeds), "test_accuracy")


def pets_fastai(arguments: argparse.Namespace) -> dict[str, Any]:
    """fastai, fine_tune(1)."""
    line, peak = child([arguments.fastai, str(HERE / "peers" / "fastai_pets.py"), "--seeds", "3"])
    return {**json.loads(line), "peak_memory_mib": round(peak)}


def pets(arguments: argparse.Namespace) -> dict[str, Any]:
    """longspan, as the system does by default."""
    return system("cats-or-dogs", ["--model", "squeezenet1_1"], range(3), "error")


def reading(arguments: argparse.Namespace) -> dict[str, Any]:
    """Photos to batches."""
    line, _ = child([arguments.fastai, str(HERE / "peers" / "fastai_loader.py")])
    ours, _ = child([sys.executable, str(HERE / "reading.py")])
    return {"fastai": json.loads(line), "longspan": json.loads(ours)}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    each.__name__: each for each in (loop, reading, pets_fastai, pets, mnist_fastai, mnist_book, mnist_fast)
}


def main() -> None:
    """Run the parts and keep each as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fastai", required=True, help="the python of an environment with fastai 2.8")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fastai-seeds", type=int, default=1)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    arguments = parser.parse_args()
    from longspan.report import describe_environment

    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in arguments.parts:  # each with its machine: parts may be of several runs, the two sides of one are not
        found[part] = {**PARTS[part](arguments), "environment": describe_environment()}
        print(part, json.dumps(found[part]), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
