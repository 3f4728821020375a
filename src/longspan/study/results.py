"""What a study file says: figures, curves, crossover, advice. It reads the file and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import polars as pl

from longspan.errors import StudyError, unknown_name
from longspan.study.plan import Plan
from longspan.study.runs import Run
from longspan.study.store import StudyFile

__all__ = ["StudyResults"]

_RUNS = {
    "strategy": pl.String, "size": pl.Int64, "seed": pl.Int64, "target": pl.String, "error": pl.Float64,
    "steps": pl.Int64, "seconds": pl.Float64,
}  # fmt: skip
_NOT_KEPT = (
    'was not kept. keep_models="all" or "largest" keeps those of runs that are yet to come; finished runs are not run '
    "again, so a study in a new file is needed for the others."
)
_FAILURES = {
    "strategy": pl.String, "size": pl.Int64, "seed": pl.Int64, "error": pl.String, "message": pl.String,
    "trace": pl.String, "at": pl.String,
}  # fmt: skip


@final
class StudyResults:
    """The finished runs of a study, and what follows from them.

    `Study` gives its own; `Study.open(path)` those of any study file, finished or not, without task and strategies.
    """

    def __init__(self, path: str | Path, plan: Plan | None = None) -> None:
        """Look at a study file.

        Args:
            path: The file.
            plan: Only these strategies, sizes and seeds; all that the file was ever asked for if None.

        Raises:
            StudyError: there is no such file, or it is damaged, of another version, or something else.
        """
        self.path = Path(path).expanduser()
        with StudyFile.open_file(self.path) as file:
            self.facts = file.facts()
        asked = {name: tuple(values) for name, values in self.facts["plan"].items()}
        self.plan = plan or Plan(**asked)

    def __repr__(self) -> str:
        done = len(self.frame().unique(["strategy", "size", "seed"]))
        return f"StudyResults({self.path}; {done} of {len(self.plan.runs())} runs finished)"

    def frame(self) -> pl.DataFrame:
        """One row per finished run and target: strategy, size, seed, target, error, steps, seconds."""
        with StudyFile.open_file(self.path) as file:
            rows = self._asked_for(file.rows())
        return pl.DataFrame([{name: row[name] for name in _RUNS} for row in rows], schema=_RUNS)

    def failures(self) -> pl.DataFrame:
        """One row per run that failed and has not succeeded since: the error's name, message and trace, and when."""
        with StudyFile.open_file(self.path) as file:
            rows = self._asked_for(file.failures())
        return pl.DataFrame([{name: row[name] for name in _FAILURES} for row in rows], schema=_FAILURES)

    def missing(self) -> list[Run]:
        """Runs that were asked for and are not finished."""
        with StudyFile.open_file(self.path) as file:
            finished = file.finished()
        return [run for run in self.plan.runs() if run not in finished]

    # --- kept models ---------------------------------------------------------------------------------------------

    def model(self, strategy: str, size: int, seed: int) -> Path:
        """The file of a kept model; `ls.load` reads it.

        Raises:
            StudyError: that run is not finished, or its model was not kept.
        """
        if strategy not in self.plan.strategies:
            raise unknown_name("strategy", strategy, self.plan.strategies)
        run = Run(strategy, size, seed)
        with StudyFile.open_file(self.path) as file:
            models = {Run(row["strategy"], row["size"], row["seed"]): row["model"] for row in file.rows()}
        if run not in models:
            raise StudyError(
                f"There is no finished run {run}. Sizes are {', '.join(map(str, self.plan.sizes))}, seeds "
                f"{', '.join(map(str, self.plan.seeds))}."
            )
        name = models[run]
        if name is None or not (self.path.parent / name).is_file():
            raise StudyError(f"The model of {run} {_NOT_KEPT}")
        return self.path.parent / name

    def best(self, target: str | None = None) -> Path:
        """The kept model with the lowest error of one target (the only or the first one).

        The rows that it was measured on have chosen it, so its error is a little better than it will be on others.

        Raises:
            StudyError: no model was kept.
        """
        with StudyFile.open_file(self.path) as file:
            rows = self._asked_for(file.rows())
        wanted = self._target(target)
        kept = [row for row in rows if row["target"] == wanted and row["model"] is not None]
        if not kept:
            raise StudyError(f"The model of any run {_NOT_KEPT}")
        best = min(kept, key=lambda row: row["error"])
        return self.model(best["strategy"], best["size"], best["seed"])

    # --- helpers -------------------------------------------------------------------------------------------------

    def _target(self, target: str | None) -> str:
        targets = list(self.facts["measures"])
        if target is not None and target not in targets:
            raise unknown_name("target", target, targets)
        return target or targets[0]

    def _asked_for(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        runs = set(self.plan.runs())
        return [row for row in rows if Run(row["strategy"], row["size"], row["seed"]) in runs]
