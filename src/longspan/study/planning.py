"""A study before its first run: how many seeds, held-out rows and sizes detect a difference, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
import polars as pl

from longspan.errors import StudyError
from longspan.study.formatting import percent, say_error, say_size, three_digits
from longspan.study.run_grid import RunGrid, cells_of
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.paired_difference import pair_scale, pair_variances
from longspan.study.statistics.power import DifferenceSpread, detectable_difference, rows_needed, seeds_needed

__all__ = ["StudyDesign", "plan_study", "spread_of"]

_SEEDS = (3, 5, 10, 20)
_STEP = 3.0
_MOST_SIZES = 6
_RARELY_LESS = 3


@final
@dataclass(frozen=True, kw_only=True)
class StudyDesign:
    """What detects a difference between two strategies at an amount of data."""

    first: str
    second: str
    size: int
    """Training rows that the difference is for."""
    difference: float
    power: float
    level: float
    rows: int
    """Held-out rows of the pilot."""
    seeds: int | None
    """Seeds that detect it on those rows; None where no number does, because the rows are too few."""
    sizes: tuple[int, ...]
    """Training sizes, ascending, so that curves and a crossover can be drawn as well."""
    hours: float | None
    """Of all trainings with those seeds and sizes; None where the pilot has no seconds."""
    options: tuple[tuple[int, int | None, float | None], ...]
    """Seeds, held-out rows that detect the difference with them, and hours."""
    detected_by_pilot: float
    """The difference that the pilot's own seeds and rows detect with this power."""
    of_rows: bool
    """Whether errors of rows were known; else right and wrong rows are taken to differ on as many as are wrong."""

    def sentences(self, unit: str = "") -> list[str]:
        """In words."""
        wanted = f"a difference of {say_error(self.difference, unit)} between {self.first} and {self.second}"
        where = f"with {say_size(self.size)} training rows"
        sure = f"with {percent(self.power)} power at {percent(self.level)}"
        lines = []
        if self.seeds is None:
            lines.append(
                f"To detect {wanted} {where} {sure}, the {self.rows:,} held-out rows of the pilot are too few, however "
                "many seeds are run."
            )
        else:
            cost = "" if self.hours is None else f", about {_hours(self.hours)} of training"
            listed = ", ".join(say_size(size) for size in self.sizes)
            lines.append(
                f"To detect {wanted} {where} {sure}, run {self.seeds} seeds on the same {self.rows:,} held-out rows; "
                f"at the sizes {listed} this takes {2 * self.seeds * len(self.sizes)} trainings{cost}."
            )
        enough = [(seeds, rows) for seeds, rows, _ in self.options if rows is not None]
        if enough:
            each = ", ".join(f"{seeds} seeds and {rows:,} rows" for seeds, rows in enough)
            lines.append(f"Seeds and held-out rows that would detect it: {each}.")
        lines.append(f"The pilot itself detects a difference of {say_error(self.detected_by_pilot, unit)}.")
        if not self.of_rows:
            lines.append(
                "The errors of single rows are unknown, so the two strategies are assumed to differ on as many rows "
                "as are wrong."
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def plan_study(
    frame: Any, first: str, second: str, *, difference: float, size: float | None = None, power: float = 0.8,
    level: float = 0.95, target: str | None = None, held_out: HeldOutRows | None = None, rows: int | None = None,
) -> StudyDesign:  # fmt: skip
    """Seeds, held-out rows and sizes that detect a difference, from a pilot or from curves of a similar task.

    Args:
        frame: Runs; see `longspan.study.run_grid.cells_of`, whose errors are raised here too. With a column `seconds`
            the cost is given.
        first: A strategy.
        second: Another.
        difference: Between their errors, in their unit, that is to be detected (0.01 for one point of an error rate).
        size: Training rows that it is for; the largest of the pilot if None.
        power: The probability of detecting the difference if it exists.
        level: Of the interval of the difference that must exclude 0.
        target: Whose error; may be left out where there is only one.
        held_out: The rows that the pilot was measured on, with their errors.
        rows: How many they are, where `held_out` is not known.

    Raises:
        StudyError: too few pairs of runs, a difference that is not above 0, or no number of held-out rows.
    """
    if not 0 < difference < math.inf:
        raise StudyError(f"difference={difference}: the difference in error to detect, above 0 (0.01 for one point).")
    if first == second:
        raise StudyError(f"Give two strategies to compare, not {first!r} twice.")
    cells = cells_of(frame, target=target, strategies=(first, second))
    count = rows if held_out is None else held_out.count
    if count is None or count < 2:
        raise StudyError("How many held-out rows were errors measured on? These runs do not say: give rows= (--rows).")
    at = float(cells.sizes[-1] if size is None else size)
    if not cells.sizes[0] <= at:
        raise StudyError(f"size={at:,g} lies below the sizes of the pilot, which begin at {cells.sizes[0]:,}.")
    spread, of_rows = spread_of(cells, first, second, at, count, held_out)
    sizes = _sizes(float(cells.sizes[0]), at)
    seconds = _seconds_of_a_seed(frame, (first, second), sizes, cells.target)
    found = seeds_needed(spread, difference, count, power=power, level=level)
    options = tuple(
        (seeds, rows_needed(spread, difference, seeds, power=power, level=level), _in_hours(seconds, seeds))
        for seeds in _SEEDS
    )
    pairs = max(2, int(np.isfinite(cells.of(first) - cells.of(second)).sum(axis=1).max()))
    seeds = None if found is None else max(_RARELY_LESS, found)
    return StudyDesign(
        first=first, second=second, size=round(at), difference=difference, power=power, level=level, rows=count,
        seeds=seeds, sizes=sizes, hours=None if seeds is None else _in_hours(seconds, seeds), options=options,
        detected_by_pilot=detectable_difference(spread, pairs, count, power=power, level=level), of_rows=of_rows,
    )  # fmt: skip


def spread_of(
    cells: RunGrid, first: str, second: str, size: float, rows: int, held_out: HeldOutRows | None
) -> tuple[DifferenceSpread, bool]:
    """The variances of a difference at the size of a pilot nearest to `size`, and whether errors of rows were known.

    Raises:
        StudyError: no size has two pairs of runs.
    """
    ours, theirs = cells.of(first), cells.of(second)
    apart = ours - theirs
    pairs = np.isfinite(apart).sum(axis=1)
    (used,) = np.nonzero(pairs > 1)
    if not len(used):
        raise StudyError(
            f"{first!r} and {second!r} need two runs of the same seed at one size at least: two seeds make a pilot."
        )
    known = pair_variances(cells.sizes[used], apart[used], pair_scale(ours[used], theirs[used]))
    place = int(np.argmin(np.abs(np.log(cells.sizes[used] / size))))
    at = int(used[place])
    of_pair, df = float(known.values[place]), float(known.df[place])
    errors = None if held_out is None else _row_differences(held_out, first, second, cells, at)
    if errors is None:
        level = float(np.nanmean(ours[at]) + np.nanmean(theirs[at])) / 2
        proportion = held_out is None or held_out.proportion
        of_row = level if proportion and level < 1 else 0.0
        return DifferenceSpread(seeds=of_pair, rows=of_row, both=0.0, df=df), False
    seeds, count = errors.shape
    rest = errors - errors.mean(axis=0) - errors.mean(axis=1, keepdims=True) + errors.mean()
    both = float((rest**2).sum()) / max(1, (seeds - 1) * (count - 1))
    # Half a row more where only one strategy is right, and half where only the other is: no variance is certainly 0.
    of_row = max((float((errors.mean(axis=0) ** 2).sum()) + 1) / (count + 2) - both / seeds, 1 / (count + 2))
    return DifferenceSpread(seeds=max(0.0, of_pair - both / rows), rows=of_row, both=both, df=df), True


def _row_differences(held_out: HeldOutRows, first: str, second: str, cells: RunGrid, place: int) -> np.ndarray | None:
    apart = cells.of(first)[place] - cells.of(second)[place]
    seeds = [seed for seed, each in zip(cells.seeds, apart, strict=True) if np.isfinite(each)]
    pairs = [
        (
            held_out.runs.get((first, int(cells.sizes[place]), s)),
            held_out.runs.get((second, int(cells.sizes[place]), s)),
        )
        for s in seeds
    ]
    if any(a is None or b is None for a, b in pairs):
        return None
    found = np.stack([a - b for a, b in pairs if a is not None and b is not None])
    found = found[:, np.isfinite(found).all(axis=0)]
    return found if found.shape[1] > 1 else None


def _sizes(lowest: float, highest: float) -> tuple[int, ...]:
    """From the smallest size of the pilot to the one that counts, evenly on a log axis, about threefold apart."""
    if highest <= lowest * 1.2:
        return (round(highest),)
    count = min(_MOST_SIZES, max(3, 1 + math.ceil(math.log(highest / lowest) / math.log(_STEP))))
    inner = [round(three_digits(each)) for each in np.geomspace(lowest, highest, count)[1:-1]]
    return tuple(dict.fromkeys([round(lowest), *inner, round(highest)]))


def _seconds_of_a_seed(frame: Any, names: Sequence[str], sizes: Sequence[int], target: str) -> float | None:
    """Of both strategies at all sizes once; in proportion to rows between and beyond the sizes that were run."""
    import narwhals as nw

    runs = nw.from_native(frame, eager_only=True).to_polars()
    if "seconds" not in runs.columns:
        return None
    total = 0.0
    for name in names:
        own = runs.filter((pl.col("strategy") == name) & (pl.col("target") == target))
        means = own.group_by("size").agg(pl.col("seconds").mean()).sort("size").drop_nulls()
        if not len(means):
            return None
        x, y = means["size"].to_numpy().astype(float), means["seconds"].to_numpy()
        for size in sizes:
            beyond = max(1.0, size / x[-1])
            total += float(np.interp(min(size, x[-1]), x, y)) * float(beyond)
    return total


def _in_hours(seconds: float | None, seeds: int) -> float | None:
    return None if seconds is None else seconds * seeds / 3600


def _hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.3g} hours"
    return f"{max(1, round(hours * 60))} minute{'s' if round(hours * 60) > 1 else ''}"
