"""The finished runs of a study as one array: a cell for each strategy and size, a run in it for each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import narwhals as nw
import numpy as np
import polars as pl

from longspan.errors import StudyError, nearest, unknown_name

__all__ = ["RunGrid", "cells_of"]

_NEEDED = ("strategy", "size", "seed", "target", "error")
_NOTHING = "No run has a result, so there is nothing to compare. Look at the errors of the failed runs first."


@final
@dataclass(frozen=True, kw_only=True)
class RunGrid:
    """Errors of one target by strategy, size and seed. S strategies, K sizes, R seeds."""

    target: str
    """Whose error it is."""
    strategies: tuple[str, ...]
    """In the order in which they first appear."""
    sizes: np.ndarray
    """`(K,)` training rows, ascending."""
    seeds: tuple[int, ...]
    """Ascending. One seed means the same rows for every strategy, so runs are paired by it."""
    errors: np.ndarray
    """`(S, K, R)` float64; NaN where a run failed, or never was."""

    def of(self, strategy: str) -> np.ndarray:
        """`(K, R)`: the errors of one strategy.

        Raises:
            UnknownNameError: no run has this strategy; the message names the nearest.
        """
        if strategy not in self.strategies:
            raise unknown_name("strategy", strategy, self.strategies)
        return self.errors[self.strategies.index(strategy)]

    def missing(self) -> dict[tuple[str, int], int]:
        """How many runs each (strategy, size) lacks, of those that some other cell has; only cells that lack any."""
        lacking = np.isnan(self.errors).sum(axis=2)
        return {
            (name, int(size)): int(lacking[place, column])
            for place, name in enumerate(self.strategies)
            for column, size in enumerate(self.sizes)
            if lacking[place, column]
        }


def cells_of(frame: Any, *, target: str | None = None, strategies: Sequence[str] | None = None) -> RunGrid:
    """The runs of one target, from a data frame with a row for each run and target.

    Rows whose error is missing, NaN or infinite count as runs that failed.

    Args:
        frame: columns `strategy`, `size` (training rows), `seed`, `target`, `error` (lower is better, from 0 on); any
            data frame that narwhals reads.
        target: which target; may be left out where there is only one.
        strategies: only these, in this order; all, in order of appearance, if None.

    Raises:
        StudyError: a column is missing, no run has a result, a run stands there twice, errors below 0, several
            targets and none named.
        UnknownNameError: a target or strategy that no run has.
    """
    runs = nw.from_native(frame, eager_only=True).to_polars()
    for name in _NEEDED:
        if name not in runs.columns:
            near = nearest(name, runs.columns)
            hint = f" Is it the column {near!r}?" if near else ""
            raise StudyError(f"The data frame of runs has no column {name!r}.{hint} Needed: {', '.join(_NEEDED)}.")
    runs = runs.select(_NEEDED).with_columns(pl.col("error").cast(pl.Float64, strict=False))
    if not len(runs):
        raise StudyError(_NOTHING)
    found = runs["target"].unique(maintain_order=True).to_list()
    if target is None and len(found) > 1:
        raise StudyError(f"The runs have several targets: {', '.join(map(str, found))}. Name one with target=.")
    chosen = found[0] if target is None else target
    if chosen not in found:
        raise unknown_name("target", str(chosen), map(str, found))
    runs = runs.filter(pl.col("target") == chosen)
    names = runs["strategy"].unique(maintain_order=True).to_list()
    for name in strategies or ():
        if name not in names:
            raise unknown_name("strategy", name, names)
    names = list(dict.fromkeys(strategies)) if strategies is not None else names
    runs = runs.filter(pl.col("strategy").is_in(names))
    _refuse_faults(runs)
    sizes = np.array(sorted(set(runs["size"].to_list())), dtype=np.int64)
    seeds = sorted(set(runs["seed"].to_list()))
    errors = np.full((len(names), len(sizes), len(seeds)), np.nan)
    rows = [{each: place for place, each in enumerate(axis)} for axis in (names, sizes.tolist(), seeds)]
    for strategy, size, seed, _, error in runs.iter_rows():
        if error is not None and np.isfinite(error):
            errors[rows[0][strategy], rows[1][size], rows[2][seed]] = error
    if not np.isfinite(errors).any():
        raise StudyError(_NOTHING)
    return RunGrid(target=str(chosen), strategies=tuple(names), sizes=sizes, seeds=tuple(seeds), errors=errors)


def _refuse_faults(runs: pl.DataFrame) -> None:
    """Raise a `StudyError` for what cannot be a run: two results of one run, errors below 0, sizes below 1."""
    twice = runs.group_by("strategy", "size", "seed", maintain_order=True).len().filter(pl.col("len") > 1)
    if len(twice):
        strategy, size, seed, count = twice.row(0)
        raise StudyError(
            f"{strategy!r} at size {size} with seed {seed} stands {count} times in the data frame "
            f"({len(twice)} such runs in all). Keep one row for each run and target."
        )
    below = runs.filter(pl.col("error") < 0)
    if len(below):
        row = below.row(0, named=True)
        raise StudyError(
            f"{row['strategy']!r} at size {row['size']} with seed {row['seed']} has the error {row['error']:g}. An "
            "error is 0 at best; give a fraction of wrong predictions or a distance, not a score or a log-likelihood."
        )
    empty = runs.filter(pl.col("size").is_null() | (pl.col("size") < 1) | pl.col("seed").is_null())
    if len(empty):
        row = empty.row(0, named=True)
        raise StudyError(f"{row['strategy']!r} has size {row['size']}, seed {row['seed']}: whole numbers are needed.")
