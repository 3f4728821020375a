"""What learning curves look like: the numbers of `longspan.study.statistics.learned_priors`, from trainings of others.

    python benchmarks/prior_curves.py                      # one to three minutes on one core
    python benchmarks/prior_curves.py --file mine.parquet  # curves of your own: dataset, learner, rows, seeds, error

The file has a row for each training: `dataset`, `learner`, `rows`, `outer_seed`, `inner_seed`, `error`. Of data sets in
ascending order every second one from the first is used, the development half; the others are left for checking.

Weights of kernels: each curve (the difference of two learners relative to their mean error; the logarithm of one
learner's error), with the noise of its mean over 20 seeds or more, has a marginal likelihood under each kernel of a
grid: Matern 1/2, 3/2, 5/2, amplitudes and lengths; expectation-maximisation gives the weights, and those above 0.8 %
are shipped. Variances: a line over log size is fitted to the logarithms of relative variances of each curve; level and
slope have the means and standard deviations shown, and excess kurtosis over seeds its quantiles. `fractions`: the
variance of an error rate by size and error, by least squares over cells, and how much data sets, learners of one data
set and cells differ from that. `shipped` holds the
numbers in the library: those of the variances were rounded, and `cell_sds` and their weights, tails and correlations
were chosen by hand so that intervals hold on the development half. Writes `benchmarks/results/prior_curves.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from longspan.report import describe_environment
from longspan.study.statistics.learned_priors import (
    DIFFERENCE_CURVE,
    DIFFERENCE_VARIANCE,
    ERROR_CURVE,
    ERROR_VARIANCE,
    FRACTION_VARIANCE,
    CurvePrior,
)

RESULTS = Path(__file__).parent / "results" / "prior_curves.json"
NEEDED = ("dataset", "learner", "rows", "outer_seed", "inner_seed", "error")
AMPLITUDES, LENGTHS = (0.008, 0.02, 0.05, 0.12, 0.3, 0.7, 1.5), (0.7, 1.5, 3.0, 6.0, 12.0)
GRID = tuple((nu, a, length, 1.0) for nu in (0.5, 1.5, 2.5) for a in AMPLITUDES for length in LENGTHS)
LEAST_SEEDS, LEAST_SIZES, LEAST_WEIGHT = 20, 8, 0.008


def read(path: Path) -> pl.DataFrame:
    """The trainings, of the development half; exits with a sentence where the file is not one of trainings."""
    try:
        frame = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except Exception as error:  # polars raises errors of many kinds for files of another kind
        sys.exit(f"{path} cannot be read as a table of trainings: {error}")
    lacking = [name for name in NEEDED if name not in frame.columns]
    if lacking:
        sys.exit(
            f"{path} is not a table of trainings: it has no column {', '.join(lacking)} (needed: {', '.join(NEEDED)})."
        )
    chosen = sorted(frame["dataset"].unique().to_list())[0::2]
    return frame.filter(pl.col("dataset").is_in(chosen))


def cells(frame: pl.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each data set: sizes, and errors `(L, K, R)` with NaN where there is no training."""
    found = []
    for _, part in frame.group_by("dataset", maintain_order=True):
        learners, sizes = part["learner"].unique().sort(), part["rows"].unique().sort()
        seeds = part.select(pl.struct("outer_seed", "inner_seed").rank("dense")).to_series().to_numpy() - 1
        errors = np.full((len(learners), len(sizes), int(seeds.max()) + 1), np.nan)
        errors[np.searchsorted(learners, part["learner"]), np.searchsorted(sizes, part["rows"]), seeds] = part["error"]
        found.append((sizes.to_numpy().astype(float), errors))
    return found


def draw(data: list[tuple[np.ndarray, np.ndarray]], curves: int, pairs: bool) -> list[tuple[np.ndarray, ...]]:
    """Random curves: log sizes, runs less the other learner's `(K, R)`, and the mean error `(K,)`."""
    rng = np.random.default_rng(1)
    found: list[tuple[np.ndarray, ...]] = []
    for _ in range(50 * curves):
        if len(found) >= curves:
            break
        sizes, errors = data[int(rng.integers(len(data)))]
        if len(errors) < 2:
            continue
        first, second = rng.choice(len(errors), 2, replace=False)
        runs = errors[first] - errors[second] if pairs else errors[first]
        level = np.where(np.isfinite(runs), (errors[first] + errors[second]) / 2 if pairs else errors[first], np.nan)
        kept = np.isfinite(runs).sum(axis=1) >= LEAST_SEEDS
        if kept.sum() >= LEAST_SIZES and (means := np.nanmean(level[kept], axis=1)).min() > 0:
            found.append((np.log(sizes[kept]), runs[kept], means))
    return found


def weights(curves: list[tuple[np.ndarray, ...]], prior: CurvePrior, pairs: bool) -> list[tuple[float, ...]]:
    """Kernels of the grid with the weights that expectation-maximisation gives them, those above 0.8 %."""
    grid = replace(prior, components=GRID)
    logs = []
    for x, runs, level in curves:
        mean = np.nanmean(runs, axis=1)
        error = np.sqrt(np.nanvar(runs, axis=1, ddof=1) / np.isfinite(runs).sum(axis=1) + 1e-8) / level
        y = mean / level if pairs else np.log(level) - np.log(level).mean()
        alike = prior.near * np.exp(-np.abs(x[:, None] - x[None]) / prior.near_length) + (1 - prior.near) * np.eye(
            len(x)
        )
        lower = np.linalg.cholesky(grid.kernels(x - x.mean()) + np.outer(error, error) * alike + 1e-9 * np.eye(len(x)))
        z = np.linalg.solve(lower, np.broadcast_to(y[:, None], (len(GRID), len(x), 1)))[..., 0]
        logs.append(-0.5 * (z**2).sum(axis=1) - np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1))
    likelihoods = np.exp(np.array(logs) - np.max(logs, axis=1, keepdims=True))
    found = np.full(len(GRID), 1 / len(GRID))
    for _ in range(400):
        parts = found * likelihoods
        found = (parts / parts.sum(axis=1, keepdims=True)).mean(axis=0)
    kept = [(*GRID[place][:3], round(float(found[place]), 3)) for place in np.flatnonzero(found > LEAST_WEIGHT)]
    return sorted(kept)


def variances(curves: list[tuple[np.ndarray, ...]]) -> dict[str, Any]:
    """Level at 100 rows and slope of the logarithm of the relative variance; excess kurtosis over seeds."""
    lines, tails = [], []
    for x, runs, level in curves:
        relative = np.nanvar(runs, axis=1, ddof=1) / level**2
        kept = relative > 1e-9
        if kept.sum() < 6:
            continue
        design = np.stack([np.ones(int(kept.sum())), x[kept] - np.log(100)], axis=1)
        lines.append(np.linalg.lstsq(design, np.log(relative[kept]), rcond=None)[0])
        away = runs[kept] - np.nanmean(runs[kept], axis=1, keepdims=True)
        tails += (np.nanmean(away**4, axis=1) / np.nanmean(away**2, axis=1) ** 2 - 3).tolist()
    level, slope = np.array(lines).T
    quantiles = {f"{q:.0%}": round(float(np.quantile(tails, q)), 2) for q in (0.05, 0.5, 0.75, 0.9, 0.95)}
    return {
        "level": round(float(level.mean()), 2), "level_sd": round(float(level.std()), 2),
        "slope": round(float(slope.mean()), 3), "slope_sd": round(float(slope.std()), 3),
        "excess_kurtosis": quantiles, "curves": len(lines),
    }  # fmt: skip


def of_fractions(data: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """The logarithm of the relative variance as a function of size, of the fraction wrong and of the fraction right."""
    rows = []
    for number, (sizes, errors) in enumerate(data):
        runs = np.isfinite(errors).sum(axis=2)
        mean, variance = np.nanmean(errors, axis=2), np.nanvar(errors, axis=2, ddof=1)
        kept = (runs >= LEAST_SEEDS) & (mean > 0.002) & (variance > 1e-8 * mean**2)
        learner, size = np.nonzero(kept)
        rows += [
            (number, 1000 * number + each, math.log(sizes[k] / 100), mean[each, k], variance[each, k])
            for each, k in zip(learner, size, strict=True)
        ]
    group, line, x, wrong, variance = np.array(rows).T
    design = np.stack([np.ones(len(x)), x, np.log(wrong), np.log(np.clip(1 - wrong, 0.02, 1))], axis=1)
    y = np.log(variance / wrong**2)
    numbers = np.linalg.lstsq(design, y, rcond=None)[0]
    left = y - design @ numbers
    of_group = {each: left[group == each].mean() for each in np.unique(group)}
    of_line = {each: left[line == each].mean() for each in np.unique(line)}
    named = dict(
        zip(("level", "slope", "wrong_power", "right_power"), (round(float(n), 3) for n in numbers), strict=True)
    )
    return named | {
        "sd_of_data_sets": round(float(np.std(list(of_group.values()))), 3),
        "sd_of_learners": round(float(np.std([mean - of_group[each // 1000] for each, mean in of_line.items()])), 3),
        "sd_of_cells": round(float(np.std([y - of_line[each] for each, y in zip(line, left, strict=True)])), 3),
        "cells": len(y),
    }


def main() -> None:
    """Run all parts, print and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("LONGSPAN_DATA", ".")) / "lcdb_curves.parquet"
    parser.add_argument("--file", type=Path, default=default, help="of trainings; LCDB in LONGSPAN_DATA if not given")
    parser.add_argument("--curves", type=int, default=900)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # means over cells without a training
    began, data = time.process_time(), cells(read(asked.file))
    words = f" --file {asked.file.name}" if asked.file != default else ""
    found: dict[str, Any] = {
        "command": f"python benchmarks/prior_curves.py{words} --curves {asked.curves}", "data_sets": len(data),
    }  # fmt: skip
    for name, pairs, curve, variance in (
        ("difference", True, DIFFERENCE_CURVE, DIFFERENCE_VARIANCE), ("error", False, ERROR_CURVE, ERROR_VARIANCE),
    ):  # fmt: skip
        curves = draw(data, asked.curves, pairs)
        if not curves:
            sys.exit(f"{asked.file} has no curve of {LEAST_SIZES} sizes or more with {LEAST_SEEDS} seeds each.")
        found[name] = {
            "curves": len(curves), "kernels": weights(curves, curve, pairs), "variance": variances(curves),
            "shipped": {"curve": asdict(curve), "variance": asdict(variance)},
        }  # fmt: skip
        print(name, json.dumps({key: found[name][key] for key in ("curves", "kernels", "variance")}), flush=True)
    found["fractions"] = of_fractions(data) | {"shipped": asdict(FRACTION_VARIANCE)}
    print("fractions", json.dumps(found["fractions"]), flush=True)
    found["processor_seconds"] = round(time.process_time() - began, 1)
    found["environment"] = describe_environment()
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
