"""Which run to do next, or to stop: the one that lowers the probability of a wrong choice most per second of training.

S strategies, K sizes, R seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from longspan.errors import StudyError
from longspan.study.statistics.paired_difference import PairedDifference, paired_difference

__all__ = ["FARTHEST_DECISION", "Decision", "Progress", "check_decision", "next_step"]

FARTHEST_DECISION = 4.0
"""A decision is not made beyond this many times the largest size of a study."""
_FIRST_SEEDS = 2
_CLEAR = 10.0
"""A decision that is so many times surer than asked for needs no run at the size it is for."""
# Gauss-Hermite nodes and weights for a standard normal variable.
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()


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
    reason: Literal["undecided", "decided", "no difference that matters", "no runs left", "budget spent"]
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
        wrong.append("A decision needs two sizes or more: the small ones tell what the large ones are worth.")
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

    It stops when the probability of a wrong choice is at most 1 - `level` and either the size nearest to the decision
    was run or the probability is ten times lower than asked for, or when a difference that matters is ruled out
    at `level`, or when nothing is left to run. The probability is a posterior under a prior learned from real curves.
    Looking at it after every run does not spoil it: over that prior, the average of what it says at the moment of
    stopping is right for every rule of stopping. `benchmarks/real_curves.py` measures how often choices are wrong.

    Source: the knowledge-gradient rule, Frazier, Powell and Dayanik 2009, one step ahead and per unit of cost. Differs:
    it lowers the probability of a wrong choice instead of its expected loss, and runs come as pairs of one seed.

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
    wrongs, equal = _doubts(apart, worth)
    wrong = min(1.0, float(sum(wrongs.values()))) if leader is not None else 1.0
    if leader is not None and all(each is not None for each in apart.values()):
        if wrong <= 1 - level:
            check = None if wrong <= (1 - level) / _CLEAR else _unseen(progress, open_runs, leader, apart, decide_at)
            if check is None:
                return Decision(run=None, reason="decided", leader=leader, wrong=wrong)
            if not _exceeds(progress, check, budget):
                return Decision(run=check, reason="undecided", leader=leader, wrong=wrong)
            return Decision(run=None, reason="budget spent", leader=leader, wrong=wrong)
        if worth > 0 and all(equal[rival] >= level or wrongs[rival] <= (1 - level) / len(wrongs) for rival in wrongs):
            return Decision(run=None, reason="no difference that matters", leader=leader, wrong=wrong)
    if not open_runs.any():
        return Decision(run=None, reason="no runs left", leader=leader, wrong=wrong)
    run = _first_runs(open_runs, progress.errors) or _best_run(progress, open_runs, leader, apart, wrongs, worth, level)
    if _exceeds(progress, run, budget):
        return Decision(run=None, reason="budget spent", leader=leader, wrong=wrong)
    return Decision(run=run, reason="undecided", leader=leader, wrong=wrong)


def expected_seconds(progress: Progress, strategy: int, size: int) -> float:
    """What a run will take: the mean of those like it, or in proportion to rows from the nearest size that was run."""
    per_size = [_mean(progress.seconds[strategy, k]) for k in range(len(progress.sizes))]
    if per_size[size] is not None:
        return max(1e-6, per_size[size] or 0.0)
    known = [k for k, value in enumerate(per_size) if value is not None]
    if known:
        near = min(known, key=lambda k: abs(k - size))
        return max(1e-6, (per_size[near] or 0.0) * float(progress.sizes[size] / progress.sizes[near]))
    rates = progress.seconds / progress.sizes[None, :, None]
    rate = _mean(rates)
    return max(1e-6, (rate or 1.0) * float(progress.sizes[size]))


def _exceeds(progress: Progress, run: tuple[int, int, int], budget: float | None) -> bool:
    """Whether a run would take training beyond the budget."""
    spent = float(np.nansum(progress.seconds))
    return budget is not None and spent + expected_seconds(progress, run[0], run[1]) > budget


def _unseen(
    progress: Progress, open_runs: np.ndarray, leader: int, apart: dict[int, PairedDifference | None], decide_at: float
) -> tuple[int, int, int] | None:
    """A run at the size nearest to the decision, where a rival that is still possible has no pair with the leader.

    A bend of a curve beyond the sizes run so far is the one surprise that small sizes cannot warn of.
    """
    size = int(np.argmin(np.abs(np.log(progress.sizes / decide_at))))
    for rival in apart:
        if not np.isfinite(progress.errors[[leader, rival], size]).all(axis=0).any():
            pair = _cheapest_pair(progress, open_runs, leader, rival, size)
            if pair is not None:
                return pair[1]
    return None


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _difference(progress: Progress, first: int, second: int, decide_at: float) -> PairedDifference | None:
    places = np.append(progress.sizes.astype(np.float64), decide_at)
    return paired_difference(progress.sizes, progress.errors[first], progress.errors[second], places=places)


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


def _doubts(apart: dict[int, PairedDifference | None], worth: float) -> tuple[dict[int, float], dict[int, float]]:
    """For each rival: P(it is better by more than `worth`), and P(no difference that matters)."""
    wrong, equal = {}, {}
    for rival, difference in apart.items():
        if difference is None:
            wrong[rival], equal[rival] = 0.5, 0.0
            continue
        margin = worth / difference.scale[-1]
        wrong[rival] = 1.0 - float(difference.posterior.below(margin)[-1])
        equal[rival] = float(difference.posterior.below(margin)[-1] - difference.posterior.below(-margin)[-1])
    return wrong, equal


def _first_runs(open_runs: np.ndarray, errors: np.ndarray) -> tuple[int, int, int] | None:
    """Before anything can be weighed: two seeds at the smallest size and one at a middle size, for every strategy."""
    middle = max(1, open_runs.shape[1] // 2)
    for size, seeds in ((0, _FIRST_SEEDS), (middle, 1)):
        for strategy in range(open_runs.shape[0]):
            done = int(np.isfinite(errors[strategy, size]).sum())
            (left,) = np.nonzero(open_runs[strategy, size])
            if done < seeds and len(left):
                return strategy, size, int(left[0])
    return None


def _best_run(
    progress: Progress, open_runs: np.ndarray, leader: int | None, apart: dict[int, PairedDifference | None],
    wrongs: dict[int, float], worth: float, level: float,
) -> tuple[int, int, int]:  # fmt: skip
    """The run that starts the pair with the largest expected drop per second."""
    best: tuple[float, tuple[int, int, int]] | None = None
    for rival, difference in apart.items():
        if leader is None or difference is None or wrongs[rival] <= (1 - level) / (4 * len(wrongs)):
            continue
        for size in range(len(progress.sizes)):
            pair = _cheapest_pair(progress, open_runs, leader, rival, size)
            if pair is None:
                continue
            value = _expected_drop(progress, difference, size, worth) / pair[0]
            if best is None or value > best[0]:
                best = value, pair[1]
    if best is not None:
        return best[1]
    strategy, size, seed = (int(places[0]) for places in np.nonzero(open_runs))
    return strategy, size, seed


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
    measured = np.log(difference.measured_at)
    spread = np.exp(np.interp(np.log(progress.sizes[size]), measured, np.log(difference.run_variance)))
    before = posterior.sds[:, -1] ** 2
    learned = posterior.with_last[:, size] ** 2 / (posterior.sds[:, size] ** 2 + spread)
    weights, mean = posterior.weights, float(posterior.mean()[-1])
    total = float(weights @ (before + (posterior.means[:, -1] - mean) ** 2))
    gained = min(float(weights @ learned), 0.999 * total)
    after = np.sqrt(total - gained)
    margin = worth / float(difference.scale[-1])
    future = mean + np.sqrt(gained) * _NODES
    now = _wrong_between(np.array([mean]), np.sqrt(total), margin)[0]
    return float(now - _NODE_WEIGHTS @ _wrong_between(future, after, margin))


def _wrong_between(mean: np.ndarray, sd: float, margin: float) -> np.ndarray:
    """The probability that the strategy which looks better is worse by more than `margin`."""
    from scipy.special import ndtr

    return ndtr(-(np.abs(mean) + margin) / sd)
