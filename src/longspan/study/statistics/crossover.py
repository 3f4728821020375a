"""The amount of data at which one strategy overtakes another, with its interval and its probability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, final

import numpy as np

from longspan.errors import StudyError, unknown_name
from longspan.study.formatting import check_level, percent, say_chance, say_probability, say_size, three_digits
from longspan.study.run_grid import cells_of
from longspan.study.statistics.curve_difference import Span, curve_difference
from longspan.study.statistics.curves import curves
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.paired_difference import (
    PairedDifference,
    SignChange,
    paired_difference,
    rows_covariance,
)

__all__ = ["Crossover", "NoCrossover", "crossover", "crossovers"]

Over = Literal["size", "cost"]


@final
@dataclass(frozen=True, kw_only=True, repr=False)
class Crossover:
    """Where the curves of two strategies cross, within the sizes tried."""

    first: str
    second: str
    size: float
    """Training rows (a whole number), or a cost; three significant digits."""
    low: float | None
    """None where the crossover may lie below the sizes tried. Always None with a single seed."""
    high: float | None
    """None where it may lie above the sizes tried. Always None with a single seed."""
    level: float
    below: str
    """The strategy with the lower error at smaller sizes."""
    above: str
    """The one with the lower error at larger sizes."""
    tried: tuple[float, float]
    """The smallest and the largest size that both were tried at."""
    seeds: int
    """Runs behind the least certain point of both curves."""
    over: Over = "size"
    others: tuple[float, ...] = ()
    """Where the curves cross a second time, or a third, outside the interval."""
    probability: float | None = None
    """That the curves cross in the interval at all; None with a single seed."""
    rows_found: bool | None = None
    """Whether the crossover is settled for other rows like these too; None where errors of rows are not known."""
    rows_low: float | None = None
    """Ends of its interval on rows like these; None where the crossover may lie beyond the sizes tried."""
    rows_high: float | None = None
    rows_probability: float | None = None
    """That the curves cross on rows like these, in their interval if there is one, else in that on these rows."""

    def __repr__(self) -> str:
        return f"Crossover(size={_open(self.size)}, low={_open(self.low)}, high={_open(self.high)})"

    def __str__(self) -> str:
        """In words."""
        where = "at a cost of about" if self.over == "cost" else "at about"
        text = f"crossover {where} {say_size(self.size)} ({self.both_intervals()}): {self.below} is better below, "
        text += f"{self.above} above"
        if self.others:
            text += f"; they cross again at {', '.join(say_size(each) for each in self.others)}"
        return text

    def interval(self) -> str:
        """The interval in words: "95 %: 900 to 1,700", "95 %: below 100 to 1,700"."""
        if self.seeds < 2:
            return "a single seed: no interval"
        return f"{percent(self.level)}: {self._ends(self.low, self.high)}"

    def both_intervals(self) -> str:
        """Likewise, with what holds on rows like these where it is known."""
        if self.rows_found is None or self.seeds < 2:
            return self.interval()
        if not self.rows_found:
            sure = "" if self.rows_probability is None else f" (probability {say_chance(self.rows_probability)})"
            return f"{self.interval()} on these rows; on rows like these it is not settled{sure}"
        return f"{self.interval()} on these rows, {self._ends(self.rows_low, self.rows_high)} on rows like these"

    def _ends(self, low: float | None, high: float | None) -> str:
        """An interval in words."""
        start = f"below {say_size(self.tried[0])}" if low is None else say_size(low)
        end = f"above {say_size(self.tried[1])}" if high is None else say_size(high)
        return f"{start} to {end}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"found": True, "says": str(self)} | asdict(self)


@final
@dataclass(frozen=True, kw_only=True, repr=False)
class NoCrossover:
    """No crossover can be stated within the sizes tried; it reads "not within 100..3000"."""

    first: str
    second: str
    tried: tuple[float, float] | None
    """The smallest and the largest size that both were tried at; None if there is no such range."""
    reason: Literal["one is better", "same", "undecided", "no common range"]
    """Undecided: the mean curves cross, but at neither end is it certain enough which is better."""
    level: float
    better: str | None = None
    """The strategy whose mean curve is lower throughout, if one is."""
    probability: float | None = None
    """How sure that is where it is least sure; None with a single seed."""
    rows_probability: float | None = None
    """How sure it is on other rows like these; None where errors of rows are not known."""
    doubt: Span | None = None
    """The sizes at which a crossover is not ruled out, None for an end beyond those tried; None if it is ruled out."""
    over: Over = "size"

    def __repr__(self) -> str:
        if self.tried is None:
            return f"no common range of {self.over}s"
        return f"not within {self.tried[0]:.10g}..{self.tried[1]:.10g}"

    def __str__(self) -> str:
        """In words."""
        if self.reason == "no common range":
            return f"{self!r}: {self.first} and {self.second} both need runs at two sizes, in ranges that overlap"
        if self.reason == "same":
            return f"{self!r}: {self.first} and {self.second} have the same curve"
        if self.reason == "undecided" and self.tried is not None:
            start, end = self.tried
            return (
                f"undecided within {start:.10g}..{end:.10g}: the mean curves cross, but at neither end is it certain "
                "enough which is better"
            )
        text = f"{self!r}: {self.better} has the lower error throughout"
        if self.probability is None:
            return f"{text} (a single seed: no probability)"
        rows = "" if self.rows_probability is None else f", {say_probability(self.rows_probability)} on rows like these"
        here = " on these rows" if rows else ""
        text += f" ({say_probability(self.probability)} where it is least sure{here}{rows})"
        return text if self.doubt is None else f"{text}; a crossover {self._room(self.doubt)} is not ruled out"

    def _room(self, doubt: Span) -> str:
        low, high = doubt
        if low is None and high is None:
            return "anywhere"
        if low is None or high is None:
            return f"above {say_size(low)}" if low is not None else f"below {say_size(high or 0)}"
        return f"between {say_size(low)} and {say_size(high)}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"found": False, "says": str(self)} | asdict(self)


def crossover(
    frame: Any, first: str, second: str, *, target: str | None = None, level: float = 0.95, seed: int = 0,
    cost_per_row: Mapping[str, float] | None = None, held_out: HeldOutRows | None = None,
) -> Crossover | NoCrossover:  # fmt: skip
    """Where two learning curves cross, within the sizes that both were tried at; the most probable crossing.

    Over sizes with runs of the same seeds, `longspan.study.statistics.paired_difference` says at which sizes it is
    settled who has the lower error; a crossing lies between two sizes that are settled differently. Between the sizes
    tried a curve may bend, and the interval accounts for that. Where neither end of the sizes tried settles who is
    better there, no size is named.

    Over costs, and where strategies have no two sizes in common, the difference of two fitted curves is tested by the
    bootstrap over seeds instead (`longspan.study.statistics.curve_difference`), which knows nothing of bends.

    Source: Fieller 1954 (an interval as the set of all values that a test does not refuse), here for the place where
    a curve is 0 instead of a ratio.

    Args:
        frame: the runs; see `longspan.study.run_grid.cells_of`, whose errors are raised here too.
        first: a strategy.
        second: another.
        target: whose error; may be left out where there is only one.
        level: of the interval.
        seed: of the bootstrap, where there are more than six seeds.
        cost_per_row: what a training row costs each strategy (`longspan.study.cost.cost_per_row`); then the crossover
            is over cost instead of size.
        held_out: the rows that were measured on; then what holds on other rows like these is given beside it. None
            where errors of rows are not known.

    Raises:
        StudyError: both names are the same, or a row costs nothing where costs are compared.
        UnknownNameError: a strategy that has no run, or no cost.
    """
    if first == second:
        raise StudyError(f"Give two strategies to compare, not {first!r} twice.")
    scales, over = _scales(first, second, cost_per_row)
    if scales[0] == scales[1]:
        found = crossovers(
            frame, first, second, target=target, level=level, scale=scales[0], over=over, held_out=held_out
        )
        if found is not None:
            return max(found, key=_clearness) if isinstance(found, tuple) else found
    fitted = curves(frame, target=target, level=level, seed=seed, strategies=(first, second))
    fits = fitted[first].fit, fitted[second].fit
    apart = None
    if fits[0] is not None and fits[1] is not None:
        apart = curve_difference(fits[0], fits[1], level=level, scales=scales)
    if apart is None:
        return NoCrossover(first=first, second=second, tried=None, reason="no common range", level=level, over=over)
    tried = (_in_full(apart.x[0]), _in_full(apart.x[-1]))
    best = apart.clearest()
    if best is None:
        same = not apart.values.any()
        doubt = apart.span_of_doubt() if apart.runs > 1 else None
        return NoCrossover(
            first=first, second=second, tried=tried, reason="same" if same else "one is better", level=level, over=over,
            better=None if same else first if apart.values.sum() < 0 else second,
            probability=None if same else apart.least_sure(), doubt=_rounded_span(doubt, over),
        )  # fmt: skip
    low, high = span = apart.span_around(best) if apart.runs > 1 else (None, None)
    if apart.runs > 1 and not apart.settles(span):
        return NoCrossover(
            first=first,
            second=second,
            tried=tried,
            reason="undecided",
            level=level,
            doubt=_rounded_span(span, over),
            over=over,
        )
    places = [apart.place_of(each) for each in apart.crossings() if each != best]
    further = [each for each in places if apart.runs < 2 or each < (low or 0) or each > (high or math.inf)]
    below, above = (first, second) if apart.values[best[0]] < 0 else (second, first)
    return Crossover(
        first=first, second=second, size=_rounded(apart.place_of(best), over), low=_rounded(low, over),
        high=_rounded(high, over), level=level, below=below, above=above, tried=tried, seeds=apart.runs, over=over,
        others=tuple(_rounded(each, over) for each in further),
    )  # fmt: skip


def crossovers(
    frame: Any, first: str, second: str, *, target: str | None = None, level: float = 0.95, scale: float = 1.0,
    over: Over = "size", held_out: HeldOutRows | None = None,
) -> tuple[Crossover, ...] | NoCrossover | None:  # fmt: skip
    """Every crossing of two curves, ascending, each with its interval and probability; or that there is none.

    None where runs are not paired by seed at two sizes, or no size has two pairs.

    Args:
        frame: the runs; see `longspan.study.run_grid.cells_of`, whose errors are raised here too.
        first: a strategy.
        second: another.
        target: whose error; may be left out where there is only one.
        level: of the intervals.
        scale: what a training row counts on the axis: 1 for sizes, its cost for costs.
        over: the axis.
        held_out: the rows that were measured on; None where errors of rows are not known.
    """
    check_level(level)
    cells = cells_of(frame, target=target, strategies=(first, second))
    apart = paired_difference(cells.sizes, cells.of(first), cells.of(second))
    if apart is None:
        return None
    of_rows = rows_covariance(cells, first, second, held_out)
    wider = None
    if of_rows is not None:
        wider = paired_difference(cells.sizes, cells.of(first), cells.of(second), rows=of_rows)
    tried = (_in_full(apart.x[0] * scale), _in_full(apart.x[-1] * scale))
    changes = apart.sign_changes(level)
    doubt = apart.doubt(level)
    spread = None if doubt is None else tuple(None if end is None else end * scale for end in doubt)
    span = _rounded_span(cast("Span | None", spread), over)
    if not changes:
        same = bool(np.nanmax(np.abs(cells.of(first) - cells.of(second))) == 0)
        undecided = not same and apart.mean_crosses()
        better = first if apart.below.mean() >= 0.5 else second
        return NoCrossover(
            first=first, second=second, tried=tried, level=level, over=over, doubt=span,
            reason="same" if same else "undecided" if undecided else "one is better",
            better=None if same or undecided else better,
            probability=None if same or undecided else apart.least_sure(),
            rows_probability=None if same or undecided or wider is None else wider.least_sure(better == first),
        )  # fmt: skip
    places = [_rounded(each.size * scale, over) for each in changes]
    return tuple(
        Crossover(
            first=first, second=second, size=places[number],
            low=_rounded(None if each.low is None else each.low * scale, over),
            high=_rounded(None if each.high is None else each.high * scale, over), level=level,
            below=first if each.first_below else second, above=second if each.first_below else first, tried=tried,
            seeds=apart.runs, over=over, others=tuple(places[:number] + places[number + 1 :]),
            probability=each.probability, **_on_rows_like_these(wider, each, level, scale, over),
        )
        for number, each in enumerate(changes)
    )  # fmt: skip


def _on_rows_like_these(
    wider: PairedDifference | None, change: SignChange, level: float, scale: float, over: Over
) -> dict[str, Any]:
    """The fields of a crossover for other rows: of the nearest crossing there in the same direction."""
    if wider is None:
        return {}
    same = [each for each in wider.sign_changes(level) if each.first_below == change.first_below]
    if not same:
        sure = wider.crosses_in(change.low, change.high, first_below=change.first_below)
        return {"rows_found": False, "rows_probability": sure}
    near = min(same, key=lambda each: abs(math.log(each.size / change.size)))
    ends = (_rounded(None if end is None else end * scale, over) for end in (near.low, near.high))
    return dict(zip(("rows_low", "rows_high"), ends, strict=True)) | {
        "rows_found": True, "rows_probability": near.probability,
    }  # fmt: skip


def _clearness(found: Crossover) -> tuple[bool, float]:
    """Closed at both ends first, then the more probable."""
    return found.low is not None and found.high is not None, found.probability or 0.0


def _scales(first: str, second: str, cost_per_row: Mapping[str, float] | None) -> tuple[tuple[float, float], Over]:
    """What a row of each counts on the common axis, and what that axis is."""
    if cost_per_row is None:
        return (1.0, 1.0), "size"
    for name in (first, second):
        if name not in cost_per_row:
            raise unknown_name("strategy with a cost", name, cost_per_row)
        if not 0 < cost_per_row[name] < math.inf:
            raise StudyError(
                f"A training row costs {name!r} {cost_per_row[name]:g}, so there is no cost at which the strategies "
                "cross. Compare them over size."
            )
    return (cost_per_row[first], cost_per_row[second]), "cost"


def _rounded(value: float | None, over: Over) -> Any:
    """Three significant digits, and whole training rows."""
    return None if value is None else round(three_digits(value)) if over == "size" else three_digits(value)


def _rounded_span(span: Span | None, over: Over) -> Span | None:
    return None if span is None else (_rounded(span[0], over), _rounded(span[1], over))


def _in_full(value: float) -> float:
    """A size that was tried, without what logarithm and exponential have added to it."""
    whole = float(f"{value:.10g}")
    return int(whole) if whole == int(whole) else whole


def _open(end: float | None) -> str:
    """An end of an interval for a repr."""
    return "None" if end is None else f"{end:.10g}"
