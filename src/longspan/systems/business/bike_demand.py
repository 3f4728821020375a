"""Bikes hired in an hour: what a random split promises, and what the next months bring."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import final

import numpy as np
import polars as pl

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.business.table_report import table_report
from longspan.systems.business.table_training import (
    TableModel,
    TableOptions,
    block_draws,
    r2,
    rmse,
    train_table,
    values_of,
)
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["BIKE_DEMAND", "BikeDemandOptions"]

_TARGET = "cnt"
_LEFT_OUT = (_TARGET, "casual", "registered", "instant", "moment")  # casual + registered = cnt
_LAST_WEEK, _HORIZON = "168h", "24h"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class BikeDemandOptions(TableOptions):
    """Options of bike-demand."""

    lags: bool = False
    """Also read what was hired a day and a week before, and the mean of a week: forecasts for the next day."""
    origins: int = 4
    """Additional trainings on all hours up to a cut-off, each measured on the block of hours after it; 0 for none."""
    held_out: float = 0.2
    """Fraction of the hours that is held out."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        TableOptions.__post_init__(self)
        if self.origins == 1 or self.origins < 0:
            raise ConfigError(f"--origins must be 0 or at least 2, got {self.origins}.")
        if not 0 < self.held_out < 1:
            raise ConfigError(f"--held-out must be above 0 and below 1, got {self.held_out}.")


def _run(options: BikeDemandOptions, run: SystemRun) -> None:
    table = _table(options)
    started = time.perf_counter()
    by_time = table.split(valid=options.held_out, time="moment")
    at_random = table.split(valid=options.held_out, stratify=None, seed=run.seed)
    model, errors = _measured(by_time, options, run.seed)
    _, random_errors = _measured(at_random, options, run.seed)
    folds = by_time.folds(options.origins) if options.origins else []
    origins = [rmse(_measured(fold, options, run.seed)[1]) for fold in folds]
    seconds = time.perf_counter() - started
    later = table.take(by_time.valid)
    low, high = np.sqrt(np.quantile(block_draws(errors**2, np.array(later["dteday"]), run.seed), [0.025, 0.975]))
    metrics = {
        "rmse": rmse(errors),
        "rmse_low": float(low),
        "rmse_high": float(high),
        "r2": r2(errors, np.array(later[_TARGET], np.float64)),
        "mae": float(np.abs(errors).mean()),
        "rmse, random split": rmse(random_errors),
        **{f"rmse, {name}": rmse(found) for name, found in _baselines(table, by_time.train, by_time.valid).items()},
    }
    if origins:
        metrics |= {"rmse, rolling origin": statistics.fmean(origins), "rmse, worst origin": max(origins)}
    run.say(f"{len(table):,} hours; {len(by_time.valid):,} of them held out, the last ones.")
    parts = [{"origin": number, "rmse": each} for number, each in enumerate(origins, 1)]
    page = table_report(
        "bike-demand", f"{options.model}, the last {options.held_out:.0%} of the hours held out",
        ("root mean squared error", f"{metrics['rmse']:.1f} bikes"), metrics, parts, asdict(options),
    )  # fmt: skip
    run.finish(
        model, metrics, train_seconds=seconds, options=asdict(options), report=page, details={"origins": parts}
    )  # fmt: skip


def _table(options: BikeDemandOptions) -> ls.Table:
    """The hours with their features."""
    table = ls.datasets.load("bike-sharing")
    if options.limit is not None:
        table = table.take(np.arange(min(options.limit, len(table))))
    moments = table.frame.select(
        (pl.col("dteday").cast(pl.String) + " " + pl.col("hr").cast(pl.String).str.zfill(2) + ":00:00").alias("m")
    )
    table = table.with_column("moment", ls.Text(), moments["m"].to_list())
    if options.lags:
        past = {"lags": [_HORIZON, _LAST_WEEK], "means": [_LAST_WEEK], "horizon": _HORIZON}
        table = table.with_lags(_TARGET, time="moment", **past)
    return table.with_features(_LEFT_OUT)


def _measured(split: ls.Split, options: BikeDemandOptions, seed: int) -> tuple[TableModel, np.ndarray]:
    """A model of the training rows, and its errors in bikes on the rows held out."""
    task = ls.Task(split, "features", _TARGET, allow_leaks=True)  # hours of equal weather are no leak
    model = train_table(task, options, seed)
    held_out = split.table.take(split.valid)
    return model, values_of(model, held_out) - np.array(held_out[_TARGET], np.float64)


def _baselines(table: ls.Table, train: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
    """Errors on the rows held out of two forecasts without a model.

    The same hour of the week before; the mean of the training rows of this hour on such a day, working or not.
    """
    lagged = table.with_lags(_TARGET, time="moment", lags=[_LAST_WEEK], horizon=_HORIZON)
    actual = np.array(table[_TARGET], np.float64)
    mean = float(actual[train].mean())
    before = [mean if each is None else each for each in lagged[f"{_TARGET} {_LAST_WEEK} before"]]
    kind = table.frame.select(pl.struct("hr", "workingday").hash().alias("k"))["k"].to_numpy()
    means = {each: actual[train][kind[train] == each].mean() for each in np.unique(kind[train])}
    seasonal = np.array([means.get(each, mean) for each in kind[valid]])
    return {
        "same hour last week": np.array(before)[valid] - actual[valid],
        "mean of the hour": seasonal - actual[valid],
    }


BIKE_DEMAND = System(
    name="bike-demand",
    summary="Forecasts bikes hired in an hour, and shows how far a random split is from the months that follow.",
    needs="the data set bike-sharing (0.3 MB), and seconds with trees or minutes with a network",
    options=BikeDemandOptions,
    run=_run,
)
