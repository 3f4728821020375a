"""What a policy does to its own data: records that come only from where it looked decide where it looks next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from longspan.errors import ConfigError
from longspan.randomness import step_seed

__all__ = [
    "FeedbackAudit",
    "FeedbackOutcome",
    "discovered",
    "feedback_audit",
    "in_proportion",
    "reweighted",
    "simulate_feedback",
]

Array = npt.NDArray[np.float64]
Predict = Callable[[Array], Array]
"""Records so far `(N, R)` of N simulated runs in R regions -> predicted rates `(N, R)`, at least 0."""
Allocate = Callable[[Array], Array]
"""Predicted rates `(N, R)` -> how visits are shared `(N, R)`, at least 0; rows are scaled to a sum of 1."""
Censor = Callable[[Array, Array, Array, np.random.Generator], Array]
"""Incidents, visits (0 or 1) and shares of visits, each `(N, R)`, and a generator -> what is recorded `(N, R)`."""

_EXPLORATIONS = (0.0, 0.05, 0.1, 0.2, 0.5)


def in_proportion(values: Array) -> Array:
    """Predict: rates as the records; allocate: visits in proportion to the predicted rates."""
    return values


def discovered(incidents: Array, visits: Array, shares: Array, generator: np.random.Generator) -> Array:
    """Censor: only incidents of the visited region are recorded."""
    return incidents * visits


def reweighted(incidents: Array, visits: Array, shares: Array, generator: np.random.Generator) -> Array:
    """Censor: of the incidents found, those of regions that are visited often are dropped at random, more often.

    Source: Ensign et al. 2018, "Runaway feedback loops in predictive policing", section 4 (rejection sampling).
    Differs: an incident is kept with probability min(shares) / share, which works for any number of regions; the
    paper's 1 - share, for two regions, keeps fewer and in the same proportion.
    """
    keep = shares.min(axis=1, keepdims=True) / shares
    return generator.binomial((incidents * visits).astype(np.int64), np.clip(keep, 0.0, 1.0)).astype(np.float64)


@final
@dataclass(frozen=True, slots=True)
class FeedbackOutcome:
    """How the policy shares its visits in the end, with some visits made at random."""

    exploration: float
    """Fraction of the visits made to a region chosen at random."""
    shares: Array
    """`(N, R)`: how each of N simulated runs shares the visits that it does not make at random."""
    true_shares: Array
    """`(R,)`: of each region's rate in the sum of all."""

    @property
    def mean(self) -> Array:
        """Mean over runs, `(R,)`."""
        return self.shares.mean(axis=0)

    @property
    def drift(self) -> float:
        """Mean over runs of the largest difference between a region's share and its true one."""
        return float(self._drifts.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the drift: mean plus or minus 1.96 standard errors over runs."""
        error = 1.96 * float(self._drifts.std(ddof=1)) / len(self.shares) ** 0.5
        return self.drift - error, self.drift + error

    @property
    def range(self) -> Array:
        """Central 95 % of the runs, `(2, R)`."""
        return np.quantile(self.shares, [0.025, 0.975], axis=0)

    @property
    def _drifts(self) -> Array:
        return np.abs(self.shares - self.true_shares).max(axis=1)


@final
@dataclass(frozen=True, slots=True)
class FeedbackAudit:
    """How far a policy drifts from the true shares, and how much exploration mends it."""

    outcomes: tuple[FeedbackOutcome, ...]
    """One for each exploration, from none to most."""
    tolerance: float
    """Largest drift that does not matter."""

    @property
    def needed(self) -> float | None:
        """The least exploration tried whose drift is surely within the tolerance; None if there is none."""
        return next((each.exploration for each in self.outcomes if each.interval[1] <= self.tolerance), None)

    def __str__(self) -> str:
        """The finding in a sentence, and a line for each exploration."""
        first = self.outcomes[0]
        if first.interval[1] <= self.tolerance:
            finding = f"The policy stays within {self.tolerance:.0%} of the true shares without exploration."
        elif self.needed is None:
            most = self.outcomes[-1].exploration
            finding = f"The policy drifts by {first.drift:.0%}, and {most:.0%} exploration is not enough to mend it."
        else:
            finding = f"The policy drifts by {first.drift:.0%}; it takes {self.needed:.0%} exploration to mend it."
        lines = [
            f"exploration {each.exploration:4.0%}  drift {each.drift:.3f} "
            f"(95 %: {max(0.0, each.interval[0]):.3f} to {each.interval[1]:.3f})"
            for each in self.outcomes
        ]
        return "\n".join([finding, *lines])


def feedback_audit(
    rates: Sequence[float],
    *,
    predict: Predict = in_proportion,
    allocate: Allocate = in_proportion,
    censor: Censor = discovered,
    prior: Sequence[float] | None = None,
    days: int = 1000,
    runs: int = 200,
    explorations: Sequence[float] = _EXPLORATIONS,
    tolerance: float = 0.05,
    seed: int = 0,
) -> FeedbackAudit:
    """Simulate a policy on regions whose rates are known, and measure how far it drifts from them.

    Each day one region is visited, drawn by the policy's shares; incidents happen everywhere; what `censor` lets
    through is recorded; the policy predicts from its records. Nothing else reaches it, so a policy that drifts here
    drifts because of its own data.

    Args:
        rates: Mean number of incidents a day in each of R regions.
        predict: Your model: records to predicted rates. Default: the records themselves.
        allocate: Your policy: predicted rates to shares of visits. Default: in proportion.
        censor: Which incidents are recorded. Default: those of the visited region.
        prior: Records before the first day; 1 for each region if None.
        days: Length of a run.
        runs: Number of simulated runs.
        explorations: Fractions of visits to a region chosen at random, from least to most.
        tolerance: Largest drift that does not matter.
        seed: Of the simulation.

    Raises:
        ConfigError: an argument out of range, or a function that returns another shape, a negative number or NaN.

    Example:
        >>> audit = feedback_audit([3.0, 2.0], days=300, runs=50)
        >>> audit.outcomes[0].drift > 0.1, audit.outcomes[-1].drift < audit.outcomes[0].drift
        (True, True)
    """
    explorations = sorted(explorations)
    if not explorations or not 0 <= explorations[0] <= explorations[-1] <= 1:
        raise ConfigError(f"explorations must be fractions between 0 and 1, got {list(explorations)}.")
    if not 0 < tolerance < 1:
        raise ConfigError(f"tolerance must be between 0 and 1, got {tolerance}.")
    outcomes = []
    for exploration in explorations:
        *_, shares = simulate_feedback(
            rates, predict=predict, allocate=allocate, censor=censor, prior=prior, days=days, runs=runs,
            exploration=exploration, seed=seed,
        )  # fmt: skip
        outcomes.append(FeedbackOutcome(exploration, shares, np.asarray(rates, np.float64) / np.sum(rates)))
    return FeedbackAudit(tuple(outcomes), tolerance)


def simulate_feedback(
    rates: Sequence[float],
    *,
    predict: Predict = in_proportion,
    allocate: Allocate = in_proportion,
    censor: Censor = discovered,
    prior: Sequence[float] | None = None,
    days: int = 1000,
    runs: int = 200,
    exploration: float = 0.0,
    memory: float = 1.0,
    one_at_most: bool = False,
    looks: Sequence[int] = (),
    seed: int = 0,
) -> tuple[dict[int, Array], Array, Array]:
    """The simulation of `feedback_audit` for one exploration.

    Args:
        rates: As there; with `one_at_most` probabilities of an incident a day.
        predict: As there.
        allocate: As there.
        censor: As there.
        prior: As there.
        days: As there.
        runs: As there.
        exploration: Fraction of visits to a region chosen at random.
        memory: Fraction of the records that is left after a day.
        one_at_most: A day has one incident or none; else their number is Poisson's.
        looks: Days after which the records are kept.
        seed: Of the simulation.

    Returns:
        Records `(N, R)` after each of `looks`, records at the end, and the shares that the policy then chooses.

    Raises:
        ConfigError: as there.
    """
    rate_R = _checked_rates(rates, one_at_most)
    counts = {"days": days, "runs": runs}
    for name, value in counts.items():
        if not isinstance(value, int) or value < (2 if name == "runs" else 1):
            raise ConfigError(f"{name} must be a whole number of at least {2 if name == 'runs' else 1}, got {value!r}.")
    if not 0 < memory <= 1 or not 0 <= exploration <= 1:
        raise ConfigError(f"memory ({memory}) and exploration ({exploration}) must be fractions; memory above 0.")
    start = np.ones(len(rate_R)) if prior is None else np.asarray(prior, np.float64)
    if start.shape != rate_R.shape or not (start >= 0).all() or not start.sum() > 0:
        raise ConfigError(f"prior must be {len(rate_R)} numbers of at least 0 that are not all 0, got {prior!r}.")
    generator = np.random.default_rng(step_seed(seed, "feedback", 0))
    records = np.tile(start, (runs, 1))
    kept: dict[int, Array] = {}
    places = np.arange(len(rate_R))
    for day in range(1, days + 1):
        shares = _shares(records, predict, allocate)
        chances = (1 - exploration) * shares + exploration / len(rate_R)
        chosen = (generator.random((runs, 1)) > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)
        visits = (chosen[:, None] == places).astype(np.float64)
        if one_at_most:
            incidents = (generator.random(records.shape) < rate_R).astype(np.float64)
        else:
            incidents = generator.poisson(rate_R, records.shape).astype(np.float64)
        recorded = _checked("censor", censor(incidents, visits, chances, generator), records.shape)
        records = memory * records + recorded
        if day in looks:
            kept[day] = records.copy()
    return kept, records, _shares(records, predict, allocate)


def _shares(records: Array, predict: Predict, allocate: Allocate) -> Array:
    shares = _checked("allocate", allocate(_checked("predict", predict(records), records.shape)), records.shape)
    total = shares.sum(axis=1, keepdims=True)
    if not (total > 0).all():
        raise ConfigError("allocate gave no region a share; at least one must be above 0.")
    return shares / total


def _checked(name: str, values: Any, shape: tuple[int, ...]) -> Array:
    values = np.asarray(values, np.float64)
    if values.shape != shape:
        raise ConfigError(f"{name} must return an array of shape {shape}, one row for each run; got {values.shape}.")
    if not np.isfinite(values).all() or (values < 0).any():
        raise ConfigError(f"{name} returned a negative number, an infinity or NaN.")
    return values


def _checked_rates(rates: Sequence[float], one_at_most: bool) -> Array:
    rate_R = np.asarray(rates, np.float64)
    if rate_R.ndim != 1 or len(rate_R) < 2 or not (np.isfinite(rate_R) & (rate_R > 0)).all():
        raise ConfigError(f"rates must be at least two numbers above 0, got {rates!r}.")
    if one_at_most and (rate_R > 1).any():
        raise ConfigError(f"With one_at_most, rates are probabilities of at most 1, got {rates!r}.")
    return rate_R
