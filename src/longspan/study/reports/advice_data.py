"""What more data would bring, what a wanted error takes, and what the labels for it cost, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from longspan.study.formatting import percent, say_error, say_size, three_digits
from longspan.study.reports.more_data import more_data_sentence
from longspan.study.run_grid import RunGrid
from longspan.study.statistics.curves import Curve
from longspan.study.statistics.extrapolation import FARTHEST_FORECAST
from longspan.study.statistics.sample_size import NotReached, SizeFor

__all__ = ["cost_sentences", "data_sentences", "learning_sentences"]

_SIZES_NAMED = 4


def data_sentences(
    found: Mapping[str, Curve], names: Sequence[str], cells: RunGrid, *, wanted_error: float | None, unit: str = "",
    largest: float = math.inf,
) -> list[str]:  # fmt: skip
    """Whether more data still helps the strategies `names`, and how much of it a wanted error takes.

    Args:
        found: the curves of the study, by strategy.
        names: the strategies that are in the race, best first.
        cells: the runs.
        wanted_error: an error to reach, for every strategy; None asks how the best of `names` could halve its own.
        unit: of the error.
        largest: error there can be.
    """
    ready = [name for name in names if not found[name].points or found[name].points[-1].learned]
    sentences = [more_data_sentence(name, cells.sizes, cells.of(name), unit=unit, largest=largest) for name in ready]
    if wanted_error is not None:
        return sentences + [_about_wanted(curve, wanted_error, unit) for curve in found.values() if curve.fits]
    best = found[names[0]]
    if names[0] in ready and best.fits and not best.flat and best.points[-1].mean > 0:
        half, farthest = three_digits(best.points[-1].mean / 2), FARTHEST_FORECAST * best.points[-1].size
        needed = best.size_for(half)
        if isinstance(needed, SizeFor) and needed.size <= farthest:
            sentences.append(_about_wanted(best, half, unit, halved=True))
    return sentences


def learning_sentences(found: Mapping[str, Curve], guess: float | None, unit: str = "") -> list[str]:
    """Which strategies are not better than guessing, and where: no comparison there concerns trained networks.

    Args:
        found: the curves of the study, by strategy.
        guess: the error of guessing; None where it is not known.
        unit: of the error.
    """
    if guess is None:
        return []
    sentences = []
    for name, curve in found.items():
        sizes = [point.size for point in curve.points if not point.learned]
        if not sizes:
            continue
        listed = [say_size(size) for size in sizes[:_SIZES_NAMED]] + ["more"] * (len(sizes) > _SIZES_NAMED)
        where = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}"
        text = f"{name} has not learned with {where} training rows: its error is that of guessing, "
        text += say_error(guess, unit)
        if sizes[-1] == curve.points[-1].size:
            text += ". It may need more data or longer training, so nothing is projected for it"
        sentences.append(text + ".")
    return sentences


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
    if len(found) > 1 and len({costs[name] for name in found}) == 1:
        each = costs[next(iter(found))]
        sentences = [f"Labels cost the same for every strategy, {say_size(each)} a row."]
    else:
        listed = [f"{say_size(costs[name])} a row for {name} ({say_size(costs[name] * size)} in all)" for name in found]
        sentences = [f"For {say_size(size)} training rows labels cost {', '.join(listed)}."]
    if wanted_error is None:
        return sentences
    needs = {name: curve.size_for(wanted_error) for name, curve in found.items() if curve.fits}
    reached = {name: each for name, each in needs.items() if isinstance(each, SizeFor)}
    if not reached:
        return sentences
    cheapest = min(reached, key=lambda name: reached[name].size * costs[name])
    need, price = reached[cheapest], costs[cheapest]
    low, high = (None if end is None else three_digits(end * price) for end in (need.low, need.high))
    text = f"The cheapest way to an error of {say_error(wanted_error, unit)} is {cheapest}, for about "
    text += say_size(three_digits(need.size * price))
    if low is None or high is None:
        text += ", without an interval" if need.seeds < 2 else ", though no upper limit can be given"
    else:
        text += f" ({percent(need.level)}: {say_size(low)} to {say_size(high)})"
        rivals = [
            name
            for name, each in reached.items()
            if name != cheapest and (each.low is None or each.low * costs[name] <= high)
        ]
        if rivals:
            text += f"; {' and '.join(rivals)} may be as cheap, for the intervals overlap"
    return [*sentences, text + (", extrapolated." if need.extrapolated else ".")]


def _about_wanted(curve: Curve, error: float, unit: str, *, halved: bool = False) -> str:
    """How much data an error takes."""
    need = curve.size_for(error)
    name, wanted = curve.strategy, f"an error of {say_error(error, unit)}"
    aim = f"To halve its error to {say_error(error, unit)}, {name}" if halved else f"For {wanted}, {name}"
    if isinstance(need, NotReached) and need.reason == "flat":
        return f"{name} does not reach {wanted}: its error did not fall with more data."
    if isinstance(need, NotReached):
        if need.reason == "floor":
            text = f"By its fitted curve {name} never reaches {wanted}: its floor is {say_error(need.floor, unit)}"
        else:
            text = f"By its fitted curve {name} reaches {wanted} only beyond any realistic size"
        if need.low is not None:
            text += f", though the interval leaves room for it from {say_size(need.low)} on"
        return text + "; extrapolated."
    return f"{aim} needs {need}."
