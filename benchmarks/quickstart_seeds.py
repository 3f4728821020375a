"""Whether the quickstart's finding stands for other seeds: is the crossover decided, and where is it?

    python benchmarks/quickstart_seeds.py --seeds 10 --out benchmarks/results/quickstart_seeds.json

For each seed the whole quickstart runs once: other images, other training rows, other first weights. Decided means that
at the smallest size one strategy is better with P >= 0.95, at the largest the other, and that the crossover has an
interval whose ends are at most a factor of 4 apart.

Seeds that the file of results holds, with the same options, are not run again: stop it and call it again. `--at-most 1`
runs one more seed and ends.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import torch

import longspan as ls
from longspan.study.statistics.crossover import Crossover
from longspan.systems import find_system
from longspan.systems.numbers.quickstart import QuickstartOptions
from longspan.systems.numbers.strategies import END_TO_END, STAGED
from longspan.systems.result import SystemRun

SURE, WIDEST = 0.95, 4.0


def measured(seed: int, options: QuickstartOptions) -> dict[str, object]:
    """One quickstart: its errors, how sure either end is, its crossover, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        find_system("quickstart").run(options, SystemRun("quickstart", Path(folder), seed=seed, quiet=True))
        seconds = time.perf_counter() - started
        results = ls.Study.open(Path(folder) / "study.sqlite")
        compared = results.compare(STAGED, END_TO_END)
        crossing = results.crossover(STAGED, END_TO_END)
        errors = {name: {p.size: round(p.mean, 4) for p in curve.points} for name, curve in results.curves().items()}
        advice = results.advice()
        spent = {name: 0.0 for name in errors}
        for name, took in results.frame().select("strategy", "seconds").rows():
            spent[name] += took
        preferred = [
            results.preference(STAGED, END_TO_END, size=size) for size in (compared[0].size, compared[-1].size)
        ]
    found = isinstance(crossing, Crossover) and crossing.low is not None and crossing.high is not None
    ratio = crossing.high / crossing.low if found else None  # type: ignore[union-attr, operator]
    # The model of the difference over all sizes, which the crossover comes from too; `compare` looks at one size alone.
    first, last = preferred[0].first_better, preferred[1].first_better
    decided = bool(ratio and ratio <= WIDEST and first >= SURE and 1 - last >= SURE)
    return {
        "seed": seed, "decided": decided, "probability staged is better, smallest": first,
        "probability end to end is better, largest": 1 - last,
        "on rows like these": [compared[0].rows_probability, 1 - (compared[-1].rows_probability or 0.0)],
        "crossover": crossing.size if found else None, "low": crossing.low if found else None,  # type: ignore[union-attr]
        "high": crossing.high if found else None, "high / low": ratio,  # type: ignore[union-attr]
        "errors": errors, "seconds": round(seconds, 1), "advice": advice,
        "seconds inside runs": {name: round(took, 1) for name, took in spent.items()},
    }  # fmt: skip


def finished(path: Path | None, options: QuickstartOptions) -> list[dict[str, object]]:
    """Runs in the file of results whose options were the same; `jobs` changes none of the errors."""
    if path is None or not path.is_file():
        return []
    known = json.loads(path.read_text())
    same = {**known["options"], "jobs": None} == {**asdict(options), "jobs": None}
    return known["runs"] if same else []


def main() -> None:
    """Run the quickstart for each seed and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--at-most", type=int, help="seeds to run in this call")
    parser.add_argument("--sizes", default=QuickstartOptions().sizes)
    parser.add_argument("--steps", type=int, default=QuickstartOptions().steps)
    parser.add_argument("--images", type=int, default=QuickstartOptions().images)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    options = QuickstartOptions(jobs=asked.jobs, sizes=asked.sizes, steps=asked.steps, images=asked.images)
    runs = finished(asked.out, options)
    missing = [seed for seed in range(asked.seeds) if seed not in {run["seed"] for run in runs}]
    for seed in missing[: asked.at_most]:
        runs = sorted([*runs, measured(seed, options)], key=lambda run: int(str(run["seed"])))
        print(json.dumps(next({**run, "advice": None} for run in runs if run["seed"] == seed)), flush=True)
        decided = sum(bool(run["decided"]) for run in runs)
        print(f"decided in {decided} of {len(runs)}", flush=True)
        if asked.out:
            result = {
                "command": f"python benchmarks/quickstart_seeds.py --seeds {asked.seeds} --out {asked.out}",
                "decided": decided, "of": len(runs), "options": asdict(options), "runs": runs,
                "longspan": ls.__version__, "torch": torch.__version__, "machine": platform.machine(),
            }  # fmt: skip
            asked.out.write_text(json.dumps(result, indent=1) + "\n")  # after each: a run takes minutes


if __name__ == "__main__":
    main()
