"""Which run to do next, or to stop: the one that lowers the probability of a wrong choice most per second of training.

S strategies, K sizes, R seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from longspan.errors import StudyError
from longspan.study.statistics.paired_difference import PairedDifference, paired_difference

__all__ = [
    "FARTHEST_DECISION",
    "Decision",
    "Progress",
    "check_decision",
    "first_round_seconds",
    "next_step",
    "wrong_probability",
]

FARTHEST_DECISION = 4.0
"""A decision is not made beyond this many times the largest size of a study."""
_FIRST_SEEDS = 2
_LEAST_PAIRS = 2
"""At the size nearest to the decision, before a strategy is called better: a single pair gives no spread."""
_CONFIRMED = 0.99
"""A single pair there is enough where the other sizes alone give the leader this probability of being better."""
_FUTILE = 0.3
"""It stops where the probability that all the runs that are left would settle it is lower than this ..."""
_LITTLE = 0.15
"""... and where they would lower the probability of a wrong choice by less than this."""
_STEEPEST = 3.0
"""The highest power of rows that seconds are taken to grow with."""
# Gauss-Hermite nodes and weights for a standard normal variable.
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()


Reason = Literal[
    "undecided", "decided", "no difference that matters", "the runs left would not decide it", "no runs left",
    "budget spent",
]  # fmt: skip
"""Why there is a next run, or none."""


@final
@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is finished and what could still be run."""

    sizes: np.ndarray
    """`(K,)` training rows, ascending."""
    errors: np.ndarray
    """`(S, K, R)`, NaN where no run is finished."""
    seconds: np.ndarray
    """`(S, K, R)`: what each finished run took, NaN elsewhere."""
    closed: np.ndarray
    """`(S, K, R)` bool: runs that are under way or have failed, and so are not to be chosen."""


@final
@dataclass(frozen=True, kw_only=True)
class Decision:
    """The next run, or why there is none."""

    run: tuple[int, int, int] | None
    """Strategy, size and seed, as places in `Progress`; None to stop."""
    reason: Reason
    leader: int | None
    """The strategy to choose at `decide_at`, as far as is known."""
    wrong: float
    """The probability that another strategy is better at `decide_at`, by more than `worth`."""


def check_decision(sizes: np.ndarray, decide_at: float, worth: float, level: float, strategies: int) -> list[str]:
    """What is wrong with a wanted decision, in sentences; empty if nothing is."""
    wrong: list[str] = []
    if strategies < 2:
        wrong.append("A decision needs two strategies or more.")
    if len(sizes) < 2:
        wrong.append("A decision needs two sizes or more: small ones show which large runs are worth their time.")
    lowest, farthest = float(min(sizes)), FARTHEST_DECISION * float(max(sizes))
    if not lowest <= decide_at <= farthest:
        wrong.append(
            f"decide_at={decide_at:,g} lies outside what can be extrapolated: {lowest:,g} to {farthest:,g}, four times "
            "the largest size. Add larger sizes, or decide at one of these."
        )
    if not 0 <= worth < float("inf"):
        wrong.append(f"worth={worth}: a difference of errors from 0 on (0.01 for one point of an error rate).")
    if not 0.5 < level < 1:
        wrong.append(f"level={level}: how sure the decision must be, between 0.5 and 1 (0.95 for 95 %).")
    return wrong


def next_step(
    progress: Progress, *, decide_at: float, worth: float = 0.0, level: float = 0.95, budget: float | None = None
) -> Decision:
    """The run with the largest expected drop in the probability of a wrong choice per second, or to stop.

    It may be asked after every run, and the promise still holds: of two strategies that are equal at `decide_at`, one
    is called better in at most 1 - `level` of all studies, however often one looks. The evidence against "equal" is
    the ratio of prior to posterior density there, a martingale under that hypothesis, so it reaches 1 / (1 - `level`)
    with a probability of 1 - `level` at most. That holds where the spread over seeds is known; where it is estimated,
    most wrong claims rest on a single pair at the size of the decision, so two are needed there, unless the other sizes
    alone already speak for the leader. With S strategies each of S - 1 rivals must be refuted at (S - 1) / (1 -
    `level`). With `worth`, it also stops as soon as every rival that
    is better by `worth` is refuted in the same way: then choosing the leader loses nothing that matters. And it gives
    up, which breaks no promise, where all the runs that are left would probably not settle it, nor lower the
    probability of a wrong choice by much. What is assumed is that
    curves bend and seeds differ as real ones do; `benchmarks/stopping.py` and `benchmarks/real_curves.py` measure
    whether the promise holds.

    Source of the stopping rule: Waudby-Smith and Ramdas 2020 (the prior-posterior ratio); Howard, Ramdas, McAuliffe and
    Sekhon 2021 (mixture martingales). Source of the choice of runs: the knowledge-gradient rule, Frazier, Powell and
    Dayanik 2009, one step ahead and per unit of cost. Differs: it lowers the probability of a wrong choice instead of
    its expected loss, and runs come as pairs of one seed.

    Args:
        progress: finished runs.
        decide_at: training rows that the decision is for.
        worth: a difference of errors that does not matter, in their unit.
        level: how sure the decision must be.
        budget: seconds of training in all; None for no limit.

    Raises:
        StudyError: what `check_decision` finds.
    """
    faults = check_decision(progress.sizes, decide_at, worth, level, len(progress.errors))
    if faults:
        raise StudyError(" ".join(faults))
    open_runs = ~np.isfinite(progress.errors) & ~progress.closed
    leader, apart = _leader(progress, decide_at)
    wrongs = _doubts(apart, worth)
    wrong = min(1.0, float(sum(wrongs.values()))) if leader is not None else 1.0
    enough = math.log(len(apart) / (1 - level))
    better = {rival: _refuted(each, 0.0, enough) for rival, each in apart.items()}
    settled = {rival: better[rival] or _refuted(each, worth, enough) for rival, each in apart.items()}

    def stop(reason: Reason) -> Decision:
        return Decision(run=None, reason=reason, leader=leader, wrong=wrong)

    def go_on(run: tuple[int, int, int]) -> Decision:
        if _exceeds(progress, run, budget):
            return stop("budget spent")
        return Decision(run=run, reason="undecided", leader=leader, wrong=wrong)

    known = leader is not None and all(each is not None for each in apart.values())
    unseen = _unseen(progress, open_runs, leader, apart, decide_at, 1) if known and leader is not None else None
    if known and leader is not None and all(settled.values()):
        alone = not all(better.values()) or all(_confirmed(progress, leader, rival, decide_at) for rival in apart)
        least = 1 if alone else _LEAST_PAIRS
        unseen = _unseen(progress, open_runs, leader, apart, decide_at, least)
        if unseen is not None:
            return go_on(unseen)
        return stop("decided" if all(better.values()) else "no difference that matters")
    if not open_runs.any():
        return stop("no runs left")
    first = _first_runs(open_runs, progress.errors)
    if first is not None or not known or leader is None:
        return go_on(first or _any_run(open_runs))
    hopeless = {
        rival: not settled[rival] and unseen is None
        and _futile(progress, open_runs, leader, rival, each, worth, enough)
        for rival, each in apart.items() if each is not None
    }  # fmt: skip
    race = {rival: each for rival, each in apart.items() if each and not settled[rival] and not hopeless[rival]}
    if not race:
        return stop("the runs left would not decide it")
    return go_on(_best_run(progress, open_runs, leader, race, worth) or unseen or _any_run(open_runs))


def wrong_probability(
    progress: Progress, leader: int, *, decide_at: float, worth: float, rows: Mapping[int, np.ndarray]
) -> float:
    """The probability that a rival is better than the leader at `decide_at` by more than `worth`, on rows like these.

    Args:
        progress: finished runs.
        leader: the strategy that is chosen.
        decide_at: training rows.
        worth: a difference of errors that does not matter.
        rows: for every rival, how its difference to the leader varies over other rows; see `rows_covariance`.
    """
    apart = {rival: _difference(progress, leader, rival, decide_at, each) for rival, each in rows.items()}
    return min(1.0, sum(_doubts(apart, worth).values()))


def expected_seconds(progress: Progress, strategy: int, size: int) -> float:
    """What a run will take: the mean of those like it; else it follows from the nearest sizes that were run.

    From two sizes it goes on as a power of rows, from a single one in proportion to them.
    """
    per_size = [_mean(progress.seconds[strategy, k]) for k in range(len(progress.sizes))]
    if per_size[size] is not None:
        return max(1e-6, per_size[size] or 0.0)
    known = [k for k, value in enumerate(per_size) if value is not None]
    if known:
        near, *others = sorted(known, key=lambda k: abs(k - size))
        power = 1.0
        if others:
            rows, taken = progress.sizes[[near, others[0]]], [per_size[near] or 0.0, per_size[others[0]] or 0.0]
            power = float(np.diff(np.log(np.maximum(taken, 1e-6)))[0] / np.diff(np.log(rows))[0])
        times = float(progress.sizes[size] / progress.sizes[near]) ** min(max(power, 0.0), _STEEPEST)
        return max(1e-6, (per_size[near] or 0.0) * times)
    rates = progress.seconds / progress.sizes[None, :, None]
    rate = _mean(rates)
    return max(1e-6, (rate or 0.0) * float(progress.sizes[size]))  # nothing is known before the first run


def first_round_seconds(progress: Progress) -> float:
    """What all runs take that are needed before anything can be weighed, finished ones included."""
    return sum(
        seeds * expected_seconds(progress, strategy, size)
        for size, seeds in _first_round(len(progress.sizes))
        for strategy in range(len(progress.errors))
    )


def _exceeds(progress: Progress, run: tuple[int, int, int], budget: float | None) -> bool:
    """Whether a run would take training beyond the budget."""
    spent = float(np.nansum(progress.seconds))
    return budget is not None and spent + expected_seconds(progress, run[0], run[1]) > budget


def _unseen(
    progress: Progress, open_runs: np.ndarray, leader: int, apart: dict[int, PairedDifference | None], decide_at: float,
    least: int,
) -> tuple[int, int, int] | None:  # fmt: skip
    """A run at the size nearest to the decision, where a rival has fewer than `least` pairs with the leader.

    A bend of a curve beyond the sizes run so far is the one surprise that small sizes cannot warn of.
    """
    size = _nearest(progress, decide_at)
    for rival in apart:
        if np.isfinite(progress.errors[[leader, rival], size]).all(axis=0).sum() < least:
            pair = _cheapest_pair(progress, open_runs, leader, rival, size)
            if pair is not None:
                return pair[1]
    return None


def _nearest(progress: Progress, decide_at: float) -> int:
    """The place of the size nearest to the decision."""
    return int(np.argmin(np.abs(np.log(progress.sizes / decide_at))))


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _difference(
    progress: Progress, first: int, second: int, decide_at: float, rows: np.ndarray | None = None
) -> PairedDifference | None:
    places, errors = np.append(progress.sizes.astype(np.float64), decide_at), progress.errors
    return paired_difference(progress.sizes, errors[first], errors[second], places=places, rows=rows)


def _leader(progress: Progress, decide_at: float) -> tuple[int | None, dict[int, PairedDifference | None]]:
    """The strategy with the lowest expected error at `decide_at`, and its difference to every other one."""
    count = len(progress.errors)
    leader = 0
    for rival in range(1, count):
        apart = _difference(progress, rival, leader, decide_at)
        if apart is not None and apart.below[-1] > 0.5:
            leader = rival
    others = {rival: _difference(progress, leader, rival, decide_at) for rival in range(count) if rival != leader}
    return (leader if any(each is not None for each in others.values()) else None), others


def _doubts(apart: dict[int, PairedDifference | None], worth: float) -> dict[int, float]:
    """For each rival the probability that it is better by more than `worth`; a half where nothing is known."""
    return {
        rival: 0.5 if each is None else max(0.0, 1.0 - float(each.posterior.below(worth / each.scale[-1])[-1]))
        for rival, each in apart.items()
    }


def _refuted(apart: PairedDifference | None, worth: float, enough: float) -> bool:
    """Whether a rival that is better by `worth` or more is ruled out, by evidence of `enough` (a logarithm)."""
    if apart is None:
        return False
    margin = worth / float(apart.scale[-1])
    on_this_side = float(apart.posterior.mean()[-1]) < margin
    return on_this_side and float(apart.posterior.log_evidence_against(margin)[-1]) >= enough


def _first_round(sizes: int) -> tuple[tuple[int, int], ...]:
    """Size and number of seeds: two at the smallest size, one at a middle size."""
    return (0, _FIRST_SEEDS), (max(1, sizes // 2), 1)


def _first_runs(open_runs: np.ndarray, errors: np.ndarray) -> tuple[int, int, int] | None:
    """Before anything can be weighed: two seeds at the smallest size and one at a middle size, for every strategy."""
    for size, seeds in _first_round(open_runs.shape[1]):
        for strategy in range(open_runs.shape[0]):
            done = int(np.isfinite(errors[strategy, size]).sum())
            (left,) = np.nonzero(open_runs[strategy, size])
            if done < seeds and len(left):
                return strategy, size, int(left[0])
    return None


def _any_run(open_runs: np.ndarray) -> tuple[int, int, int]:
    """The first run that is open."""
    strategy, size, seed = (int(places[0]) for places in np.nonzero(open_runs))
    return strategy, size, seed


def _confirmed(progress: Progress, leader: int, rival: int, decide_at: float) -> bool:
    """Whether the other sizes alone, without that of the decision, already say that the leader is better."""
    errors = progress.errors.copy()
    errors[:, _nearest(progress, decide_at)] = np.nan
    apart = _difference(replace(progress, errors=errors), leader, rival, decide_at)
    return apart is not None and float(apart.below[-1]) >= _CONFIRMED


def _futile(
    progress: Progress, open_runs: np.ndarray, leader: int, rival: int, apart: PairedDifference, worth: float,
    enough: float,
) -> bool:  # fmt: skip
    """Whether all runs that are left would probably not settle it between two, nor better the choice by much.

    A pair at another size counts by the squared correlation of the curve there with that at the decision. Taken as
    normal: the mean at the end varies by what the variance will have lost, and the evidence against a value is then
    half its squared distance in standard deviations, less half the logarithm of prior over posterior variance.
    """
    from scipy.special import ndtr

    posterior = apart.posterior
    sds, last = posterior.sds, posterior.sds[:, -1:]
    alike = posterior.weights @ (posterior.with_last / (sds * last)) ** 2
    done = np.isfinite(progress.errors[[leader, rival]])
    left = ((done | open_runs[[leader, rival]]).all(axis=0) & ~done.all(axis=0)).sum(axis=1)
    mean = float(posterior.mean()[-1])
    variance = float(posterior.weights @ (sds[:, -1] ** 2 + (posterior.means[:, -1] - mean) ** 2))
    size = _nearest(progress, float(apart.x[-1]))
    pairs = float(alike[:-1] @ left)
    end = 1 / (1 / variance + pairs / _run_variance(apart, float(progress.sizes[size])))
    prior = float(posterior.prior_weights @ posterior.prior_sds[:, -1] ** 2)
    needed = math.sqrt(2 * enough + math.log(max(prior / end, 1.0)))
    margin = worth / float(apart.scale[-1])
    reach = margin - needed * math.sqrt(end)  # a mean on either side of it settles it
    if reach >= 0:
        return False
    spread = math.sqrt(max(variance - end, 1e-12))
    chance = float(ndtr((reach - mean) / spread) + ndtr((reach + mean) / spread))
    return chance < _FUTILE and _drop(mean, variance, variance - end, margin) < _LITTLE


def _run_variance(apart: PairedDifference, size: float) -> float:
    """The variance of one pair's difference at a size, relative to the squared scale."""
    return float(np.exp(np.interp(np.log(size), np.log(apart.measured_at), np.log(apart.run_variance))))


def _best_run(
    progress: Progress, open_runs: np.ndarray, leader: int, race: dict[int, PairedDifference], worth: float
) -> tuple[int, int, int] | None:
    """The run that starts the pair with the largest expected drop per second, against rivals that are in the race."""
    best: tuple[float, tuple[int, int, int]] | None = None
    for rival, difference in race.items():
        for size in range(len(progress.sizes)):
            pair = _cheapest_pair(progress, open_runs, leader, rival, size)
            if pair is None:
                continue
            value = _expected_drop(progress, difference, size, worth) / pair[0]
            if best is None or value > best[0]:
                best = value, pair[1]
    return None if best is None else best[1]


def _cheapest_pair(
    progress: Progress, open_runs: np.ndarray, leader: int, rival: int, size: int
) -> tuple[float, tuple[int, int, int]] | None:
    """Seconds until one more seed has a result of both, and the run to start with; None if no seed is left."""
    done = np.isfinite(progress.errors[[leader, rival], size])
    possible = (done | open_runs[[leader, rival], size]).all(axis=0) & ~done.all(axis=0)
    found: tuple[float, tuple[int, int, int]] | None = None
    for seed in np.flatnonzero(possible):
        lacking = [name for name, has in zip((leader, rival), done[:, seed], strict=True) if not has]
        price = sum(expected_seconds(progress, name, size) for name in lacking)
        if found is None or price < found[0]:
            found = price, (lacking[0], size, int(seed))
    return found


def _expected_drop(progress: Progress, difference: PairedDifference, size: int, worth: float) -> float:
    """By how much one more pair at a size is expected to lower the probability of a wrong choice between two."""
    posterior = difference.posterior
    spread = _run_variance(difference, float(progress.sizes[size]))
    before = posterior.sds[:, -1] ** 2
    learned = posterior.with_last[:, size] ** 2 / (posterior.sds[:, size] ** 2 + spread)
    weights, mean = posterior.weights, float(posterior.mean()[-1])
    total = float(weights @ (before + (posterior.means[:, -1] - mean) ** 2))
    return _drop(mean, total, float(weights @ learned), worth / float(difference.scale[-1]))


def _drop(mean: float, variance: float, learned: float, margin: float) -> float:
    """By how much the probability of a wrong choice falls where so much of the variance will be known."""
    gained = min(max(learned, 0.0), 0.999 * variance)
    future = mean + math.sqrt(gained) * _NODES
    now = _wrong_between(np.array([mean]), math.sqrt(variance), margin)[0]
    return float(now - _NODE_WEIGHTS @ _wrong_between(future, math.sqrt(variance - gained), margin))


def _wrong_between(mean: np.ndarray, sd: float, margin: float) -> np.ndarray:
    """The probability that the strategy which looks better is worse by more than `margin`."""
    from scipy.special import ndtr

    return ndtr(-(np.abs(mean) + margin) / sd)
