"""The part of a study's report on tuning: what more trials brought each strategy, and where the crossover moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from longspan.report import Document
from longspan.study.formatting import say_error
from longspan.study.statistics.crossover import Crossover, NoCrossover

__all__ = ["add_trials"]


def add_trials(
    page: Document, trials: pl.DataFrame, tuning: Mapping[str, Any],
    crossed: Mapping[tuple[str, str], Mapping[int, Crossover | NoCrossover]], unit: str,
    words: Callable[[str], str],
) -> None:  # fmt: skip
    """A section with a row for 1, 2, 4 ... trials.

    Args:
        page: To add to.
        trials: See `StudyResults.trials`.
        tuning: What the study file holds of it.
        crossed: For each pair of strategies, the crossover by the number of trials.
        unit: Of the error.
        words: Makes a sentence about rows one about what was measured.
    """
    page.section("Tuning").text(
        f"Every run of every strategy tried {tuning['trials']} settings; the first is the strategy's own. "
        f"{100 * tuning['valid']:.3g} % of a run's training rows chose among them, and the budget was divided by the "
        "number of trials. Tuning only one side of a comparison moves its crossover, so look whether this one moves."
    )
    largest = int(trials["size"].max())  # type: ignore[arg-type]
    last = trials.filter((pl.col("size") == largest) & pl.col("error").is_finite())
    means = last.group_by("strategy", "trial", maintain_order=True).agg(pl.col("error").mean())
    known = {(row["strategy"], row["trial"]): row["error"] for row in means.to_dicts()}
    counts = list(next(iter(crossed.values()))) if crossed else [tuning["trials"]]
    rows: list[dict[str, object]] = []
    for count in counts:
        row: dict[str, object] = {"trials": count}
        for name in trials["strategy"].unique(maintain_order=True):
            error = known.get((name, count - 1))
            row[f"{name}, {largest:,} rows"] = None if error is None else say_error(error, unit)
        for pair, found in crossed.items():
            row[f"{pair[0]} and {pair[1]}"] = words(str(found[count]))
        rows.append(row)
    page.table(rows, caption="What each run would give with fewer trials, and where the curves would cross")
