"""Is it the same person, and who is it? Error rates of comparisons at a threshold, with intervals that go by person.

Two errors at a threshold t: a pair of two people whose similarity is at least t is a *false accept* (FAR, also false
match rate), a pair of one person below t a *false reject* (FRR, false non-match rate). A threshold is chosen on some
people and measured on others (`choose_threshold`, `error_rates`): chosen and measured on the same people it flatters.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, final

import numpy as np
import numpy.typing as npt

from longspan.errors import ConfigError, DataError

__all__ = [
    "ErrorRates", "Identification", "Rate", "choose_threshold", "equal_error_rate", "error_rates", "fold_accuracies",
    "identification", "rank_accuracy", "rate_by_person", "roc", "wilson",
]  # fmt: skip

_Floats = npt.NDArray[np.float64]


def wilson(count: float, total: float, *, level: float = 0.95) -> tuple[float, float]:
    """The interval of a fraction `count / total`; 0 to 1 where nothing was tried.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if total <= 0:
        return 0.0, 1.0
    square = NormalDist().inv_cdf((1 + level) / 2) ** 2
    fraction = count / total
    centre = (fraction + square / (2 * total)) / (1 + square / total)
    spread = fraction * (1 - fraction) / total + square / (4 * total**2)
    margin = math.sqrt(square * spread) / (1 + square / total)
    return max(0.0, centre - margin), min(1.0, centre + margin)


@final
@dataclass(frozen=True, slots=True)
class Rate:
    """A fraction of trials, and the 95 % interval that it would have with other people."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The fraction; NaN without trials."""
        return self.count / self.total if self.total else math.nan

    def __str__(self) -> str:
        """Such as `0.40 % (95 %: 0.21 to 0.76), 6 of 1,500`."""
        return f"{self.value:.2%} (95 %: {self.low:.2%} to {self.high:.2%}), {self.count:,} of {self.total:,}"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"value": self.value, "low": self.low, "high": self.high, "count": self.count, "total": self.total}


def rate_by_person(wrong: npt.ArrayLike, first: Sequence[Hashable], second: Sequence[Hashable] | None = None) -> Rate:
    """The fraction of trials that are wrong, with Wilson's interval for as many trials as people make independent ones.

    Trials that share a person go wrong together: two thousand comparisons of ten people say little about others. The
    variance of the fraction is that of trials clustered by person, where a comparison of two people belongs to both
    clusters; the trials that would vary as much if they were independent are the number in Wilson's interval. A
    variance that only c people with errors tell of is believed by a part of (c - 1) / (c + 1). For the rest, and where
    all trials are right, each person's trials count as one: the number is that of people, half of it for comparisons.

    Sources: Wilson 1927; Korn and Graubard 1998 (effective sample size in an interval for a proportion); Aronow, Samii
    and Assenova 2015, "Cluster-robust variance estimation for dyadic data", equation 4.

    Args:
        wrong: `(N,)` bool.
        first: The person of each trial.
        second: The other person of each comparison; None: a trial is about one person.
    """
    wrong = np.asarray(wrong, bool)
    total, count = len(wrong), int(wrong.sum())
    second = first if second is None else second
    if not (total == len(first) == len(second)):
        raise ConfigError(f"There are {total} trials and {len(first)} and {len(second)} people; give one for each.")
    if not total:
        return Rate(0, 0, 0.0, 1.0)
    number: dict[Hashable, int] = {}
    one = np.array([number.setdefault(each, len(number)) for each in first])
    other = np.array([number.setdefault(each, len(number)) for each in second])
    two = one != other
    disjoint = max(1.0, len(number) / (2 if two.any() else 1))
    fraction = count / total
    off = wrong - fraction
    sums = np.bincount(one, off, len(number)) + np.bincount(other[two], off[two], len(number))
    variance = float(np.square(sums).sum())
    if two.any():  # pairs of trials between the same two people were counted in both clusters
        pair = np.minimum(one, other)[two].astype(np.int64) * len(number) + np.maximum(one, other)[two]
        _, place = np.unique(pair, return_inverse=True)
        variance -= float(np.square(np.bincount(place, off[two])).sum())
    variance /= total**2
    spread = fraction * (1 - fraction)
    disjoint = min(disjoint, total)
    independent = min(max(spread / variance, 1.0), total) if variance > 0 else disjoint
    rare = wrong if fraction <= 0.5 else ~wrong
    erring = len({*one[rare].tolist()}) if rare.any() else 1
    effective = disjoint + (independent - disjoint) * (erring - 1) / (erring + 1)
    low, high = wilson(fraction * effective, effective)
    return Rate(count, total, low, high)


def roc(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[_Floats, _Floats, _Floats]:
    """Thresholds from high to low, and the rates of false accepts and false rejects at each: three arrays `(T,)`.

    The first threshold is infinite: nothing is accepted.

    Args:
        scores: `(N,)` similarities.
        same: `(N,)` bool: whether the pair is of one person.

    Raises:
        DataError: not both kinds of pairs, or scores that are not finite.
    """
    scores, same = _checked(scores, same)
    order = np.argsort(-scores, kind="stable")
    scores, same = scores[order], same[order]
    last = np.append(scores[1:] != scores[:-1], True)  # equal scores are accepted together
    accepted = np.cumsum(same)[last] / same.sum()
    false = np.cumsum(~same)[last] / (~same).sum()
    return np.append(np.inf, scores[last]), np.append(0.0, false), np.append(1.0, 1 - accepted)


def equal_error_rate(scores: npt.ArrayLike, same: npt.ArrayLike) -> float:
    """EER: where false accepts and false rejects are equally frequent, between thresholds by a straight line.

    A summary of how well scores separate; its threshold is that of the measured people themselves, so that it promises
    nothing. For a promise: `choose_threshold` on other people, then `error_rates`.
    """
    _, far, frr = roc(scores, same)
    after = int(np.argmax(far >= frr))
    if after == 0 or far[after] == frr[after]:
        return float(far[after])
    gap = (frr[after - 1] - far[after - 1], far[after] - frr[after])
    part = gap[0] / (gap[0] + gap[1])
    return float(far[after - 1] + part * (far[after] - far[after - 1]))


def choose_threshold(scores: npt.ArrayLike, same: npt.ArrayLike, *, far: float = 0.01) -> float:
    """The lowest threshold at which at most a fraction `far` of these pairs of two people is accepted.

    The pairs are of people who are not measured later.

    Args:
        scores: `(N,)` similarities.
        same: `(N,)` bool.
        far: The rate of false accepts that is allowed.

    Raises:
        ConfigError: a rate that is not between 0 and 1.
        DataError: too few pairs of two people to tell such a rate, or scores that are not finite.
    """
    if not 0 < far < 1:
        raise ConfigError(f"far must lie between 0 and 1, such as 0.01, got {far!r}.")
    scores, same = np.asarray(scores, np.float64), np.asarray(same, bool)
    others = np.sort(scores[~same])[::-1]
    if not np.isfinite(others).all():
        raise DataError("Similarities must be finite numbers.")
    if len(others) * far < 1:
        raise DataError(
            f"{len(others):,} pairs of two people cannot tell a rate of false accepts of {far:g}: at least "
            f"{math.ceil(1 / far):,} are needed. Give more people, or allow a larger rate."
        )
    highest_refused = others[int(len(others) * far)] if int(len(others) * far) < len(others) else others[-1]
    return float(np.nextafter(highest_refused, np.inf))


@final
@dataclass(frozen=True, slots=True)
class ErrorRates:
    """False accepts and false rejects at a threshold."""

    threshold: float
    far: Rate
    frr: Rate

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"threshold": self.threshold, "far": self.far.to_json(), "frr": self.frr.to_json()}


def error_rates(
    scores: npt.ArrayLike, first: Sequence[Hashable], second: Sequence[Hashable], threshold: float
) -> ErrorRates:
    """Both errors at a threshold that was chosen on other people.

    Args:
        scores: `(N,)` similarities.
        first: The person on one side of each pair.
        second: And on the other.
        threshold: Pairs at least as similar are accepted.

    Raises:
        DataError: not both kinds of pairs, or scores that are not finite.
    """
    same = np.array([a == b for a, b in zip(first, second, strict=True)], bool)
    scores, same = _checked(scores, same)
    accepted = scores >= threshold
    ours, theirs = np.flatnonzero(same).tolist(), np.flatnonzero(~same).tolist()
    false_accepts = rate_by_person(accepted[theirs], [first[i] for i in theirs], [second[i] for i in theirs])
    return ErrorRates(threshold, false_accepts, rate_by_person(~accepted[ours], [first[i] for i in ours]))


def fold_accuracies(scores: npt.ArrayLike, same: npt.ArrayLike, folds: npt.ArrayLike) -> tuple[_Floats, _Floats]:
    """Accuracy of each fold at the threshold that is best on the other folds, and these thresholds: two arrays `(F,)`.

    Source: the protocol of Labeled Faces in the Wild, View 2 (Huang et al. 2007, section 4); no person is in two folds.

    Args:
        scores: `(N,)` similarities.
        same: `(N,)` bool.
        folds: `(N,)` the fold of each pair.
    """
    scores, same = _checked(scores, same)
    folds = np.asarray(folds)
    names = np.unique(folds)
    if len(names) < 2:
        raise DataError("All pairs are in one fold, so no other people are left to choose a threshold on.")
    accuracies, thresholds = [], []
    for name in names:
        inside = folds == name
        threshold = _most_accurate(scores[~inside], same[~inside])
        accuracies.append(float(((scores[inside] >= threshold) == same[inside]).mean()))
        thresholds.append(threshold)
    return np.array(accuracies), np.array(thresholds)


def rank_accuracy(
    similarities: npt.ArrayLike, probes: Sequence[Hashable], gallery: Sequence[Hashable], rank: int = 1
) -> Rate:
    """How often the right person is among the `rank` most similar ones, for probes of people in the gallery.

    A person is as similar as the most similar of their entries.

    Args:
        similarities: `(P, G)`.
        probes: The person of each probe; all are in the gallery.
        gallery: The person of each entry.
        rank: 1 for the first place.

    Raises:
        DataError: a probe of a person who is not in the gallery.
    """
    best, people = _by_person(similarities, gallery)
    place = {person: number for number, person in enumerate(people)}
    strangers = [person for person in probes if person not in place]
    if strangers:
        raise DataError(f"{strangers[0]!r} is not in the gallery: measure strangers with identification().")
    own = best[np.arange(len(best)), [place[person] for person in probes]]
    found = (best > own[:, None]).sum(axis=1) < rank
    missed = rate_by_person(~found, probes)
    return Rate(missed.total - missed.count, missed.total, 1 - missed.high, 1 - missed.low)


@final
@dataclass(frozen=True, slots=True)
class Identification:
    """Open-set identification: probes of people in the gallery, and of strangers."""

    threshold: float
    dir: Rate
    """Detection and identification rate: known people who are in first place and reach the threshold."""
    far: Rate
    """Strangers who are taken for somebody."""
    wrong_person: Rate
    """Known people who are taken for somebody else."""

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        parts = {"dir": self.dir, "far": self.far, "wrong_person": self.wrong_person}
        return {"threshold": self.threshold, **{name: rate.to_json() for name, rate in parts.items()}}


def identification(
    similarities: npt.ArrayLike, probes: Sequence[Hashable], gallery: Sequence[Hashable], threshold: float
) -> Identification:
    """DIR and FAR of an open-set search at a threshold that was chosen on other people.

    Source: Phillips, Grother, Micheals 2011, "Evaluation methods in face recognition", section 4 (watch list).

    Args:
        similarities: `(P, G)`.
        probes: The person of each probe, in the gallery or not.
        gallery: The person of each entry.
        threshold: The most similar person is named if at least so similar.
    """
    best, people = _by_person(similarities, gallery)
    named = [people[each] if top >= threshold else None for each, top in zip(best.argmax(1), best.max(1), strict=True)]
    known = [i for i, person in enumerate(probes) if person in {*people}]
    strangers = [i for i, person in enumerate(probes) if person not in {*people}]
    missed = rate_by_person([named[i] != probes[i] for i in known], [probes[i] for i in known])
    wrong = rate_by_person([named[i] not in (None, probes[i]) for i in known], [probes[i] for i in known])
    far = rate_by_person([named[i] is not None for i in strangers], [probes[i] for i in strangers])
    return Identification(
        threshold, Rate(missed.total - missed.count, missed.total, 1 - missed.high, 1 - missed.low), far, wrong
    )


def _by_person(similarities: npt.ArrayLike, gallery: Sequence[Hashable]) -> tuple[_Floats, list[Hashable]]:
    """The similarity of each probe to each person, `(P, people)`, and the people."""
    similarities = np.asarray(similarities, np.float64)
    if similarities.ndim != 2 or similarities.shape[1] != len(gallery) or not len(gallery):
        raise ConfigError(f"Similarities are (P, G) with G = {len(gallery)} entries, got {similarities.shape}.")
    if not np.isfinite(similarities).all():
        raise DataError("Similarities must be finite numbers.")
    people = list(dict.fromkeys(gallery))
    place = {person: number for number, person in enumerate(people)}
    best = np.full((len(similarities), len(people)), -np.inf)
    for column, person in enumerate(gallery):
        np.maximum(best[:, place[person]], similarities[:, column], out=best[:, place[person]])
    return best, people


def _most_accurate(scores: _Floats, same: npt.NDArray[np.bool_]) -> float:
    """The threshold with the most right decisions, in the middle between two scores."""
    thresholds, far, frr = roc(scores, same)
    errors = far * (~same).sum() + frr * same.sum()
    best = int(np.argmin(errors))
    lowest_accepted = thresholds[best]
    if not math.isfinite(lowest_accepted):  # accepting nothing is best
        return float(np.nextafter(scores.max(), np.inf))
    highest_refused = thresholds[best + 1] if best + 1 < len(thresholds) else lowest_accepted
    return float((lowest_accepted + highest_refused) / 2)


def _checked(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[_Floats, npt.NDArray[np.bool_]]:
    scores, same = np.asarray(scores, np.float64), np.asarray(same, bool)
    if scores.shape != same.shape or scores.ndim != 1:
        raise ConfigError(f"Scores and same are (N,) each, got {scores.shape} and {same.shape}.")
    if not np.isfinite(scores).all():
        raise DataError("Similarities must be finite numbers.")
    if not same.any() or same.all():
        raise DataError("Both kinds of pairs are needed: of one person, and of two people.")
    return scores, same
