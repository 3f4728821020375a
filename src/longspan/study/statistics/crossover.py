"""The amount of data at which one strategy overtakes another, with an interval that holds what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

from longspan.errors import StudyError, unknown_name
from longspan.study.formatting import percent, say_probability, say_size, three_digits
from longspan.study.statistics.curve_difference import Span, curve_difference
from longspan.study.statistics.curves import curves

__all__ = ["Crossover", "NoCrossover", "crossover"]

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
    """The strategy that errs less at smaller sizes."""
    above: str
    """The one that errs less at larger sizes."""
    tried: tuple[float, float]
    """The smallest and the largest size that both were tried at."""
    seeds: int
    """Runs behind the least certain point of both curves."""
    over: Over = "size"
    others: tuple[float, ...] = ()
    """Places outside the interval at which the mean curves cross too; they are less well supported."""

    def __repr__(self) -> str:
        return f"Crossover(size={_open(self.size)}, low={_open(self.low)}, high={_open(self.high)})"

    def __str__(self) -> str:
        """In words."""
        where = "at a cost of about" if self.over == "cost" else "at about"
        text = f"crossover {where} {say_size(self.size)} ({self.interval()}): {self.below} is better below, "
        text += f"{self.above} above"
        if self.others:
            text += f"; the mean curves also cross at {', '.join(say_size(each) for each in self.others)}"
        return text

    def interval(self) -> str:
        """The interval in words: "95 %: 900 to 1,700", "95 %: below 100 to 1,700"."""
        if self.seeds < 2:
            return "a single seed: no interval"
        low = f"below {say_size(self.tried[0])}" if self.low is None else say_size(self.low)
        high = f"above {say_size(self.tried[1])}" if self.high is None else say_size(self.high)
        return f"{percent(self.level)}: {low} to {high}"

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
    """Undecided: the mean curves cross, but at neither end is it told surely enough which is better."""
    level: float
    better: str | None = None
    """The strategy whose mean curve is lower throughout, if one is."""
    probability: float | None = None
    """How sure that is where it is least sure; None with a single seed."""
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
        if self.reason == "undecided":
            return f"{self!r} for sure: the mean curves cross, but neither end tells surely enough which is better"
        text = f"{self!r}: {self.better} has the lower error throughout"
        if self.probability is None:
            return f"{text} (a single seed: no probability)"
        text += f" ({say_probability(self.probability)} where it is least sure)"
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
    cost_per_row: Mapping[str, float] | None = None,
) -> Crossover | NoCrossover:  # fmt: skip
    """Where the mean curves of two strategies cross, within the sizes that both were tried at.

    The estimate: each curve runs through the means of its sizes and bends between them like its own power law
    (`CurveFit.measured_at`). The interval: from the smallest to the largest size at which the two curves cannot be told
    apart, by a t-test on their difference whose standard error comes from the bootstrap over seeds, paired. Of several
    crossings, the one with the clearest difference on both sides is given.

    Percentiles of the resampled crossings would hold 72 % where they say 90 %; this holds what it says
    (`benchmarks/study_coverage.py`). Where neither end of the sizes tried settles who is better there, no size is
    named (`CurveDifference.settles`).

    Source: Fieller 1954 (an interval as the set of all values that a t-test does not refuse), here for the place where
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

    Raises:
        StudyError: both names are the same, or a row costs nothing where costs are compared.
        UnknownNameError: a strategy that has no run, or no cost.
    """
    if first == second:
        raise StudyError(f"Give two strategies to compare, not {first!r} twice.")
    found = curves(frame, target=target, level=level, seed=seed, strategies=(first, second))
    scales, over = _scales(first, second, cost_per_row)
    fits = found[first].fit, found[second].fit
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


def _scales(first: str, second: str, cost_per_row: Mapping[str, float] | None) -> tuple[tuple[float, float], Over]:
    """What a row of each counts on the common axis, and what that axis is."""
    if cost_per_row is None:
        return (1.0, 1.0), "size"
    for name in (first, second):
        if name not in cost_per_row:
            raise unknown_name("strategy with a cost", name, cost_per_row)
        if not 0 < cost_per_row[name] < math.inf:
            raise StudyError(
                f"A training row costs {name!r} {cost_per_row[name]:g}, so no cost can be named at which strategies "
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
    """An end of an interval as it stands in a repr."""
    return "None" if end is None else f"{end:.10g}"
