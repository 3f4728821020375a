"""The report of a study: which strategy wins at which amount of data, how sure that is, and how it was measured."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from longspan.report import Document, add_openings
from longspan.study.formatting import percent, say_chance, say_error, say_interval, say_probability, say_size
from longspan.study.reports.difference_figure import caption_of, draw_difference
from longspan.study.reports.summary import for_rows_like_these, means_by_size, tuning_by
from longspan.study.reports.tuning_section import add_trials
from longspan.study.runs.progress import duration
from longspan.study.statistics.compare import compare_all
from longspan.study.statistics.crossover import Crossover

if TYPE_CHECKING:
    from longspan.study.results import StudyResults
    from longspan.study.statistics.curves import Curve, Point

__all__ = ["compose_report", "crossing_rows"]

_FAILURES_SHOWN = 100
_WIDE_PX, _PHONE_PX = 760, 400
_SURE = 0.975  # as in the advice: the 95 % interval of the difference excludes 0


def compose_report(
    results: StudyResults, more: Callable[[Document], None] | None = None, *, worth: float | None = None
) -> Document:
    """The report as a document; `more` may add sections before those that say how it was measured.

    Args:
        results: the study.
        more: adds sections.
        worth: a difference of errors that does not matter, for the advice; None: that of the decision, if there is one.
    """
    facts, plan = results.facts, results.plan
    page = Document(" or ".join(plan.strategies), subtitle=_subtitle(results))
    frame = results.frame()
    done = len(frame.unique(["strategy", "size", "seed"], maintain_order=True))
    if done:
        for target in results.targets:
            _headlines(page, results, target)
    failures = results.failures()
    page.headline("runs", f"{done} of {len(plan.runs())}", f"{len(failures)} failed" if len(failures) else "finished")
    if done:
        page.headline(
            "computing",
            duration(float(frame.unique(["strategy", "size", "seed"], maintain_order=True)["seconds"].sum())),
        )
        for target in results.targets:
            _target(page, results, target, worth)
    else:
        page.section("Results").text("No run is finished, so there is nothing to compare yet.")
    if len(failures):
        page.section("Failures").text("Runs that failed are tried again by the next call of run().")
        shown = failures.head(_FAILURES_SHOWN).drop("trace")
        first = f"The first {len(shown)} of {len(failures)}." if len(failures) > len(shown) else ""
        page.table(shown.to_dicts(), caption=first)
    if more is not None:
        more(page)
    _how(page, results)
    page.section("Environment").environment({**facts["environment"], "threads": facts["settings"]["threads"]})
    return page


def _subtitle(results: StudyResults) -> str:
    facts, plan = results.facts, results.plan
    task = facts["task"]
    seeds = "one seed" if len(plan.seeds) == 1 else f"{len(plan.seeds)} seeds"
    kind = "test" if facts["settings"]["evaluate_on"] == "test" else "validation"
    measured = "episodes" if results.measured_in == "episodes" else f"{kind} rows"
    return (
        f"{len(plan.strategies)} {'strategy' if len(plan.strategies) == 1 else 'strategies'}, "
        f"{len(plan.sizes)} training {'size' if len(plan.sizes) == 1 else 'sizes'}, {seeds}, measured on the same "
        f"{results.measured_on:,} {measured}. Target: {', '.join(task['targets'])}, from {', '.join(task['inputs'])}."
    )


def _headlines(page: Document, results: StudyResults, target: str) -> None:
    """The decision first: what to choose, how sure that is, where the choice changes, what more data would bring."""
    found, unit = results.curves(target), results.unit(target)
    last = max(point.size for curve in found.values() for point in curve.points)
    ends = {name: curve.points[-1] for name, curve in found.items() if curve.points and curve.points[-1].size == last}
    ranked = sorted(ends, key=lambda name: ends[name].mean)
    of = f" for {target}" if len(results.targets) > 1 else ""
    decision = results.facts.get("decision") or {}
    if decision.get("target") == target:
        closed = decision["reason"] in ("decided", "no difference that matters")
        undecided = "too close to call" if decision["choose"] is not None else "not decided"
        value = decision["choose"] if closed else undecided
        page.headline(f"choose{of} with {decision['decide_at']:,g} training rows", value, decision["says"])
    else:
        page.headline(f"choose{of} with {last:,} training rows", *_choice(results, target, ranked, ends, unit))
    pairs = itertools.combinations(found, 2)
    crossed = [each for pair in pairs if isinstance(each := results.crossover(*pair, target=target), Crossover)]
    for each in crossed[:2]:
        note = f"{results.words(each.both_intervals())}: {each.below} is better below, {each.above} above"
        page.headline(f"crossover{of}", f"{say_size(each.size)} rows", note)
    if len(found) > 1 and not crossed and len(results.plan.sizes) > 1:
        sizes = results.plan.sizes
        page.headline(f"crossover{of}", "none", f"within {min(sizes):,} to {max(sizes):,} rows")
    _more_data(page, results, target, found[ranked[0]], of)


def _more_data(page: Document, results: StudyResults, target: str, best: Curve, of: str) -> None:
    """What twice the data is projected to bring the strategy with the lowest error, where that can be projected."""
    last = best.points[-1]
    if len(best.points) < 2 or not last.mean or not last.learned:
        return
    forecast = results.extrapolate(best.strategy, 2.0 * last.size, target=target)
    unit = results.unit(target)
    low, high = forecast.interval(0.8)
    page.headline(
        f"twice the data{of}", say_error(forecast.quantile(0.5), unit),
        f"projected error of {best.strategy} with {say_size(forecast.size)} rows, now {say_error(last.mean, unit)}; "
        f"{percent(0.8)}: {say_interval(low, high, unit)}",
    )  # fmt: skip


def _choice(
    results: StudyResults, target: str, ranked: list[str], ends: Mapping[str, Point], unit: str
) -> tuple[str, str]:
    """The strategy to choose at the largest size, or that it is too close to call; and the numbers behind it."""
    best = ranked[0]
    errors = ", ".join(f"{name} {say_error(ends[name].mean, unit)}" for name in ranked[:3])
    if len(ranked) < 2:
        return best, f"error {say_error(ends[best].mean, unit)}; the only strategy"
    compared = results.compare(best, ranked[1], target=target)
    at_end = next(each for each in compared if each.size == ends[best].size)
    if at_end.probability is None:
        return best, f"{errors}; a single seed, so how sure this is cannot be computed"
    sure = f"probability that {best} is better: {say_chance(at_end.probability)} on these rows"
    if at_end.rows_probability is not None:
        sure += f", {say_chance(at_end.rows_probability)} on rows like these"
    close = (at_end.chance or 0) < _SURE
    return ("too close to call" if close else best), f"{errors}; {results.words(sure)}"


def _target(page: Document, results: StudyResults, target: str, worth: float | None) -> None:
    of = f" of {target}" if len(results.targets) > 1 else ""
    found, unit, measure = results.curves(target), results.unit(target), results.facts["measures"][target]
    page.section(f"The decision{of}")
    _difference(page, results, target, list(found))
    page.text("\n\n".join(results.advice(target=target, worth=worth)))
    page.section(f"Learning curves{of}")
    page.figure(results.figure(target), caption=_bands(results), narrow=results.figure(target, width_px=_PHONE_PX))
    page.table(
        means_by_size(found, unit),
        caption=results.words(
            f"Mean {measure}, its {percent(0.95)} interval for other trainings on these rows, and runs"
        ),
    )
    other = for_rows_like_these(found, unit)
    if other:
        like = f"other rows like these {results.measured_on:,}: the wider interval is what to expect in use"
        page.table(other, caption=results.words(f"The same, for other trainings and {like}"))
    sizes = len({point.size for curve in found.values() for point in curve.points})
    if sizes > 1:
        laws = [_law(curve, unit) for curve in found.values()]
        page.table(
            laws,
            caption="Power law through the means: error = a n^-b + c; c is the error that no amount of data would "
            "remove",
        )
    pairs = list(itertools.combinations(found, 2))
    if pairs and sizes > 1:
        page.section(f"Crossovers{of}").table(crossing_rows(results, pairs, target))
    if pairs:
        only = pairs[0] if len(pairs) == 1 else None
        caption = "Probability that the first has the lower error"
        if only is not None:
            caption = f"Probability that {only[0]} has a lower error than {only[1]}"
        page.table(_probabilities(results, target, named=only is None), caption=caption)
    tuning = tuning_by(results, target)
    if tuning is not None:
        crossed = {pair: results.crossover_by_trials(*pair) for pair in pairs} if sizes > 1 else {}
        add_trials(page, results.trials(), tuning, crossed, unit, results.words)
    if results.facts["prices"] is not None:
        _costs(page, results, target, of)


def crossing_rows(results: StudyResults, pairs: Sequence[tuple[str, str]], target: str) -> list[dict[str, object]]:
    """A row for every crossing of each pair, with its interval and its probability; or that there is none."""
    found = [
        (pair, each)
        for pair in pairs
        for each in results.crossovers(*pair, target=target) or (results.crossover(*pair, target=target),)
    ]
    known = any(isinstance(each, Crossover) and each.probability is not None for _, each in found)
    rows: list[dict[str, object]] = []
    for pair, each in found:
        row: dict[str, object] = {"strategies": " and ".join(pair), "crossover": results.words(str(each))}
        if known:
            sure = each.probability if isinstance(each, Crossover) else None
            row["probability that they cross there"] = None if sure is None else say_chance(sure)
        rows.append(row)
    return rows


def _difference(page: Document, results: StudyResults, target: str, names: list[str]) -> None:
    """The difference of the curves with its band, for the two strategies with the lowest errors at the largest size."""
    found = results.curves(target)
    tried = [name for name in names if found[name].points]
    if len(tried) < 2:
        return
    best = sorted(tried, key=lambda name: (-found[name].points[-1].size, found[name].points[-1].mean))[:2]
    first, second = sorted(best, key=names.index)
    compared = results.compare(first, second, target=target)
    if all(each.difference is None for each in compared):
        return
    crossings = results.crossovers(first, second, target=target)
    if not crossings and isinstance(single := results.crossover(first, second, target=target), Crossover):
        crossings = (single,)
    measure, unit = results.facts["measures"][target], results.unit(target)
    wide, narrow = (
        draw_difference(
            compared,
            crossings=crossings,
            label=measure,
            unit=unit,
            width_px=width,
            places=(names.index(first), names.index(second)),
        )
        for width in (_WIDE_PX, _PHONE_PX)
    )
    page.figure(wide, caption=results.words(caption_of(compared, 0.95)), narrow=narrow)


def _costs(page: Document, results: StudyResults, target: str, of: str) -> None:
    unit, costs, table = results.unit(target), results.cost_per_row(), results.cost_table(target=target)
    page.section(f"Over labelling cost{of}")
    page.text("What the labels of one training row cost: " + ", ".join(f"{n} {c:g}" for n, c in costs.items()) + ".")
    if any(costs.values()):
        wide, narrow = (results.figure(target, over="cost", width_px=width) for width in (_WIDE_PX, _PHONE_PX))
        page.figure(wide, caption=_bands(results), narrow=narrow)
    page.table(
        [
            {
                "strategy": row["strategy"],
                "rows": row["size"],
                "cost": row["cost"],
                "error": say_error(row["error"], unit),
            }
            for row in table.to_dicts()
        ]
    )
    paid = [pair for pair in itertools.combinations(results.curves(target), 2) if costs[pair[0]] and costs[pair[1]]]
    if paid and len({row["size"] for row in table.to_dicts()}) > 1:
        page.table(
            [
                {
                    "strategies": " and ".join(pair),
                    "crossover": results.words(str(results.crossover(*pair, target=target, over="cost"))),
                }
                for pair in paid
            ]
        )


def _how(page: Document, results: StudyResults) -> None:
    facts, plan = results.facts, results.plan
    settings = facts["settings"]
    page.section("How it was measured").text(
        "For each seed the training rows were put in an order of their own, and each size is the first so many of "
        "them: subsets are nested, and the same for every strategy. A prediction is made from the task's inputs alone, "
        f"and its values are compared with the targets. {_budget(settings['budget'])} Each run computed with "
        f"{settings['threads']} {'thread' if settings['threads'] == 1 else 'threads'}."
    )
    rows = {f"rows, {part}": count for part, count in facts["task"]["rows"].items()}
    page.settings({"sizes": list(plan.sizes), "seeds": list(plan.seeds), **rows, "errors": facts["measures"]})
    spent = (
        results.frame()
        .unique(["strategy", "size", "seed"], maintain_order=True)
        .group_by("strategy", "size", maintain_order=True)
    )
    means = spent.agg(pl.col("steps").mean().round(0).cast(pl.Int64), pl.col("seconds").mean())
    if len(means):
        page.table(
            means.sort("size", maintain_order=True).rename({"size": "training rows"}).to_dicts(),
            caption="What a run took, mean",
        )
    add_openings(page, facts["vault"])
    page.section("Strategies").settings({name: _described(results.described[name]) for name in plan.strategies})


def _budget(budget: dict[str, Any] | None) -> str:
    if budget is None:
        return "No equal budget was set: each strategy spent what it is set to spend."
    amount = f"{budget['steps']:,} steps" if budget["steps"] is not None else f"{budget['seconds']:g} seconds"
    return f"Every run had the same budget, {amount} of training."


def _described(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"description": value}


def _bands(results: StudyResults) -> str:
    if len(results.plan.seeds) == 1:
        return "One seed, so no intervals."
    return f"Bands are {percent(0.95)} intervals of the mean over {len(results.plan.seeds)} seeds."


def _law(curve: Curve, unit: str) -> dict[str, object]:
    """A number in each cell, so that narrow tables break none."""
    if curve.law is None:
        return {"strategy": curve.strategy, "a": None, "b": None, "note": f"no law: {curve.no_law}"}
    row: dict[str, object] = {"strategy": curve.strategy, "a": f"{curve.law.a:.3g}", "b": f"{curve.law.b:.3g}"}
    if not curve.fits:
        return row | {"note": "fits badly"}
    floor = curve.floor()
    sure = "" if floor.low is None or floor.high is None else f" ({say_interval(floor.low, floor.high, unit)})"
    gain = f"{curve.gain(2.0).value * 100:.2g} % of the error"
    return row | {"floor c": say_error(floor.value, unit) + sure, "extrapolated gain by twice the data": gain}


def _probabilities(results: StudyResults, target: str, *, named: bool) -> list[dict[str, object]]:
    rows = compare_all(results.frame(), target=target, held_out=results.held_out(target)).to_dicts()
    return [
        {
            **({"first": row["first"], "second": row["second"]} if named else {}),
            "training rows": row["size"],
            results.words("on these rows"): "one seed: none"
            if row["probability"] is None
            else say_probability(row["probability"]),
            **(
                {}
                if row["rows_probability"] is None
                else {results.words("on rows like these"): say_probability(row["rows_probability"])}
            ),
        }
        for row in rows
    ]
