"""The same curves over what the labels cost: a stage may need fewer rows, and dearer labels in each of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from longspan.errors import StudyError, nearest, unknown_name
from longspan.study.run_grid import cells_of
from longspan.study.statistics.crossover import Crossover, NoCrossover, crossover
from longspan.study.statistics.curves import curves

__all__ = ["cost_crossover", "cost_per_row", "cost_table"]

_TABLE = {
    "strategy": pl.String, "size": pl.Int64, "cost": pl.Float64, "error": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "runs": pl.Int64,
}  # fmt: skip


def cost_per_row(
    prices: Mapping[str, float], needs: Mapping[str, Sequence[str]], *, strategies: Iterable[str] | None = None
) -> dict[str, float]:
    """What the labels of one training row cost each strategy.

    Example:
        >>> cost_per_row({"number": 1, "boxes": 6}, {"end to end": ["number"], "staged": ["number", "boxes"]})
        {'end to end': 1.0, 'staged': 7.0}

    Args:
        prices: the price of one label, by column; 0 for labels that cost nothing.
        needs: the label columns that each strategy trains on.
        strategies: the strategies of the study; those of `needs` if None.

    Raises:
        StudyError: a price below 0 or not a number, a needed column without a price, a price for a column that no
            strategy needs, a strategy whose needs are not given; all of it at once, each with the nearest valid name.
    """
    names = list(needs if strategies is None else strategies)
    needed = {column for columns in needs.values() for column in _listed(columns)}
    faults = [
        f"the price of {column!r} is {price!r}; a price is a number from 0 on."
        for column, price in prices.items()
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf
    ]
    faults += [
        f"there is a price for {column!r}, which no strategy needs.{_hint(column, needed)}"
        for column in prices
        if column not in needed
    ]
    faults += [
        f"{name!r} needs {column!r}, which has no price.{_hint(column, prices)} Give one, 0 if it costs nothing."
        for name, columns in needs.items()
        for column in _listed(columns)
        if column not in prices
    ]
    faults += [
        f"it is unclear which columns {name!r} needs.{_hint(name, needs)}" for name in names if name not in needs
    ]
    faults += [
        f"the needs of {name!r} are given, but this study has no such strategy.{_hint(name, names)}"
        for name in needs
        if name not in names
    ]
    if faults:
        lines = [faults[0]] if len(faults) == 1 else ["", *(f"  {fault}" for fault in faults)]
        raise StudyError("Labelling cost cannot be computed:" + (" " if len(faults) == 1 else "") + "\n".join(lines))
    return {name: float(sum(prices[column] for column in dict.fromkeys(_listed(needs[name])))) for name in names}


def cost_table(
    frame: Any, prices: Mapping[str, float], needs: Mapping[str, Sequence[str]], *, target: str | None = None,
    level: float = 0.95, seed: int = 0,
) -> pl.DataFrame:  # fmt: skip
    """The points of every curve with their cost: `strategy, size, cost, error, low, high, runs`.

    Args:
        frame: the runs; see `longspan.study.run_grid.cells_of`, whose errors are raised here too.
        prices: the price of one label, by column.
        needs: the label columns that each strategy trains on.
        target: whose error; may be left out where there is only one.
        level: of the intervals.
        seed: of the bootstrap, where there are more than six seeds.

    Raises:
        StudyError: see `cost_per_row`.
    """
    found = curves(frame, target=target, level=level, seed=seed)
    costs = cost_per_row(prices, needs, strategies=found)
    rows = [
        {
            "strategy": name, "size": point.size, "cost": point.size * costs[name], "error": point.mean,
            "low": point.low, "high": point.high, "runs": point.runs,
        }
        for name, curve in found.items()
        for point in curve.points
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=_TABLE)


def cost_crossover(
    frame: Any, first: str, second: str, prices: Mapping[str, float], needs: Mapping[str, Sequence[str]], *,
    target: str | None = None, level: float = 0.95, seed: int = 0,
) -> Crossover | NoCrossover:  # fmt: skip
    """The labelling cost at which one strategy overtakes the other, within the costs that both were tried at.

    Its arguments are those of `cost_table` and of `longspan.study.statistics.crossover.crossover`, and so are its
    errors.
    """
    cells = cells_of(frame, target=target)
    for name in (first, second):
        if name not in cells.strategies:
            raise unknown_name("strategy", name, cells.strategies)
    costs = cost_per_row(prices, needs, strategies=cells.strategies)
    return crossover(frame, first, second, target=cells.target, level=level, seed=seed, cost_per_row=costs)


def _listed(columns: Sequence[str] | str) -> list[str]:
    """Columns as a list; one name alone is meant as one column, not as its letters."""
    return [columns] if isinstance(columns, str) else list(columns)


def _hint(name: str, valid: Iterable[str]) -> str:
    near = nearest(name, valid)
    return f" Did you mean {near!r}?" if near else ""
