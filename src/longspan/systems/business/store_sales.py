"""Sales of stores some weeks ahead: lags without a leak, beside last year's week and the last known one."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.business.table_report import table_report
from longspan.systems.business.table_training import TableOptions, block_draws, r2, rmse, train_table, values_of
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["STORE_SALES", "StoreSalesOptions"]

_TARGET, _TIME, _STORE, _HOLIDAY = "Weekly_Sales", "Date", "Store", "Holiday_Flag"
_YEAR = "364d"  # 52 weeks: the same week of the year before
_HOLIDAY_WEIGHT = 5.0
_MEANS = ("28d", "182d")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSalesOptions(TableOptions):
    """Options of store-sales."""

    horizon: int = 4
    """Weeks ahead; sales of the weeks in between are unknown."""
    held_out: float = 0.2
    """Fraction of the weeks that is held out, the last ones."""
    lags: bool = True
    """Read what was sold before; --no-lags reads the store, the week and the economy alone."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        TableOptions.__post_init__(self)
        if not 1 <= self.horizon <= 52:
            raise ConfigError(f"--horizon must be 1 to 52 weeks, got {self.horizon}.")
        if not 0 < self.held_out < 1:
            raise ConfigError(f"--held-out must be above 0 and below 1, got {self.held_out}.")


def _run(options: StoreSalesOptions, run: SystemRun) -> None:
    table = ls.datasets.load("walmart-weekly")
    if options.limit is not None:
        table = table.take(np.arange(min(options.limit, len(table))))
    ahead = f"{7 * options.horizon}d"
    past = table.with_lags(_TARGET, time=_TIME, group=_STORE, lags=[ahead, _YEAR], means=_MEANS, horizon=ahead)
    names = [name for name in past.columns if name not in table.columns]
    learned = (past if options.lags else table).with_features(_TARGET, dates=[_TIME])
    split = learned.split(
        valid=options.held_out, time=_TIME, gap=f"{7 * (options.horizon - 1)}d" if options.horizon > 1 else None
    )
    task = ls.Task(split, "features", _TARGET, allow_leaks=True)
    run.say(f"{len(table):,} weeks of stores, {len(split.valid):,} of them held out; {options.horizon} weeks ahead.")
    started = time.perf_counter()
    model = train_table(task, options, run.seed, heads={_TARGET: ls.Regress(scale="log")})
    seconds = time.perf_counter() - started
    held_out = past.take(split.valid)
    actual = np.array(held_out[_TARGET], np.float64)
    weights = np.where(np.array([str(each) == "1" for each in held_out[_HOLIDAY]]), _HOLIDAY_WEIGHT, 1.0)
    found = {options.model: values_of(model, learned.take(split.valid))}
    mean = float(np.array(table[_TARGET], np.float64)[split.train].mean())
    for what, name in ((f"{options.horizon} weeks before", names[0]), ("same week last year", names[1])):
        found[what] = np.array([mean if each is None else each for each in held_out[name]])
    errors = {name: values - actual for name, values in found.items()}
    draws = block_draws(errors[options.model] ** 2, np.array(held_out[_TIME]), run.seed)
    low, high = np.sqrt(np.quantile(draws, [0.025, 0.975]))
    metrics = {
        "rmse": rmse(errors[options.model]),
        "rmse_low": float(low),
        "rmse_high": float(high),
        "r2": r2(errors[options.model], actual),
        "wmae": _wmae(errors[options.model], weights),
        "mape": float(np.mean(np.abs(errors[options.model]) / actual)),
    }
    for what in list(errors)[1:]:
        metrics |= {f"rmse, {what}": rmse(errors[what]), f"wmae, {what}": _wmae(errors[what], weights)}
    stores = np.array(held_out[_STORE])
    parts = [
        {"store": store, **{name: rmse(each[stores == store]) for name, each in errors.items()}}
        for store in sorted(set(stores.tolist()), key=str)
    ]
    page = table_report(
        "store-sales", f"{options.model}, {options.horizon} weeks ahead",
        ("root mean squared error", f"{metrics['rmse']:,.0f} dollars a week"), metrics, parts, asdict(options),
    )  # fmt: skip
    run.finish(model, metrics, train_seconds=seconds, options=asdict(options), report=page, details={"stores": parts})


def _wmae(errors: np.ndarray, weights: np.ndarray) -> float:
    """The mean absolute error with weeks of holidays weighing five times, as in Kaggle's competition of 2014."""
    return float(np.average(np.abs(errors), weights=weights))


STORE_SALES = System(
    name="store-sales",
    summary="Forecasts the weekly sales of 45 stores some weeks ahead, beside last year's week and the last known one.",
    needs="the data set walmart-weekly (0.4 MB), and seconds with trees or minutes with a network",
    options=StoreSalesOptions,
    run=_run,
)
