"""What a step of a pipeline costs beside the functions of its stages: benchmarks/results/pipeline_steps.json.

python benchmarks/pipeline_steps.py
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import longspan as ls
from longspan.pipeline import Runner
from longspan.report import describe_environment

_STEPS = 5_000
_COMMAND = "python benchmarks/pipeline_steps.py"


class Count:
    """State that costs nothing to keep."""

    def reset(self) -> None:
        """From 0."""
        self.seen = 0

    def __call__(self, value: float) -> float:
        """One more."""
        self.seen += 1
        return value + self.seen


def runner_of(stages: int) -> Runner:
    """So many function stages in a row, each with state."""
    return ls.Pipeline([ls.Stage(f"s{i}", Count(), reads=f"x{i}", adds=f"x{i + 1}") for i in range(stages)]).start()


def microseconds(function: Callable[[float], object]) -> float:
    """Of one call: the median of many."""
    for _ in range(100):
        function(1.0)
    taken = []
    for _ in range(_STEPS):
        started = time.perf_counter()
        function(1.0)
        taken.append(time.perf_counter() - started)
    return 1e6 * statistics.median(taken)


def main() -> None:
    """Measure and write."""
    count = Count()
    count.reset()
    alone = microseconds(count)
    steps = {stages: microseconds(runner_of(stages).step) for stages in (1, 3, 10)}
    beside = {str(stages): round(taken - stages * alone, 1) for stages, taken in steps.items()}
    found = {
        "command": _COMMAND,
        "environment": describe_environment(),
        "steps": _STEPS,
        "overhead_us_by_stages": beside,
    }
    path = Path(__file__).parent / "results" / "pipeline_steps.json"
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(beside))


if __name__ == "__main__":
    main()
