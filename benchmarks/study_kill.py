"""A study killed with SIGKILL at random moments, then finished: the same rows and figures as an undisturbed one.

python benchmarks/study_kill.py --kills 10 --out benchmarks/results/study_kill.json

The killed study is started again and again, each time in a program of its own, and killed at a moment drawn between its
start and the time that a few runs take: while it imports, while its worker starts, within a run, while it writes. Then
it runs to its end. The same figures are equal floats, not similar ones.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import longspan as ls
from longspan.report import describe_environment

SIZES, SEEDS = (50, 100, 200), 8


def study(path: Path, jobs: int) -> ls.Study:
    """Two small networks on digits; its 48 runs take a second or less each."""
    digits = ls.datasets.load("digits").split(valid=0.2, seed=0)
    task = ls.Task(digits, inputs="image", targets="digit", size_px=16, move_leaks=True)
    config, model = ls.TrainConfig(batch_size=25), ls.SmallResNetConfig(blocks=1, width=8)
    strategies = {
        "plain": ls.Recipe(model, epochs=3, config=config),
        "dropout": ls.Recipe(model, epochs=3, config=config, heads={"digit": ls.Classify(dropout=0.3)}),
    }
    return ls.Study(task, strategies, SIZES, SEEDS, path=path, threads=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        study(options.child, options.jobs).run(jobs=options.jobs, progress=False)
        return
    with tempfile.TemporaryDirectory() as folder:
        result = compare(Path(folder), options)
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(0 if result["same_rows_and_figures"] else 1)


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run both studies and put them side by side."""
    whole, killed = folder / "whole.sqlite", folder / "killed.sqlite"
    process, started = subprocess.Popen(command(whole, options.jobs)), time.monotonic()
    while not finished(whole):
        time.sleep(0.1)
    first = time.monotonic() - started
    assert process.wait() == 0
    seconds = time.monotonic() - started
    draws = random.Random(options.seed)
    kills = []
    while len(kills) < options.kills:
        process = subprocess.Popen(command(killed, options.jobs), stderr=subprocess.DEVNULL)
        moment = draws.uniform(0.4, 1.0) * first + draws.uniform(0, 0.2) * seconds
        time.sleep(moment)
        if process.poll() is not None:
            break  # it was finished before the kill
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills.append({"after_seconds": round(moment, 2), "runs_finished": finished(killed)})
    subprocess.run(command(killed, options.jobs), check=True)
    rows = [ls.Study.open(path).frame().drop("seconds").rows() for path in (whole, killed)]
    return {
        "kills": len(kills),
        "moments": kills,
        "runs": len(rows[0]),
        "same_rows_and_figures": rows[0] == rows[1],
        "seconds_undisturbed": round(seconds, 1),
        "jobs": options.jobs,
        "environment": describe_environment(),
    }


def command(path: Path, jobs: int) -> list[str]:
    return [sys.executable, __file__, "--child", str(path), "--jobs", str(jobs)]


def finished(path: Path) -> int:
    return len(ls.Study.open(path).frame()) if path.exists() and path.stat().st_size else 0


if __name__ == "__main__":
    main()
