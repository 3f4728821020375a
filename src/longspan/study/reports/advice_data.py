"""What more data would bring, what a wanted error takes, and what the labels for it cost, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from longspan.study.formatting import percent, say_error, say_interval, say_size, three_digits
from longspan.study.statistics.curves import Curve
from longspan.study.statistics.sample_size import NotReached, SizeFor

__all__ = ["cost_sentences", "data_sentences"]

_HARDLY = 0.2
"""More data hardly helps where even the upper end of what ten times as much would mend is less than this fraction."""


def data_sentences(
    found: Mapping[str, Curve], names: Sequence[str], *, wanted_error: float | None, unit: str = ""
) -> list[str]:
    """Whether more data still helps the strategies `names`, and how much of it a wanted error takes.

    Args:
        found: the curves of the study, by strategy.
        names: the strategies that are in the race, best first.
        wanted_error: an error to reach, for every strategy; None asks how the best of `names` could halve its own.
        unit: of the error.
    """
    said: list[str] = []
    for name in names:
        said += _about_more(found[name], unit)
    if wanted_error is not None:
        return said + [_about_wanted(curve, wanted_error, unit) for curve in found.values() if curve.fits]
    best = found[names[0]]
    if best.fits and not best.flat and not _hardly(best) and best.points[-1].mean > 0:
        said.append(_about_wanted(best, three_digits(best.points[-1].mean / 2), unit, halved=True))
    return said


def cost_sentences(
    found: Mapping[str, Curve], costs: Mapping[str, float], size: int, *, wanted_error: float | None, unit: str = ""
) -> list[str]:
    """What a row costs each strategy, and which is the cheapest way to a wanted error.

    Args:
        found: the curves of the study, by strategy.
        costs: what the labels of one training row cost each strategy.
        size: a size that was tried, for an example.
        wanted_error: an error to reach; None leaves the second sentence out.
        unit: of the error.
    """
    listed = [f"{say_size(costs[name])} a row for {name} ({say_size(costs[name] * size)} in all)" for name in found]
    said = [f"For {say_size(size)} training rows labels cost {', '.join(listed)}."]
    if wanted_error is None:
        return said
    answers = {name: curve.size_for(wanted_error) for name, curve in found.items() if curve.fits}
    reached = {name: each for name, each in answers.items() if isinstance(each, SizeFor)}
    if not reached:
        return said
    cheapest = min(reached, key=lambda name: reached[name].size * costs[name])
    answer, price = reached[cheapest], costs[cheapest]
    low, high = (None if end is None else three_digits(end * price) for end in (answer.low, answer.high))
    text = f"The cheapest way to an error of {say_error(wanted_error, unit)} is {cheapest}, for about "
    text += say_size(three_digits(answer.size * price))
    if low is None or high is None:
        text += ", without an interval" if answer.seeds < 2 else ", though no upper limit can be given"
    else:
        text += f" ({percent(answer.level)}: {say_size(low)} to {say_size(high)})"
        rivals = [
            name
            for name, each in reached.items()
            if name != cheapest and (each.low is None or each.low * costs[name] <= high)
        ]
        if rivals:
            text += f"; {' and '.join(rivals)} may be as cheap, for the intervals overlap"
    return [*said, text + (", extrapolated." if answer.extrapolated else ".")]


def _about_more(curve: Curve, unit: str) -> list[str]:
    """What twice the data would bring, or why that is not said."""
    name = curve.strategy
    if curve.fit is None:
        return [f"What more data would bring {name} cannot be said: {curve.no_law}."]
    if curve.flat:
        first, last = (say_size(size) for size in curve.fit.sizes[[0, -1]])
        return [f"The error of {name} did not fall between {first} and {last}, so nothing says that more data helps."]
    if not curve.fits:
        return [f"The errors of {name} do not follow a power law, so what more data brings is not extrapolated."]
    largest = int(curve.fit.sizes[-1])
    double, ten = curve.gain(2), curve.gain(10)
    now, then = curve.error_at(largest), curve.error_at(2 * largest)
    change = f"from {say_error(now.value, unit)} to about {say_error(then.value, unit)}"
    if double.low is None or double.high is None or then.low is None or then.high is None:
        text = f"By its fitted curve twice the data ({say_size(2 * largest)}) would bring {name} {change}"
        return [f"{text}; extrapolated, without an interval."]
    fraction = f"{percent(curve.level)}: {_fraction(double.low)} to {_fraction(double.high)}"
    if _hardly(curve):
        return [
            f"More data hardly helps {name} any more: by its fitted curve even ten times as much would take away "
            f"{_fraction(max(0.0, ten.value))} of the error, {_fraction(max(0.0, ten.high or 0.0))} at most; "
            "extrapolated."
        ]
    if double.low <= 0:
        text = f"Whether more data still helps {name} cannot be told: twice as much would take away"
        return [f"{text} {_fraction(double.value)} of the error ({fraction}); extrapolated."]
    interval = say_interval(then.low, then.high, unit)
    return [
        f"More data still helps {name}: twice as much ({say_size(2 * largest)}) would bring it {change} "
        f"({percent(curve.level)}: {interval}); extrapolated."
    ]


def _about_wanted(curve: Curve, error: float, unit: str, *, halved: bool = False) -> str:
    """How much data an error takes."""
    answer = curve.size_for(error)
    name, wanted = curve.strategy, f"an error of {say_error(error, unit)}"
    aim = f"To halve its error to {say_error(error, unit)}, {name}" if halved else f"For {wanted}, {name}"
    if isinstance(answer, NotReached) and answer.reason == "flat":
        return f"{name} does not come to {wanted}: its error did not fall with more data."
    if isinstance(answer, NotReached):
        if answer.reason == "floor":
            text = f"By its fitted curve {name} never comes to {wanted}: its floor is {say_error(answer.floor, unit)}"
        else:
            text = f"By its fitted curve {name} comes to {wanted} only beyond any size that could be named"
        if answer.low is not None:
            text += f", though the interval leaves room for it from {say_size(answer.low)} on"
        return text + "; extrapolated."
    return f"{aim} needs {answer}."


def _hardly(curve: Curve) -> bool:
    """Whether more data hardly helps, whatever is right within the interval."""
    most = curve.gain(10).high
    return most is not None and most < _HARDLY


def _fraction(value: float) -> str:
    """A share as percent without digits that mean nothing."""
    return f"{value * 100:,.0f} %" if abs(value) >= 1 else f"{value * 100:.2g} %"
