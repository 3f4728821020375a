"""Do the intervals of a study hold what they say? Made-up studies with known curves give the answer.

    python benchmarks/study_coverage.py                      # four minutes on one core
    python benchmarks/study_coverage.py --parts crossover    # one part; the others stay in the file

A study has two strategies, 4 to 6 sizes, 3 to 5 seeds. Its true curves are power laws with floors that cross inside
the sizes tried; its noise has a part for the seed (shared by both strategies, and each strategy's own) and an
independent part that may grow or shrink with size. Writes `benchmarks/results/study_coverage.json`; the exit code is 1
if nominal 90 % intervals of the crossover hold the truth in less than 85 % or more than 95 % of 300 studies.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from real_curves import before

from longspan.study.run_grid import cells_of
from longspan.study.statistics.crossover import Crossover, NoCrossover, crossover
from longspan.study.statistics.curve_fit import CurveFit, fit_curve
from longspan.study.statistics.curves import curves
from longspan.study.statistics.power_law import power_laws_at
from longspan.study.statistics.resample import Resamples, resamples
from longspan.study.statistics.sample_size import SizeFor

RESULTS = Path(__file__).parent / "results" / "study_coverage.json"
STRATEGIES = ("first", "second")


@dataclass(frozen=True, kw_only=True)
class World:
    """A made-up study: its runs, the curves behind them and where they cross."""

    frame: pl.DataFrame
    sizes: np.ndarray
    seeds: int
    truths: tuple[Callable[[Any], Any], Callable[[Any], Any]]
    crossing: float | None


def power_law(rng: np.random.Generator, at: float, error: float) -> Callable[[Any], Any]:
    """A power law with floor that has `error` at size `at`."""
    b, floor = rng.uniform(0.2, 1.2), rng.uniform(0, 0.8)
    return lambda n: error * ((1 - floor) * (n / at) ** -b + floor)


def plateau(rng: np.random.Generator, at: float, error: float) -> Callable[[Any], Any]:
    """No power law: an error that stays where guessing puts it until there is enough data to learn from."""
    b, floor, start = rng.uniform(0.5, 1.5), rng.uniform(0, 0.8), at * np.exp(rng.uniform(-3, 1))

    def shape(n: Any) -> Any:
        return 1 / (1 + (n / start) ** b)

    return lambda n: error * ((1 - floor) * shape(n) / shape(at) + floor)


def made_up(rng: np.random.Generator, *, law: Any = power_law, inner: float = 0.1, kind: str = "crossing") -> World:
    """A study. `kind`: "crossing" once, `inner` of the (logarithmic) range from its ends; "apart" in it; or "same"."""
    crossing = kind == "crossing"
    while True:
        count, seeds = int(rng.integers(4, 7)), int(rng.integers(3, 6))
        start = float(rng.choice([50, 100, 200]))
        sizes = np.round(np.geomspace(start, start * np.exp(rng.uniform(np.log(20), np.log(100))), count))
        at = sizes[0] * (sizes[-1] / sizes[0]) ** rng.uniform(inner, 1 - inner)
        error = np.exp(rng.uniform(np.log(0.02), np.log(0.3)))
        apart = 1.0 if crossing else np.exp(rng.uniform(np.log(1.05), np.log(1.5)))
        first = law(rng, at, error)
        truths = first, first if kind == "same" else law(rng, at, error * apart)
        slopes = [np.log(each(at * 0.99) / each(at * 1.01)) / np.log(1.01 / 0.99) for each in truths]
        x = np.geomspace(sizes[0], sizes[-1], 500)
        flips = int((np.diff(np.sign(truths[0](x) - truths[1](x))) != 0).sum())
        # Curves that lie one on the other for a decade have a crossing that nobody could find, or would need.
        if flips == crossing and (not crossing or abs(slopes[0] - slopes[1]) >= 0.1):
            break
    noise = np.exp(rng.uniform(np.log(0.02), np.log(0.12)))  # relative to the error
    of_seed, shared, growth = rng.uniform(0, 0.7), rng.uniform(), rng.uniform(-0.2, 0.2)
    both = rng.normal(size=(1, 1, seeds)) * np.sqrt(of_seed * shared)
    each = rng.normal(size=(2, 1, seeds)) * np.sqrt(of_seed * (1 - shared))
    alone = rng.normal(size=(2, count, seeds)) * np.sqrt(1 - of_seed) * ((sizes / at) ** growth)[None, :, None]
    means = np.stack([truth(sizes) for truth in truths])[:, :, None]
    errors = means * np.maximum(1 + noise * (both + each + alone), 0.05)
    rows = [
        {"strategy": name, "size": int(size), "seed": seed, "target": "y", "error": float(errors[s, k, seed])}
        for s, name in enumerate(STRATEGIES)
        for k, size in enumerate(sizes)
        for seed in range(seeds)
    ]
    return World(frame=pl.DataFrame(rows), sizes=sizes, seeds=seeds, truths=truths, crossing=at if crossing else None)


def holds(low: float | None, high: float | None, truth: float, digits: float = 0.005) -> bool:
    """Whether an interval holds the truth; sizes stand with three digits, of which the last is given half a unit."""
    return (low is None or low * (1 - digits) <= truth) and (high is None or truth <= high * (1 + digits))


def fraction(values: Iterable[bool]) -> float | None:
    """How many of the values are true."""
    kept = [bool(each) for each in values]
    return round(float(np.mean(kept)), 3) if kept else None


def crossings(worlds: list[World], level: float) -> dict[str, Any]:
    """What `crossover` answers in studies whose curves do cross."""
    answers = [(world, crossover(world.frame, *STRATEGIES, level=level)) for world in worlds]
    found = [(world, each) for world, each in answers if isinstance(each, Crossover)]
    right = {id(world): holds(each.low, each.high, world.crossing or 0) for world, each in found}
    widths = [(world, each.high / each.low) for world, each in found if each.low is not None and each.high is not None]

    def covered(world: World) -> bool:
        return right.get(id(world), False)

    def not_ruled_out(answer: Any, world: World) -> bool:
        if isinstance(answer, NoCrossover):
            return answer.doubt is not None and holds(*answer.doubt, world.crossing or 0)
        return covered(world)

    return {
        "studies": len(worlds),
        "held": fraction(covered(world) for world in worlds),
        "held_where_a_crossover_is_reported": fraction(right.values()),
        "held_or_not_ruled_out": fraction(not_ruled_out(answer, world) for world, answer in answers),
        "held_by_seeds": {n: fraction(covered(w) for w in worlds if w.seeds == n) for n in (3, 4, 5)},
        "held_by_sizes": {n: fraction(covered(w) for w in worlds if len(w.sizes) == n) for n in (4, 5, 6)},
        "no_crossover_reported": fraction(not isinstance(each, Crossover) for _, each in answers),
        "one_end_open": fraction(each.low is None or each.high is None for _, each in found),
        "median_high_over_low": round(float(np.median([width for _, width in widths])), 2),
        "median_high_over_low_by_seeds": {
            n: round(float(np.median([width for w, width in widths if w.seeds == n])), 2) for n in (3, 4, 5)
        },
    }


def narrower(worlds: list[World], level: float) -> dict[str, Any]:
    """How much narrower intervals are, in log size, than those of version 0.1 on the same studies, by seeds."""
    both: dict[int, list[tuple[float, float]]] = {3: [], 4: [], 5: []}
    closed: dict[int, list[float]] = {3: [], 4: [], 5: []}
    held: dict[int, list[bool]] = {3: [], 4: [], 5: []}
    for world in worlds:
        cells = cells_of(world.frame)
        old = before(cells.sizes.astype(float), np.stack([cells.of(name) for name in STRATEGIES]), level)
        held[world.seeds].append(old is not None and holds(*old, world.crossing or 0))
        if old is None or old[0] is None or old[1] is None:
            continue
        closed[world.seeds].append(math.log(old[1] / old[0]))
        now = crossover(world.frame, *STRATEGIES, level=level)
        if isinstance(now, Crossover) and now.low is not None and now.high is not None:
            both[world.seeds].append((math.log(now.high / now.low), max(closed[world.seeds][-1], 1e-3)))
    return {
        "version_0.1": {
            "held_by_seeds": {n: fraction(each) for n, each in held.items()},
            "median_high_over_low_by_seeds": {n: round(math.exp(np.median(each)), 2) for n, each in closed.items()},
        },
        "by": {n: round(1 - float(np.median([new / old for new, old in each])), 3) for n, each in both.items()},
    }


def none_there(worlds: list[World], level: float) -> dict[str, Any]:
    """What `crossover` answers in studies whose curves do not cross."""
    answers = [crossover(world.frame, *STRATEGIES, level=level) for world in worlds]
    return {
        "studies": len(worlds),
        "crossover_reported": fraction(isinstance(each, Crossover) for each in answers),
        "crossover_reported_with_both_ends_closed": fraction(
            isinstance(each, Crossover) and each.low is not None and each.high is not None for each in answers
        ),
        "one_better_throughout_and_sure": fraction(
            isinstance(each, NoCrossover) and each.reason == "one is better" and each.doubt is None for each in answers
        ),
    }


def reaching(worlds: list[World], level: float) -> dict[str, Any]:
    """How often the intervals of the fitted law hold the true error, its floor, and the size for a wanted error."""
    held: dict[str, list[bool]] = {}
    for world in worlds:
        for name, truth in zip(STRATEGIES, world.truths, strict=True):
            curve = curves(world.frame, level=level)[name]
            for times in (0.1, 0.5, 1, 2, 10):
                found = curve.error_at(times * world.sizes[-1])
                held.setdefault(f"error_at_{times:g}_times_the_largest_size", []).append(
                    holds(found.low, found.high, float(truth(times * world.sizes[-1])), 0)
                )
            floor = curve.floor()
            held.setdefault("floor", []).append(holds(floor.low, floor.high, float(truth(1e15)), 1e-3))
            for times in (0.5, 2):
                size = times * world.sizes[-1]
                answer = curve.size_for(float(truth(size)))
                high = answer.high if isinstance(answer, SizeFor) else None
                room = isinstance(answer, SizeFor) or answer.low is not None
                held.setdefault(f"size_for_error_at_{times:g}_times_the_largest_size", []).append(
                    room and holds(answer.low, high, size)
                )
    return {name: fraction(values) for name, values in held.items()}


# --- other ways to an interval, which were tried and are not used ----------------------------------------------------


def percentiles(world: World, level: float, kind: str) -> bool:
    """Whether the percentiles of the resampled crossings hold the truth; `kind`: "law" or "straight"."""
    cells = cells_of(world.frame)
    drawn = resamples(len(cells.seeds))
    x = np.geomspace(world.sizes[0], world.sizes[-1], 400)
    apart = _apart(cells.errors, cells.sizes, drawn, x, kind)
    places = []
    for row in apart:
        flips = np.flatnonzero(np.diff(np.sign(row)))
        places.append(x[flips[0]] if len(flips) else x[0] / 2 if abs(row[0]) < abs(row[-1]) else x[-1] * 2)
    order = np.argsort(places)
    below = np.cumsum(drawn.fractions[order])
    low, high = (
        np.array(places)[order][min(int(np.searchsorted(below, q)), len(order) - 1)]
        for q in ((1 - level) / 2, (1 + level) / 2)
    )
    return holds(float(low), float(high), world.crossing or 0)


def _apart(errors: np.ndarray, sizes: np.ndarray, drawn: Resamples, x: np.ndarray, kind: str) -> np.ndarray:
    """First curve minus second for every resample: `(B, G)`."""
    found = []
    for each in errors:
        fit = fit_curve(sizes, each, drawn)
        assert isinstance(fit, CurveFit)
        if kind == "law":
            found.append(power_laws_at(x, fit.laws))
        else:
            logs = np.log(fit.resampled)
            found.append(np.exp([np.interp(np.log(x), np.log(sizes), row) for row in logs]))
    return found[0] - found[1]


def others(worlds: list[World], level: float) -> dict[str, Any]:
    """Coverage of the ways that are not used."""
    return {
        "percentiles_of_crossings_of_fitted_laws": fraction(percentiles(world, level, "law") for world in worlds),
        "percentiles_of_crossings_of_straight_lines_in_log_log": fraction(
            percentiles(world, level, "straight") for world in worlds
        ),
    }


def main() -> None:
    """Run all parts, print and write them; exit with 1 if the crossover's intervals do not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--level", type=float, default=0.90)
    parser.add_argument("--repeats", type=int, default=5, help="further sets of studies, from other seeds")
    parser.add_argument("--parts", nargs="+", help="some of the parts; the others stay in the file")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    from longspan.report import describe_environment

    count, level = arguments.studies, arguments.level

    def worlds(seed: int, studies: int = count, **options: Any) -> list[World]:
        rng = np.random.default_rng(seed)
        return [made_up(rng, **options) for _ in range(studies)]

    parts: dict[str, Callable[[], Any]] = {
        "crossover": lambda: crossings(worlds(0), level),
        "crossover_at_95": lambda: crossings(worlds(0), 0.95),
        "held_in_further_sets": lambda: [crossings(worlds(1 + n), level)["held"] for n in range(arguments.repeats)],
        "crossing_anywhere_in_the_range": lambda: crossings(worlds(100, inner=0.0), level),
        "curves_that_are_no_power_laws": lambda: crossings(worlds(200, law=plateau), level),
        "no_crossing": lambda: none_there(worlds(300, kind="apart"), level),
        "the_same_curve_twice": lambda: none_there(worlds(350, kind="same"), level),
        "law": lambda: reaching(worlds(400), level),
        "other_ways": lambda: others(worlds(0), level),
    }
    chosen = arguments.parts or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: {', '.join(parts)}")
    found: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    found.pop("seconds", None)
    found |= {"command": f"python benchmarks/study_coverage.py --studies {count}, in parts", "level": level}
    for part in chosen:
        started = time.process_time()
        found[part] = parts[part]()
        seconds = {**found.get("processor_seconds", {}), part: round(time.process_time() - started, 1)}
        found |= {"processor_seconds": seconds, "environment": describe_environment()}
        if part == "crossover":
            found["passed"] = bool(0.85 <= found[part]["held"] <= 0.95)
            found["narrower"] = narrower(worlds(0), level)
        print(part, json.dumps(found[part]), flush=True)
        arguments.out.parent.mkdir(exist_ok=True)
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(0 if found.get("passed") else 1)


if __name__ == "__main__":
    main()
