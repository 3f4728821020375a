"""How much may curves bend between the sizes tried? Other ways to treat it, on made-up studies and on real curves.

    python benchmarks/shape_of_curves.py                 # two minutes on one core

The curves of made-up studies (`study_coverage.py`) are power laws with a floor; real ones (`real_curves.py`,
development half) bend. A way that trusts the law has narrow intervals of the crossover on the first and loses coverage
on the second. Ways: the shipped prior; others in its place (`near` is the correlation of one seed's noise at
neighbouring sizes); the shipped prior with the spread over seeds known (made-up studies only); power laws alone, fitted
to each strategy, whose uncertainty comes from the moderated variances; and a mixture of both, weighted by how well the
laws fit and by a weight of the laws before anything was measured.

"held" is among crossovers that are named; widths are logarithms of high / low, their median fraction of that of version
0.1 on studies where both are closed. Writes `benchmarks/results/shape_of_curves.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from real_curves import before, crossing_of, inside, load, tried, windows
from study_coverage import STRATEGIES, made_up

from longspan.study.run_grid import cells_of
from longspan.study.statistics import paired_difference as shipped
from longspan.study.statistics.learned_priors import DIFFERENCE_CURVE, CurvePrior
from longspan.study.statistics.moderated_variance import ModeratedVariance
from longspan.study.statistics.paired_difference import PairedDifference, pair_scale, pair_variances, paired_difference
from longspan.study.statistics.power_law import fit_power_laws, power_laws_at
from longspan.study.statistics.t_distribution import t_cdf

RESULTS = Path(__file__).parent / "results" / "shape_of_curves.json"
LEVEL, PLACES, DRAWS = 0.9, 121, 80
SMOOTHER = tuple((2.5, amplitude, 6.0, 1.0) for amplitude in (0.12, 0.3, 0.7))


@dataclass(frozen=True, kw_only=True)
class Played:
    """A study, where its curves cross, its true means where they are known exactly, and version 0.1's interval."""

    sizes: np.ndarray
    errors: np.ndarray
    at: float
    truth: np.ndarray | None
    old: Any


Way = Callable[[Played], PairedDifference | None]


def made_up_studies(seeds: int, count: int) -> list[Played]:
    """Made-up studies with so many seeds."""
    rng, found = np.random.default_rng(seeds), []
    while len(found) < count:
        world = made_up(rng)
        if world.seeds == seeds:
            cells = cells_of(world.frame)
            errors = np.stack([cells.of(name) for name in STRATEGIES])
            found.append(
                Played(
                    sizes=world.sizes, errors=errors, at=world.crossing or 0.0, old=before(world.sizes, errors, LEVEL),
                    truth=np.stack([truth(world.sizes) for truth in world.truths]),
                )
            )  # fmt: skip
    return found


def real_studies(half: list[dict[str, Any]], sizes: int, seeds: int, count: int) -> list[Played]:
    """Studies cut from real curves that cross once."""
    rng, found = np.random.default_rng(sizes * 100 + seeds + 5), []
    for curves in windows(half, rng, sizes):
        if len(found) >= count:
            break
        at = crossing_of(curves)
        if at is None:
            continue
        places, drawn = tried(curves, sizes), rng.choice(curves.errors.shape[2], seeds, replace=False)
        chosen, errors = curves.sizes[places].astype(float), curves.errors[:, places][:, :, drawn]
        found.append(Played(sizes=chosen, errors=errors, at=at, truth=None, old=before(chosen, errors, LEVEL)))
    return found


def with_prior(prior: CurvePrior) -> Way:
    """The shipped way with another prior."""

    def way(study: Played) -> PairedDifference | None:
        shipped.DIFFERENCE_CURVE = prior
        try:
            places = np.geomspace(study.sizes[0], study.sizes[-1], PLACES)
            return paired_difference(study.sizes, *study.errors, places=places)
        finally:
            shipped.DIFFERENCE_CURVE = DIFFERENCE_CURVE

    return way


def with_known_spread(prior: CurvePrior) -> Way:
    """Likewise, where the spread over seeds is that around the true means, and taken as known exactly."""

    def way(study: Played) -> PairedDifference | None:
        if study.truth is None:
            return None
        truth = (study.truth[0] - study.truth[1])[:, None]

        def known(sizes: np.ndarray, apart: np.ndarray, scale: np.ndarray) -> ModeratedVariance:
            spread = float((((apart - truth) / scale[:, None]) ** 2).mean())
            return ModeratedVariance(values=spread * scale**2, df=np.full(len(sizes), 1e6))

        shipped.pair_variances = known
        try:
            return with_prior(prior)(study)
        finally:
            shipped.pair_variances = pair_variances

    return way


def laws(study: Played, prior_weight: float | None = None) -> PairedDifference | None:
    """The difference of two fitted power laws, alone or mixed with the shipped posterior by how well the laws fit."""
    whole = with_prior(DIFFERENCE_CURVE)(study)
    if whole is None:
        return None
    rng, means = np.random.default_rng(0), study.errors.mean(axis=2)
    scale = pair_scale(*study.errors)
    known = pair_variances(study.sizes, study.errors[0] - study.errors[1], scale)
    spread = np.sqrt(known.values / study.errors.shape[2])
    noise = rng.normal(size=(DRAWS, len(study.sizes))) * spread / 2
    noise[0] = 0.0
    fits = [
        fit_power_laws(study.sizes, np.maximum(mean + sign * noise, 1e-6))
        for mean, sign in zip(means, (1, -1), strict=True)
    ]
    apart = power_laws_at(whole.x, fits[0]) - power_laws_at(whole.x, fits[1])
    clear = -apart[0] / np.maximum(apart[1:].std(axis=0), 1e-12)
    below = np.array([t_cdf(float(each), float(np.median(known.df))) for each in clear])
    if prior_weight is not None:
        fitted = [power_laws_at(study.sizes, tuple(each[:1] for each in fit))[0] for fit in fits]
        misfit = float(((means[0] - means[1] - fitted[0] + fitted[1]) ** 2 / spread**2).sum())
        odds = 2 * prior_weight / (1 - prior_weight) * math.exp(-misfit / 2)
        below = (odds * below + whole.below) / (1 + odds)
    return replace(whole, below=below)


def measured(studies: list[Played], way: Way) -> dict[str, Any] | None:
    """Coverage and width of one way."""
    held, ratios, named = [], [], 0
    for study in studies:
        apart = way(study)
        if apart is None:
            return None
        found = apart.sign_changes(LEVEL)
        if not found:
            continue
        named += 1
        held.append(any(inside(each.low, each.high, study.at) for each in found))
        both = [each for each in found if each.low is not None and each.high is not None]
        if both and study.old is not None and None not in study.old:
            best = max(both, key=lambda each: each.probability)
            ratios.append(math.log(best.high / best.low) / max(math.log(study.old[1] / study.old[0]), 1e-3))  # type: ignore[operator]
    return {
        "named": round(named / len(studies), 3), "held": round(float(np.mean(held)), 3),
        "width_of_version_0.1": round(float(np.median(ratios)), 3),
    }  # fmt: skip


def main() -> None:
    """Measure all ways, print and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=150, help="of each kind")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    from longspan.report import describe_environment

    began, half, count = time.process_time(), load("development"), asked.studies
    kinds = {f"made-up, {seeds} seeds": made_up_studies(seeds, count) for seeds in (3, 4, 5)}
    kinds |= {
        f"real, {sizes} sizes, {seeds} seeds": real_studies(half, sizes, seeds, count)
        for sizes in (4, 6, 9)
        for seeds in (3, 5)
    }
    ways: dict[str, Way] = {
        "shipped": with_prior(DIFFERENCE_CURVE),
        "near 0.25": with_prior(replace(DIFFERENCE_CURVE, near=0.25)),
        "near 0": with_prior(replace(DIFFERENCE_CURVE, near=0.0)),
        "smooth kernels only, near 0": with_prior(replace(DIFFERENCE_CURVE, components=SMOOTHER, near=0.0)),
        "spread known": with_known_spread(DIFFERENCE_CURVE),
        "spread known, smooth kernels only, near 0": with_known_spread(
            replace(DIFFERENCE_CURVE, components=SMOOTHER, near=0.0)
        ),
        "power laws alone": laws,
        "mixture, laws 0.5": lambda study: laws(study, 0.5),
        "mixture, laws 0.7": lambda study: laws(study, 0.7),
        "mixture, laws 0.85": lambda study: laws(study, 0.85),
    }
    found: dict[str, Any] = {"command": f"python benchmarks/shape_of_curves.py --studies {count}", "level": LEVEL}
    found |= {"version_0.1": {name: _old(studies) for name, studies in kinds.items()}, "ways": {}}
    for way, method in ways.items():
        found["ways"][way] = {name: measured(studies, method) for name, studies in kinds.items()}
        print(way, json.dumps(found["ways"][way]), flush=True)
        found["processor_seconds"] = round(time.process_time() - began, 1)
        found["environment"] = describe_environment()
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


def _old(studies: list[Played]) -> dict[str, Any]:
    named = [study for study in studies if study.old is not None]
    held = round(float(np.mean([inside(*study.old, study.at) for study in named])), 3)
    return {"named": round(len(named) / len(studies), 3), "held": held}


if __name__ == "__main__":
    main()
