"""What follows from a study, in sentences: none claims more than its interval allows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from longspan.errors import StudyError
from longspan.study.cost import cost_per_row
from longspan.study.formatting import percent, say_chance, say_error, say_interval, say_size
from longspan.study.reports.advice_data import cost_sentences, data_sentences, learning_sentences
from longspan.study.run_grid import RunGrid, cells_of
from longspan.study.statistics.compare import Comparison, compare
from longspan.study.statistics.crossover import Crossover, NoCrossover, crossover
from longspan.study.statistics.curves import Curve, Point, curves
from longspan.study.statistics.held_out_rows import HeldOutRows
from longspan.study.statistics.preference import preference

__all__ = ["advice"]

_RIVALS = 4
"""The most strategies that are compared with the best one, nearest first."""
_CONTENDERS = 3
"""The most strategies that may be the best for which the effect of more data is given."""


def advice(
    frame: Any, *, target: str | None = None, wanted_error: float | None = None,
    prices: Mapping[str, float] | None = None, needs: Mapping[str, Sequence[str]] | None = None,
    level: float = 0.95, seed: int = 0, unit: str = "", largest: float = math.inf,
    held_out: HeldOutRows | None = None, guess: float | None = None, chosen_runs: bool = False,
    worth: float = 0.0,
) -> list[str]:  # fmt: skip
    """A few sentences about one target: the best strategy and how certain that is, crossovers, the use of more data.

    A strategy is named as better where the interval of the difference at `level` excludes 0; otherwise the two are too
    close to call, with the probability.

    Args:
        frame: the runs; see `longspan.study.run_grid.cells_of`, whose errors are raised here too.
        target: whose error; may be left out where there is only one.
        wanted_error: an error to reach; half the best one so far if None.
        prices: the price of one label, by column; then costs are covered too.
        needs: the label columns that each strategy trains on; goes with `prices`.
        level: of all intervals.
        seed: of the bootstrap, where there are more than six seeds.
        unit: of the error, for the sentences; "%" if it is a fraction, to be shown as percent.
        largest: error there can be; see `longspan.study.statistics.curves.curves`.
        held_out: the rows that were measured on; then intervals and probabilities hold for other rows like these, and
            those that hold on these rows alone say so. None where errors of rows are not known.
        guess: the error of guessing, which a strategy that has learned is better than; None where it is not known.
        chosen_runs: runs were chosen one at a time, so cells differ in their number on purpose.
        worth: a difference of errors that does not matter; above 0 the choice is also given in terms of it.

    Raises:
        StudyError: prices that do not fit; see `longspan.study.cost.cost_per_row`.
    """
    cells = cells_of(frame, target=target)
    found = curves(frame, target=cells.target, level=level, seed=seed, largest=largest, held_out=held_out, guess=guess)
    costs = None if prices is None else cost_per_row(prices, needs or {}, strategies=found)
    size = _largest_common(found)
    ranked = _ranked(found, size)
    best, rivals = ranked[0], ranked[1 : 1 + _RIVALS]
    held = {
        name: next(
            each
            for each in compare(frame, best, name, target=cells.target, level=level, held_out=held_out)
            if each.size == size
        )
        for name in rivals
    }
    sentences = [*([] if chosen_runs else _about_missing(cells)), *_about_seeds(cells)]
    sentences += _about_winner(found, size, best, held, level=level, unit=unit, held_out=held_out)
    if worth:
        sentences += [
            _about_worth(frame, best, name, size=size, worth=worth, target=cells.target, held_out=held_out, unit=unit)
            for name in rivals
        ]
    sentences += learning_sentences(found, guess, unit)
    if several := len({point.size for curve in found.values() for point in curve.points}) > 1:
        sentences += [
            _about_crossover(
                crossover(frame, best, name, target=cells.target, level=level, seed=seed, held_out=held_out)
            )
            for name in rivals
        ]
    elif rivals:
        sentences.append("A crossover needs runs at two sizes or more.")
    open_race = [best, *(name for name in rivals if not _distinguished(held[name], level))][:_CONTENDERS]
    sentences += data_sentences(found, open_race, cells, wanted_error=wanted_error, unit=unit, largest=largest)
    if costs is not None:
        crossed = [
            crossover(
                frame, best, name, target=cells.target, level=level, seed=seed, cost_per_row=costs, held_out=held_out
            )
            for name in rivals
            if costs[best] > 0 and costs[name] > 0 and costs[best] != costs[name]  # else the curves are those over size
        ]
        sentences += cost_sentences(found, costs, size, wanted_error=wanted_error, unit=unit)
        sentences += [_about_crossover(each) for each in crossed if several]
    return sentences


def _largest_common(found: Mapping[str, Curve]) -> int:
    """The largest size with results of two strategies or more; of one, if there is no such size."""
    sizes = [point.size for curve in found.values() for point in curve.points]
    return max((size for size in sizes if sizes.count(size) > 1), default=max(sizes))


def _at(curve: Curve, size: int) -> Point | None:
    return next((point for point in curve.points if point.size == size), None)


def _ranked(found: Mapping[str, Curve], size: int) -> list[str]:
    """The strategies with a result at `size`, lowest mean error first."""
    means = {name: point.mean for name, curve in found.items() if (point := _at(curve, size)) is not None}
    return sorted(means, key=lambda name: means[name])


def _distinguished(comparison: Comparison, level: float) -> bool:
    """Whether the two can be distinguished at `level`."""
    probability = comparison.chance
    return probability is not None and max(probability, 1 - probability) >= (1 + level) / 2


def _about_missing(cells: RunGrid) -> list[str]:
    """Runs without a result, named by cell."""
    missing = cells.missing()
    if not missing:
        return []
    named = [f"{count} of {name} at {say_size(size)}" for (name, size), count in missing.items()]
    shown = ", ".join(named[:5]) + (f", and in {len(named) - 5} more cells" if len(named) > 5 else "")
    text = f"{sum(missing.values())} of {cells.errors.size} runs have no result ({shown}); the results use the others."
    return [text]


def _about_seeds(cells: RunGrid) -> list[str]:
    """What so few seeds cannot show."""
    if len(cells.seeds) == 1:
        return [
            "There is a single seed, so there are no intervals and no probabilities: a difference may be chance. "
            "Run three seeds or more."
        ]
    if len(cells.seeds) == 2:
        return ["There are two seeds, so intervals are very wide. A third one makes them much narrower."]
    return []


def _about_winner(
    found: Mapping[str, Curve], size: int, best: str, held: Mapping[str, Comparison], *, level: float, unit: str,
    held_out: HeldOutRows | None,
) -> list[str]:  # fmt: skip
    """Which strategy has the lowest error at the largest size, and which others cannot be distinguished from it."""

    def error_of(name: str) -> str:
        point = _at(found[name], size)
        return "" if point is None else say_error(point.mean, unit)

    with_rows = f"With {say_size(size)} training rows,"
    interval = _interval(_at(found[best], size), level=level, unit=unit, held_out=held_out)
    if not held:
        alone = "only strategy" if len(found) == 1 else "only strategy with a result there"
        return [f"{with_rows} {best}, the {alone}, has an error of {error_of(best)}{interval}."]
    distinguished = {name: each for name, each in held.items() if _distinguished(each, level)}
    sentences: list[str] = []
    if distinguished:
        worse = [f"{name} ({error_of(name)}; probability {_chances(each)})" for name, each in distinguished.items()]
        against = _joined(worse)
        sentences.append(f"{with_rows} {best} has a lower error, {error_of(best)}{interval}, than {against}.")
    for name, each in held.items():
        if name in distinguished:
            continue
        pair = f"{best} {error_of(best)} error, {name} {error_of(name)}"
        if each.probability is None:
            kind = "from a single seed" if each.pairs == 1 else "without a seed in common"
            sentences.append(f"{with_rows} {pair}, {kind}: the difference may be chance.")
        elif each.difference == 0 and each.probability == 0.5:
            sentences.append(f"{with_rows} {best} and {name} have the same error, {error_of(best)}.")
        elif each.probability >= (1 + level) / 2:
            sentences.append(
                f"{with_rows} {best} has a lower error than {name} on these rows (probability "
                f"{say_chance(each.probability)}), but for other rows like these they are too close to call: {pair} "
                f"(probability {say_chance(each.chance or 0)}). More held-out rows would settle it."
            )
        else:
            sentences.append(
                f"{with_rows} the two strategies are too close to call: {pair} (probability that {best} is better: "
                f"{_chances(each)})."
            )
    absent = [name for name in found if _at(found[name], size) is None]
    if absent:
        sentences.append(f"{_joined(absent)} {'has' if len(absent) == 1 else 'have'} no result at {say_size(size)}.")
    return sentences


def _about_worth(frame: Any, first: str, second: str, *, unit: str, **options: Any) -> str:
    """Three probabilities: either is better by more than matters, or neither is."""
    try:
        return preference(frame, first, second, **options).sentence(unit)
    except StudyError as error:  # too few runs of the same seeds
        return f"Whether the difference between {first} and {second} matters cannot be computed: {error}"


def _chances(each: Comparison) -> str:
    """A probability; both of them where one is known for rows like these."""
    here = say_chance(each.probability or 0)
    if each.rows_probability is None:
        return here
    there = say_chance(each.rows_probability)
    return here if here == there else f"{here} on these rows, {there} on rows like these"


def _interval(point: Point | None, *, level: float, unit: str, held_out: HeldOutRows | None) -> str:
    """The interval of a mean in brackets; for other rows like these where errors of rows are known."""
    if point is None:
        return ""
    if held_out is not None and point.low is not None and point.rows_low is not None and point.rows_high is not None:
        like = f"interval for rows like these {held_out.count:,}"
        return f" ({percent(level)} {like}: {say_interval(point.rows_low, point.rows_high, unit)})"
    if point.low is None or point.high is None:
        return ""
    return f" ({percent(level)} interval on these rows: {say_interval(point.low, point.high, unit)})"


def _about_crossover(found: Crossover | NoCrossover) -> str:
    """Where two strategies change places, or that they do not, or that it is unclear."""
    pair = f"{found.first} and {found.second}"
    axis = "labelling cost" if found.over == "cost" else "size"
    if isinstance(found, NoCrossover):
        if found.tried is None:
            return f"The curves of {pair} have no range of {axis} in common, so no crossover can be found."
        tried = f"{say_size(found.tried[0])} and {say_size(found.tried[1])}"
        if found.over == "cost":
            tried = f"labelling costs of {tried}"
        if found.reason == "same":
            return f"Between {tried} {pair} have the same curve."
        if found.reason == "undecided":
            return f"Between {tried} the mean curves of {pair} cross, but where is not certain enough to give a size."
        return f"Between {tried} {pair} do not cross: {str(found).partition(': ')[2]}."
    at = f"about {say_size(found.size)} training rows"
    if found.over == "cost":
        at = f"a labelling cost of about {say_size(found.size)}"
    sides = f"{found.below} is better below, {found.above} above"
    text = f"The curves of {pair} cross at {at} ({found.both_intervals()}): {sides}"
    if found.seeds > 1 and found.high is None:
        text += f"; but that {found.above} is better at {say_size(found.tried[1])} is not settled"
    if found.seeds > 1 and found.low is None:
        text += f"; but that {found.below} is better at {say_size(found.tried[0])} is not settled"
    return text + "."


def _joined(names: Any) -> str:
    """Names with commas, and "and" before the last."""
    listed = list(names)
    return listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + " and " + listed[-1]
