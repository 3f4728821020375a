"""Where arrests are the label, does a model predict arrests? A simulation against five theorems, and a city."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from longspan.report import Document
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.explain.feedback import Array

__all__ = ["FEEDBACK", "FeedbackOptions"]

_CITY = (
    ("609 and 379 records", (609.0, 379.0), (3.685, 2.816)),
    ("6.09 and 3.79 records", (6.09, 3.79), (3.685, 2.816)),
    ("609 and 7 records", (609.0, 7.0), (3.685, 2.356)),
)
"""Prior records and incidents a day of two regions, from Ensign et al. 2018, section 3; 1,000 days there."""
_GAP = 0.9
"""Rate of the quieter region where rates differ; the other has 1 incident a day."""
_RATES = (0.6, 0.4)
_REPORTED, _DISCOVERED = 1.0, 0.5
"""Weights of reported and of discovered incidents where both are recorded."""
_MEMORY = 0.99
_ALONE = 0.99
"""Share of visits from which on a region is visited alone."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FeedbackOptions:
    """Options of claim-feedback."""

    runs: int = 1000
    """Simulated runs of every urn and city."""
    days: int = 20000
    """Simulated days of an urn; the theory holds in the limit of many."""
    city_days: int = 1000
    """Simulated days of a city."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(runs=(self.runs, 20), days=(self.days, 100), city_days=(self.city_days, 1))


@final
@dataclass(frozen=True, slots=True)
class _Check:
    """A theorem: the value in closed form, and the simulated one with its 95 % interval over runs."""

    name: str
    expected: float
    found: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Reproduced where the interval holds the closed form."""
        return "reproduced" if self.low <= self.expected <= self.high else "refuted"


def _run(options: FeedbackOptions, run: SystemRun) -> None:
    started = time.perf_counter()
    checks: list[_Check] = []
    for theorem in _THEOREMS:
        checks.append(theorem(options, run.seed))
        each = checks[-1]
        run.say(
            f"{each.name}: {each.found:.4f} (95 %: {each.low:.4f} to {each.high:.4f}), in closed form "
            f"{each.expected:.4f}: {each.verdict}"
        )
    alone = _with_decay(options, run.seed)
    run.say(f"With decay, one of two equal regions gets every visit in {alone:.0%} of the runs.")
    cities = [_city(*each, options, run.seed) for each in _CITY]
    held = sum(each.verdict == "reproduced" for each in checks)
    metrics: dict[str, float] = {"theorems reproduced": float(held)}
    for each in checks:
        metrics |= {f"{each.name}, simulated": each.found, f"{each.name}, in closed form": each.expected}
    metrics["with decay, visited alone"] = alone
    for city in cities:
        metrics |= {f"{city['region']}, {what}": city[what] for what in city if what != "region"}
    details = {"checks": [{**asdict(each), "verdict": each.verdict} for each in checks], "cities": cities}
    run.finish(
        None, metrics, train_seconds=time.perf_counter() - started, options=asdict(options),
        report=_report(checks, alone, cities, options), details=details,
    )  # fmt: skip


def _equal_rates(options: FeedbackOptions, seed: int) -> _Check:
    """Discovered incidents, equal rates: Polya's urn; the share ends at a Beta(2, 3) draw, whatever the rates say."""
    from longspan.explain.feedback import simulate_feedback

    _, records, _ = simulate_feedback(
        (1.0, 1.0), prior=(2.0, 3.0), one_at_most=True, days=options.days, runs=options.runs, seed=seed
    )
    share = records[:, 0] / records.sum(axis=1)
    spread = (2 * 3 / (5**2 * 6)) ** 0.5
    return _over_runs("equal rates: spread of the share", share, lambda draws: draws.std(axis=-1), spread, seed)


def _unequal_rates(options: FeedbackOptions, seed: int) -> _Check:
    """Discovered incidents, unequal rates: the quieter region's records grow as a power of the other's.

    So the share of the busier one goes to 1, however small the gap.
    """
    from longspan.explain.feedback import simulate_feedback

    first = options.days // 20
    kept, records, _ = simulate_feedback(
        (1.0, _GAP), prior=(10.0, 10.0), one_at_most=True, days=options.days, runs=options.runs, looks=[first],
        seed=seed,
    )  # fmt: skip
    growth = np.log(records) - np.log(kept[first])

    def power(draws: Array) -> Array:
        means = draws.mean(axis=-2)
        return means[..., 1] / means[..., 0]

    return _over_runs("unequal rates: power of growth", growth, power, _GAP, seed)


def _reported(options: FeedbackOptions, seed: int) -> _Check:
    """Reported incidents alone: the share is the true one."""
    return _share("reported incidents: share", lambda incidents, *_: incidents, _RATES[0], options, seed)


def _both(options: FeedbackOptions, seed: int) -> _Check:
    """Reported and discovered incidents: from the true shares on, to where both regions' records grow in proportion."""

    def censor(incidents: Array, visits: Array, *_: Any) -> Array:
        return incidents * (_REPORTED + _DISCOVERED * visits)

    return _share("reported and discovered: share", censor, _fixed_share(), options, seed, prior=(1.2, 0.8))


def _corrected(options: FeedbackOptions, seed: int) -> _Check:
    """Discovered incidents, kept less often where visits are frequent: the share is the true one."""
    from longspan.explain.feedback import reweighted

    return _share("corrected: share", reweighted, _RATES[0], options, seed)


_THEOREMS = (_equal_rates, _unequal_rates, _reported, _both, _corrected)


def _fixed_share() -> float:
    """X = a / (a + b) with a = rate (reported + discovered x) and b alike with 1 - x: the root in [0, 1]."""
    first, second = _RATES
    square = _DISCOVERED * (first - second)
    linear = _REPORTED * (first + second) + _DISCOVERED * second - _DISCOVERED * first
    roots = np.roots([square, linear, -_REPORTED * first])
    return float(next(each for each in roots.real if 0 <= each <= 1))


def _share(
    name: str,
    censor: Any,
    expected: float,
    options: FeedbackOptions,
    seed: int,
    prior: tuple[float, float] = (10.0, 10.0),
) -> _Check:
    from longspan.explain.feedback import simulate_feedback

    _, records, _ = simulate_feedback(
        _RATES, prior=prior, censor=censor, one_at_most=True, days=options.days, runs=options.runs, seed=seed
    )
    share = records[:, 0] / records.sum(axis=1)
    return _over_runs(name, share, lambda draws: draws.mean(axis=-1), expected, seed)


def _over_runs(name: str, values: Array, measure: Callable[[Array], Array], expected: float, seed: int) -> _Check:
    """A measure over runs with its bootstrap interval."""
    generator = np.random.default_rng(seed)
    draws = measure(values[generator.integers(0, len(values), (1000, len(values)))])
    low, high = np.quantile(draws, [0.025, 0.975])
    return _Check(name, expected, float(measure(values)), float(low), float(high))


def _with_decay(options: FeedbackOptions, seed: int) -> float:
    """Records that fade, equal rates: the fraction of runs in which one region ends up with every visit."""
    from longspan.explain.feedback import simulate_feedback

    *_, shares = simulate_feedback(
        (1.0, 1.0),
        prior=(10.0, 10.0),
        one_at_most=True,
        memory=_MEMORY,
        days=options.days,
        runs=options.runs,
        seed=seed,
    )
    return float((shares.max(axis=1) >= _ALONE).mean())


def _city(
    name: str, prior: tuple[float, float], rates: tuple[float, float], options: FeedbackOptions, seed: int
) -> dict[str, Any]:
    """The busier region's share of visits after the city's days, as discovered and corrected."""
    from longspan.explain.feedback import FeedbackOutcome, discovered, reweighted, simulate_feedback

    row: dict[str, Any] = {"region": name, "true share": rates[0] / sum(rates)}
    for what, censor in (("share", discovered), ("corrected", reweighted)):
        *_, shares = simulate_feedback(
            rates, prior=prior, censor=censor, days=options.city_days, runs=options.runs, seed=seed
        )
        outcome = FeedbackOutcome(0.0, shares, np.asarray(rates) / sum(rates))
        low, high = outcome.range[:, 0]
        row |= {what: float(outcome.mean[0]), f"{what}, low": float(low), f"{what}, high": float(high)}
    return row


def _report(
    checks: list[_Check], alone: float, cities: list[dict[str, Any]], options: FeedbackOptions
) -> Callable[[], Document]:
    def make() -> Document:
        held = sum(each.verdict == "reproduced" for each in checks)
        page = Document("claim-feedback", subtitle="Where arrests are the label, a model predicts arrests")
        page.headline("theorems reproduced", f"{held} of {len(checks)}", "the 95 % interval holds the closed form")
        page.headline("with decay, one region visited alone", f"{alone:.0%}", "of runs, at equal rates")
        page.section("Theorems")
        page.table(
            [
                {
                    "theorem": each.name, "in closed form": round(each.expected, 4), "simulated": round(each.found, 4),
                    "95 %": f"{each.low:.4f} to {each.high:.4f}", "verdict": each.verdict,
                }
                for each in checks
            ]
        )  # fmt: skip
        page.section("Two regions of a city; low and high hold 95 % of the runs")
        page.table([{name: round(v, 3) if isinstance(v, float) else v for name, v in each.items()} for each in cities])
        page.section("Settings")
        return page.settings(asdict(options)).environment()

    return make


FEEDBACK = System(
    name="claim-feedback",
    summary="Tests whether a policy that learns from what it finds runs away from the true rates, and what mends it.",
    needs="no download, and half a minute",
    options=FeedbackOptions,
    run=_run,
)
