"""Do studies say what is so on real learning curves? Studies cut from trainings that others have run.

    python benchmarks/real_curves.py                 # check half, one core
    python benchmarks/real_curves.py --half development

`lcdb_curves.parquet` (folder of `LONGSPAN_DATA`) has 20 scikit-learn learners on 121 data sets with up to 125 seeds per
size. Data sets in ascending order of their OpenML number: every second one from the first is the development half, from
which all priors in `longspan.study.statistics.learned_priors` come; the others are the check half. A made study takes
two learners, some of the sizes and a few seeds; what is so is the mean over all seeds at all sizes in between.

Parts: intervals of crossovers (pairs whose difference is more than three standard errors at both ends, of opposite
sign, with one change of sign between), beside those of version 0.1 on the same studies; false crossovers (pairs apart
by more than three standard errors everywhere); bands of means; and decisions one run at a time against the whole grid.
Fractions have Wilson's 95 % interval; studies of one data set are not independent, so the true uncertainty is larger;
means of decisions have an interval from resampled data sets. Each part is written to
`benchmarks/results/real_curves.json` when it is done, beside those that stand there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from longspan.study.statistics.bands import mean_bands
from longspan.study.statistics.curve_difference import Span, curve_difference
from longspan.study.statistics.curve_fit import CurveFit, fit_curve
from longspan.study.statistics.decide import Decision, Progress, next_step
from longspan.study.statistics.paired_difference import paired_difference
from longspan.study.statistics.resample import resamples
from longspan.study.statistics.t_distribution import t_quantile

RESULTS = Path(__file__).parent / "results" / "real_curves.json"
LEAST_SEEDS, LEAST_SIZES, CLOSE = 20, 8, 0.15


@dataclass(frozen=True, kw_only=True)
class Curves:
    """All runs of two learners on one data set, at the sizes where both have the same seeds."""

    dataset: int
    sizes: np.ndarray
    errors: np.ndarray
    """`(2, K, R)`."""
    seconds: np.ndarray


def load(half: str) -> list[dict[str, Any]]:
    """One dictionary per data set: sizes, and errors and seconds `(L, K, R)` of its learners."""
    frame = pl.read_parquet(Path(os.environ.get("LONGSPAN_DATA", ".")) / "lcdb_curves.parquet")
    numbers = sorted(frame["dataset"].unique().to_list())
    chosen = numbers[0::2] if half == "development" else numbers[1::2]
    found = []
    for number in chosen:
        part = frame.filter(pl.col("dataset") == number)
        learners, sizes = part["learner"].unique().sort(), part["rows"].unique().sort()
        errors = np.full((len(learners), len(sizes), 125), np.nan)
        seconds = errors.copy()
        seeds = part["outer_seed"].to_numpy().astype(int) * 25 + part["inner_seed"].to_numpy()
        where = np.searchsorted(learners, part["learner"]), np.searchsorted(sizes, part["rows"]), seeds
        errors[where], seconds[where] = part["error"], part["train_seconds"]
        found.append({"dataset": number, "sizes": sizes.to_numpy(), "errors": errors, "seconds": seconds})
    return found


def windows(half: list[dict[str, Any]], rng: np.random.Generator, least: int) -> Iterator[Curves]:
    """Random pairs of learners over random ranges of at least `least` sizes, for ever."""
    while True:
        part = half[int(rng.integers(len(half)))]
        pair = rng.choice(len(part["errors"]), 2, replace=False)
        errors = part["errors"][pair]
        (kept,) = np.nonzero(np.isfinite(errors).all(axis=0).sum(axis=1) >= LEAST_SEEDS)
        if len(kept) < max(LEAST_SIZES, least):
            continue
        sizes = part["sizes"][kept].astype(np.float64)
        kept = kept[np.concatenate([[True], np.diff(np.log(sizes)) > CLOSE])]
        if len(kept) < max(LEAST_SIZES, least):
            continue
        width = int(rng.integers(max(least, 7), len(kept) + 1))
        start = int(rng.integers(0, len(kept) - width + 1))
        kept = kept[start : start + width]
        (seeds,) = np.nonzero(np.isfinite(errors[:, kept]).all(axis=(0, 1)))
        if len(seeds) >= LEAST_SEEDS:
            take = np.ix_(pair, kept, seeds)
            yield Curves(
                dataset=part["dataset"], sizes=part["sizes"][kept], errors=part["errors"][take],
                seconds=part["seconds"][take],
            )  # fmt: skip


def tried(curves: Curves, count: int) -> np.ndarray:
    """Places of `count` sizes, evenly spaced."""
    return np.round(np.linspace(0, len(curves.sizes) - 1, count)).astype(int)


def signs(curves: Curves) -> tuple[np.ndarray, np.ndarray]:
    """Mean difference at every size, and its sign where it is more than three standard errors, else 0."""
    apart = curves.errors[0] - curves.errors[1]
    mean = apart.mean(axis=1)
    error = np.maximum(apart.std(axis=1, ddof=1) / math.sqrt(apart.shape[1]), 1e-5)
    return mean, np.where(np.abs(mean) > 3 * error, np.sign(mean), 0)


def crossing_of(curves: Curves) -> float | None:
    """Where the mean curves cross, if they surely do so exactly once."""
    mean, sure = signs(curves)
    settled, all_signs = sure[sure != 0], np.sign(mean)[mean != 0]
    if sure[0] * sure[-1] != -1 or (np.diff(settled) != 0).sum() != 1 or (np.diff(all_signs) != 0).sum() != 1:
        return None
    place = int(np.flatnonzero(np.diff(np.sign(mean)))[0])
    fraction = mean[place] / (mean[place] - mean[place + 1])
    return float(curves.sizes[place] * (curves.sizes[place + 1] / curves.sizes[place]) ** fraction)


def fraction(values: list[bool]) -> dict[str, Any] | None:
    """A fraction with Wilson's 95 % interval."""
    if not values:
        return None
    count, mean, z = len(values), float(np.mean(values)), 1.96
    middle = (mean + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(mean * (1 - mean) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return {"value": round(mean, 3), "low": round(middle - half, 3), "high": round(middle + half, 3), "of": count}


def before(sizes: np.ndarray, errors: np.ndarray, level: float) -> Span | None:
    """The interval of version 0.1, fitted curves, bootstrap over seeds and Student's t; None if it names no crossover.

    Args:
        sizes: `(K,)`.
        errors: `(2, K, R)`.
        level: of the interval.
    """
    drawn = resamples(errors.shape[2])
    first, second = (fit_curve(sizes, each, drawn) for each in errors)
    if not isinstance(first, CurveFit) or not isinstance(second, CurveFit):
        return None
    apart = curve_difference(first, second, level=level)
    best = None if apart is None else apart.clearest()
    if apart is None or best is None:
        return None
    span = apart.span_around(best)
    return span if apart.settles(span) else None


def inside(low: float | None, high: float | None, at: float) -> bool:
    """Whether an interval holds a size; sizes stand with three digits, of which the last is given half a unit."""
    return (low or 0) * 0.995 <= at <= (high or math.inf) * 1.005


def crossovers(half: list[dict[str, Any]], sizes: int, seeds: int, studies: int, level: float) -> dict[str, Any]:
    """Intervals of crossovers at one number of sizes and seeds, and false crossovers."""
    rng = np.random.default_rng(sizes * 100 + seeds)
    held: list[bool] = []
    old_held: list[bool] = []
    named, closed, widths, false, old_named, old_widths, ratios = [], [], [], [], [], [], []
    for curves in windows(half, rng, sizes):
        at = crossing_of(curves)
        surely_apart = bool(np.abs(signs(curves)[1].sum()) == len(curves.sizes))
        if (at is None or len(named) >= studies) and (not surely_apart or len(false) >= studies):
            if len(named) >= studies and len(false) >= studies:
                break
            continue
        places = tried(curves, sizes)
        drawn = rng.choice(curves.errors.shape[2], seeds, replace=False)
        errors = curves.errors[:, places][:, :, drawn]
        apart = paired_difference(curves.sizes[places], errors[0], errors[1])
        found = [] if apart is None else apart.sign_changes(level)
        if at is None:
            false.append(bool(found))
            continue
        old = before(curves.sizes[places].astype(float), errors, level)
        named.append(bool(found))
        old_named.append(old is not None)
        old_width = None
        if old is not None:
            old_held.append(inside(*old, at))
            old_width = None if old[0] is None or old[1] is None else old[1] / old[0]
            old_widths += [] if old_width is None else [old_width]
        if not found:
            continue
        held.append(any(inside(e.low, e.high, at) for e in found))
        both = [e.high / e.low for e in found if e.low is not None and e.high is not None]
        closed.append(bool(both))
        widths += both[:1]
        if both and old_width is not None:
            ratios.append(math.log(both[0]) / max(math.log(old_width), 1e-3))
    return {
        "held_of_named": fraction(held), "named": fraction(named), "closed_of_named": fraction(closed),
        "median_high_over_low": round(float(np.median(widths)), 2),
        "version_0.1": {
            "held_of_named": fraction(old_held), "named": fraction(old_named),
            "median_high_over_low": round(float(np.median(old_widths)), 2),
        },
        "median_width_of_version_0.1": round(float(np.median(ratios)), 3),
        "false_crossovers": fraction(false),
    }  # fmt: skip


def bands(
    half: list[dict[str, Any]], sizes: int, seeds: int, studies: int, all_widths: dict[int, list[float]]
) -> dict[str, Any]:
    """Bands of means at the sizes tried: how often they hold, and how wide they are beside t-intervals."""
    rng = np.random.default_rng(7 + sizes * 100 + seeds)
    held: list[bool] = []
    by_t: list[bool] = []
    narrower: list[float] = []
    for curves in windows(half, rng, sizes):
        if len(held) >= studies * 2 * sizes:
            break
        places = tried(curves, sizes)
        truth = curves.errors[:, places].mean(axis=2)
        drawn = rng.choice(curves.errors.shape[2], seeds, replace=False)
        errors = curves.errors[:, places][:, :, drawn]
        low, high = mean_bands(curves.sizes[places], errors, 0.95, largest=1.0)
        mean, half_t = errors.mean(axis=2), t_quantile(0.975, seeds - 1) * errors.std(axis=2, ddof=1) / math.sqrt(seeds)
        held += ((low <= truth) & (truth <= high)).ravel().tolist()
        by_t += (np.abs(mean - truth) <= half_t).ravel().tolist()
        narrower += ((high - low) / np.maximum(2 * half_t, 1e-9)).ravel().tolist()
    all_widths.setdefault(seeds, []).extend(narrower)
    return {
        "held_at_95": fraction(held), "t_intervals_held": fraction(by_t),
        "median_width_of_t_interval": round(float(np.median(narrower)), 3),
    }  # fmt: skip


def replay(
    sizes: np.ndarray, errors: np.ndarray, seconds: np.ndarray, *, worth: float, level: float
) -> tuple[Decision, float]:
    """A study that is run one training at a time until decided at its largest size, and the training seconds spent."""
    seen, took = np.full_like(errors, np.nan), np.full_like(errors, np.nan)
    while True:
        state = Progress(sizes=sizes, errors=seen, seconds=took, closed=np.zeros(errors.shape, dtype=bool))
        found = next_step(state, decide_at=float(sizes[-1]), worth=worth, level=level)
        if found.run is None:
            return found, float(np.nansum(took))
        seen[found.run], took[found.run] = errors[found.run], seconds[found.run]


def decisions(half: list[dict[str, Any]], studies: int, level: float, worth: float) -> dict[str, Any]:
    """One run at a time until decided, against the whole grid of 6 sizes and 5 seeds, at the largest size."""
    rng = np.random.default_rng(11)
    kept: list[dict[str, Any]] = []
    for curves in windows(half, rng, 6):
        if len(kept) >= studies:
            break
        places, drawn = tried(curves, 6), rng.choice(curves.errors.shape[2], 5, replace=False)
        errors, seconds = curves.errors[:, places][:, :, drawn], curves.seconds[:, places][:, :, drawn] + 1e-3
        truth = curves.errors[:, -1].mean(axis=1)
        began = time.process_time()
        found, spent = replay(curves.sizes[places], errors, seconds, worth=worth, level=level)
        deciding = time.process_time() - began
        chosen = 0 if found.leader is None else found.leader
        grid = int(np.argmin(errors[:, -1].mean(axis=1)))
        kept.append({
            "dataset": curves.dataset, "reason": found.reason, "spent": spent, "whole": float(seconds.sum()),
            "regret": float(truth[chosen] - truth.min()), "regret_grid": float(truth[grid] - truth.min()),
            "deciding": deciding,
        })  # fmt: skip
    regret, by_grid = np.array([one["regret"] for one in kept]), np.array([one["regret_grid"] for one in kept])
    fractions = np.array([one["spent"] / one["whole"] for one in kept])
    claimed = [one for one in kept if one["reason"] in ("decided", "no difference that matters")]
    return {
        "studies": len(kept), "ended": dict(Counter(one["reason"] for one in kept)),
        "wrong_by_more_than_worth": fraction((regret > worth).tolist()),
        "wrong_by_the_grid": fraction((by_grid > worth).tolist()),
        "wrong_less_that_by_the_grid": over_data_sets(kept, (regret > worth).astype(float) - (by_grid > worth)),
        "wrong_where_it_stopped_by_itself": fraction([one["regret"] > worth for one in claimed]),
        "called_better_and_worse": fraction([one["regret"] > 0 for one in kept if one["reason"] == "decided"]),
        "mean_regret": over_data_sets(kept, regret), "mean_regret_of_the_grid": over_data_sets(kept, by_grid),
        "seconds_of_the_grid_mean": over_data_sets(kept, fractions),
        "seconds_of_the_grid_median": round(float(np.median(fractions)), 3),
        "seconds_of_the_grid_summed": over_data_sets(
            kept, np.array([one["spent"] for one in kept]), np.array([one["whole"] for one in kept])
        ),
        "processor_seconds_of_deciding_per_study": round(float(np.mean([one["deciding"] for one in kept])), 2),
    }  # fmt: skip


def over_data_sets(
    kept: list[dict[str, Any]], values: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """A mean, or a sum over a sum of weights, with its 95 % interval.

    The interval is that of percentiles of 2,000 resamples of data sets, whose studies are not independent.
    """
    rng, numbers = np.random.default_rng(0), np.array([one["dataset"] for one in kept])
    weights = np.ones(len(values)) if weights is None else weights
    groups = [numbers == number for number in np.unique(numbers)]
    sums = np.array([values[group].sum() for group in groups])
    counts = np.array([weights[group].sum() for group in groups])
    drawn = rng.integers(len(groups), size=(2000, len(groups)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])
    value = float(values.sum() / weights.sum())
    return {"value": round(value, 5), "low": round(float(low), 5), "high": round(float(high), 5)}


def main() -> None:
    """Run all parts, print and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("development", "check"), default="check")
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--level", type=float, default=0.90, help="of crossovers")
    parser.add_argument("--parts", default="crossovers,bands,decisions")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    from longspan.report import describe_environment

    began, half = time.process_time(), load(arguments.half)
    found: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    if found.get("half") != arguments.half:
        found = {}
    found |= {"half": arguments.half, "data_sets": len(half), "level_of_crossovers": arguments.level}
    plan = [(sizes, seeds) for sizes in (4, 6, 9) for seeds in (3, 5, 10)]
    studies = arguments.studies
    for part in arguments.parts.split(","):
        if part == "crossovers":
            found[part] = {
                f"{sizes} sizes, {seeds} seeds": crossovers(half, sizes, seeds, studies, arguments.level)
                for sizes, seeds in plan
            }
        elif part == "bands":
            widths: dict[int, list[float]] = {}
            found[part] = {
                f"{sizes} sizes, {seeds} seeds": bands(half, sizes, seeds, studies // 2, widths)
                for sizes, seeds in plan
                if seeds < 10
            }
            found["median_width_of_t_interval_by_seeds"] = {
                str(seeds): round(float(np.median(each)), 3) for seeds, each in widths.items()
            }
        else:
            found[part] = {
                f"level {level}, worth {worth}": decisions(half, studies, level, worth)
                for level, worth in ((0.95, 0.01), (0.95, 0.0))
            }
        print(json.dumps(found[part], indent=1), flush=True)
        command = f"python benchmarks/real_curves.py --half {arguments.half} --studies {studies} --parts {part}"
        found["commands"] = {**found.get("commands", {}), part: command}
        found["processor_seconds"] = round(time.process_time() - began, 1)
        found["environment"] = describe_environment()
        arguments.out.parent.mkdir(exist_ok=True)
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
