"""All results of a study as one JSON value, and its errors as a table."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import polars as pl

from longspan.errors import StudyError
from longspan.study.formatting import say_error, say_interval
from longspan.study.runs.store import FORMAT_VERSION
from longspan.study.statistics.compare import compare_all

if TYPE_CHECKING:
    from longspan.study.results import StudyResults
    from longspan.study.statistics.curves import Curve

__all__ = ["for_rows_like_these", "means_by_size", "summarise", "tuning_by"]

_TIMES, _FORECAST_LEVEL = (2.0, 4.0), 0.8
_KEPT = ("created", "library", "task_words", "measures", "settings", "prices", "vault", "environment")


def tuning_by(results: StudyResults, target: str) -> dict[str, Any] | None:
    """How the runs were tuned, where it was by this target's error."""
    tuning = results.facts["settings"].get("tuning")
    if not tuning or (tuning.get("target") or results.targets[0]) != target or results.trials().is_empty():
        return None
    return tuning


def summarise(results: StudyResults, *, worth: float | None = None) -> dict[str, Any]:
    """The plan, what was held equal, every run and failure, and for each target what follows.

    A target without any finished run is left out.

    Args:
        results: the study.
        worth: a difference of errors that does not matter, for the advice; None: that of the decision, if there is one.
    """
    frame, failures = results.frame(), results.failures()
    return {
        "format": f"longspan study {FORMAT_VERSION}",
        "study": results.path.name,
        "plan": results.plan.to_json(),
        **{name: results.facts[name] for name in _KEPT},
        "decision": results.facts.get("decision"),
        "rows": results.facts["task"]["rows"],
        "missing": [list(run) for run in results.missing()],
        "runs": frame.to_dicts(),
        "failures": failures.drop("trace").to_dicts(),
        "targets": {} if frame.is_empty() else {name: _target(results, name, worth) for name in results.targets},
    }


def _target(results: StudyResults, target: str, worth: float | None) -> dict[str, Any]:
    found = results.curves(target)
    pairs = list(itertools.combinations(found, 2))
    values: dict[str, Any] = {
        "curves": {name: curve.to_json() for name, curve in found.items()},
        "crossovers": [results.crossover(*pair, target=target).to_json() for pair in pairs],
        "every_crossing": [each.to_json() for pair in pairs for each in results.crossovers(*pair, target=target)],
        "preferences": _preferences(results, target, pairs, worth),
        "forecasts": _forecasts(results, target, found),
        "comparisons": compare_all(results.frame(), target=target, held_out=results.held_out(target)).to_dicts(),
        "advice": results.advice(target=target, worth=worth),
    }
    if tuning_by(results, target) is not None:
        finite = [pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in ("score", "error")]
        values["trials"] = results.trials().with_columns(finite).to_dicts()
        values["crossovers_by_trials"] = [
            {"trials": count, **each.to_json()}
            for pair in pairs
            for count, each in results.crossover_by_trials(*pair).items()
        ]
    if results.facts["prices"] is not None:
        costs = results.cost_per_row()
        paid = [pair for pair in pairs if costs[pair[0]] > 0 and costs[pair[1]] > 0]
        values["cost_per_row"] = costs
        values["cost"] = results.cost_table(target=target).to_dicts()
        values["cost_crossovers"] = [results.crossover(*p, target=target, over="cost").to_json() for p in paid]
    return values


def _preferences(
    results: StudyResults, target: str, pairs: list[tuple[str, str]], worth: float | None
) -> list[dict[str, Any]]:
    """For each pair, how probable it is that each is better by more than `worth` where the choice is made."""
    decision = results.facts.get("decision") or {}
    decided = decision.get("target") == target
    size = decision["decide_at"] if decided else max(results.plan.sizes)
    margin = (decision["worth"] if decided else 0.0) if worth is None else worth
    rows = []
    for pair in pairs:
        with suppress(StudyError):  # too few runs of the same seeds
            rows.append(results.preference(*pair, size=size, worth=margin, target=target).to_json())
    return rows


def _forecasts(results: StudyResults, target: str, found: dict[str, Curve]) -> list[dict[str, Any]]:
    """Errors at twice and four times the largest size of each strategy that has learned, with 80 % intervals."""
    rows = []
    for name, curve in found.items():
        if len(curve.points) < 2 or not curve.points[-1].mean or not curve.points[-1].learned:
            continue
        for times in _TIMES:
            forecast = results.extrapolate(name, times * curve.points[-1].size, target=target)
            low, high = forecast.interval(_FORECAST_LEVEL)
            row = {"strategy": name, "size": forecast.size, "error": forecast.quantile(0.5), "low": low, "high": high}
            rows.append(row | {"level": _FORECAST_LEVEL})
    return rows


def means_by_size(found: dict[str, Curve], unit: str) -> list[dict[str, object]]:
    """A row for each size, a cell for each strategy: mean error, its interval where there is one, and how many runs."""
    sizes = sorted({point.size for curve in found.values() for point in curve.points})
    rows = []
    for size in sizes:
        row: dict[str, object] = {"training rows": size}
        for name, curve in found.items():
            point = next((each for each in curve.points if each.size == size), None)
            if point is None:
                row[name] = None
                continue
            shown = say_error(point.mean, unit)
            if point.low is not None and point.high is not None:
                shown += f" ({say_interval(point.low, point.high, unit)})"
            row[name] = f"{shown}, {point.runs} {'run' if point.runs == 1 else 'runs'}"
        rows.append(row)
    return rows


def for_rows_like_these(found: dict[str, Curve], unit: str) -> list[dict[str, object]]:
    """Likewise with the intervals for other rows; empty where errors of rows are not known."""
    points = {(name, point.size): point for name, curve in found.items() for point in curve.points}
    rows: list[dict[str, object]] = []
    for size in sorted({size for _, size in points}):
        row: dict[str, object] = {"training rows": size}
        for name in found:
            point = points.get((name, size))
            if point is not None and point.rows_low is not None and point.rows_high is not None:
                row[name] = f"{say_error(point.mean, unit)} ({say_interval(point.rows_low, point.rows_high, unit)})"
        if len(row) > 1:
            rows.append(row)
    return rows
