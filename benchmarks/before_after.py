"""Speed of an earlier commit and of the working tree, interleaved in one run on one machine.

LONGSPAN_DATA=../shared/data python benchmarks/before_after.py --out benchmarks/results/before_after.json

The earlier commit is checked out into a temporary folder; both sides run in the same environment, each measurement in a
process of its own: the training loop beside the hand-written one, fine-tuning on pets, passes of photos, the same
training beside a program that keeps every core busy, and how long help and import take. A quarter of an hour on two
quiet cores; nothing else may run. `--rounds 1 --rows 1280 --epochs 3 --no-pets` tries it in two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from longspan.report import describe_environment

ROOT = Path(__file__).parents[1]
BEFORE = "2534195"
"""The last commit before the rooms were rebuilt for every kind of data."""
SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
BUSY = """
import json, sys
import numpy as np
import longspan as ls
import torch
torch.set_num_threads(int(sys.argv[1]))
digits = ls.datasets.load("mnist").take(np.arange(1930))
split = digits.with_column("role", ls.Category(), ["train"] * 1920 + ["valid"] * 10).split(column="role")
task = ls.Task(split, inputs="image", targets="digit", allow_leaks=True)
learner = ls.Learner(task, "deep_cnn", config=ls.TrainConfig(batch_size=128), progress=False, device="cpu")
learner.fit_one_cycle(3, lr=3e-3)
print(json.dumps(min(record["seconds"] for record in learner.history[1:])))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default=BEFORE, metavar="COMMIT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=12_800, help="MNIST images of an epoch of the loop")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--no-pets", action="store_true", help="leave fine-tuning on pets out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    started, load = time.monotonic(), os.getloadavg()
    with _checked_out(options.before) as earlier:
        sides = {"before": earlier, "now": ROOT}
        # Every other round in the other order, so that neither side always finds the warmer machine.
        orders = [dict(sides), dict(reversed(sides.items()))]
        measured = [_round(orders[number % 2], options) for number in range(options.rounds)]
    values = {
        name: {side: [each[name][side] for each in measured] for side in measured[0][name]} for name in measured[0]
    }
    result = {
        "command": f"python benchmarks/before_after.py {' '.join(sys.argv[1:])}".strip(),
        "before": options.before,
        "now": _git("rev-parse", "--short", "HEAD"),
        "results": {name: _summary(sides, name) for name, sides in values.items()},
        "load_before": [round(each, 2) for each in load],
        "seconds": round(time.monotonic() - started),
        "environment": describe_environment(),
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _round(sides: dict[str, Path], options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Every measurement once for both sides."""
    cores = str(len(os.sched_getaffinity(0)))
    found: dict[str, dict[str, float]] = {}
    rows, epochs = ["--rows", str(options.rows)], ["--epochs", str(options.epochs)]
    loop = {"handwritten": _json(ROOT, ["benchmarks/peers/handwritten_mnist.py", *rows, "--epochs", "2"])}
    loop |= {side: _json(root, ["benchmarks/loop.py", *rows, *epochs]) for side, root in sides.items()}
    found["mnist_loop_images_per_second"] = {side: each["images_per_second"] for side, each in loop.items()}
    reading = {side: _json(root, ["benchmarks/reading.py"]) for side, root in sides.items()}
    for name in ("first_pass", "first_pass_again", "later_passes", "later_passes_normalised"):
        key = f"{name}_images_per_second"
        found[f"photos_{key}"] = {side: each[key] for side, each in reading.items()}
    if not options.no_pets:
        found["pets_training_seconds"] = {side: _pets(root) for side, root in sides.items()}
    alone = {side: float(_run(root, ["-c", BUSY, cores])) for side, root in sides.items()}
    with _busy_cores(int(cores)):
        beside = {side: float(_run(root, ["-c", BUSY, cores])) for side, root in sides.items()}
    found["seconds_alone"] = alone
    found["times_as_slow_beside_busy_cores"] = {side: beside[side] / alone[side] for side in sides}
    for name, words in {
        "help_seconds": ["-m", "longspan", "--help"],
        "import_seconds": ["-c", "import longspan"],
    }.items():
        found[name] = {side: min(_seconds(root, words) for _ in range(4)) for side, root in sides.items()}
    return found


def _summary(sides: dict[str, list[float]], name: str) -> dict[str, Any]:
    """Values by round; now over before of the fastest, which are disturbed least."""
    best = max if name.endswith("per_second") else min
    fastest = {side: best(values) for side, values in sides.items()}
    summary: dict[str, Any] = {side: [round(value, 4) for value in values] for side, values in sides.items()}
    summary["now_over_before"] = round(fastest["now"] / fastest["before"], 3)
    if "handwritten" in fastest:
        summary["now_over_handwritten"] = round(fastest["now"] / fastest["handwritten"], 3)
        summary["before_over_handwritten"] = round(fastest["before"] / fastest["handwritten"], 3)
    summary["more_is_better"] = name.endswith("per_second")
    return summary


def _pets(root: Path) -> float:
    """Seconds that fine-tuning takes, as the system itself measures them."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "cats-or-dogs", "--model", "squeezenet1_1", "--seed", "0", "--out", folder]
        _run(root, ["-m", "longspan", *words])
        return json.loads((Path(folder) / "result.json").read_text("utf-8"))["seconds"]["train"]


def _json(root: Path, words: list[str]) -> dict[str, Any]:
    return json.loads(_run(root, [str(root / words[0]), *words[1:]]).splitlines()[-1])


def _seconds(root: Path, words: list[str]) -> float:
    started = time.perf_counter()
    _run(root, words)
    return time.perf_counter() - started


def _run(root: Path, words: list[str]) -> str:
    """What Python prints with the package of this side."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment |= {"PYTHONPATH": str(root / "src"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *words],
        env=environment,
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{root}: {' '.join(words)[:200]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def _busy_cores(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="before-") as folder:
        _git("worktree", "add", "--detach", f"{folder}/tree", commit)
        try:
            yield Path(folder) / "tree"
        finally:
            _git("worktree", "remove", "--force", f"{folder}/tree")


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
