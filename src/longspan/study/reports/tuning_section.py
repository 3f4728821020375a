"""The part of a study's report on tuning: what more trials brought each strategy, and where the crossover moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from longspan.report import Document
from longspan.study.formatting import say_error

if TYPE_CHECKING:
    from longspan.study.results import StudyResults

__all__ = ["add_trials"]


def add_trials(page: Document, results: StudyResults, target: str, pairs: Sequence[tuple[str, str]]) -> None:
    """A section where the study was tuned by this target; nothing elsewhere."""
    trials = results.trials()
    tuning = results.facts["settings"].get("tuning")
    if trials.is_empty() or not tuning or (tuning.get("target") or results.targets[0]) != target:
        return
    unit = results.unit(target)
    page.section("Tuning").text(
        f"Every run of every strategy tried {tuning['trials']} settings; the first is the strategy's own. "
        f"{100 * tuning['valid']:.3g} % of a run's training rows chose among them, and the budget was divided by the "
        "number of trials. Tuning only one side of a comparison moves its crossover, so look whether this one moves."
    )
    largest = results.plan.sizes[-1]
    last = trials.filter((pl.col("size") == largest) & pl.col("error").is_finite())
    means = last.group_by("strategy", "trial", maintain_order=True).agg(pl.col("error").mean())
    known = {(row["strategy"], row["trial"]): row["error"] for row in means.to_dicts()}
    crossed = {pair: results.crossover_by_trials(*pair) for pair in pairs}
    counts = list(next(iter(crossed.values()))) if crossed else [tuning["trials"]]
    rows: list[dict[str, object]] = []
    for count in counts:
        row: dict[str, object] = {"trials": count}
        for name in results.plan.strategies:
            error = known.get((name, count - 1))
            row[f"{name}, {largest:,} rows"] = None if error is None else say_error(error, unit)
        for pair in crossed:
            row[f"{pair[0]} and {pair[1]}"] = str(crossed[pair][count])
        rows.append(row)
    page.table(rows, caption="What each run would give with fewer trials, and where the curves would cross")
