"""Prices of houses from eighty features, many of them missing: five folds, errors in proportion."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Literal, final

import numpy as np

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

__all__ = ["HOUSE_PRICES", "HousePricesOptions"]

_TARGETS = {"ames": "SalePrice", "california": "median_house_value"}
_SETS = {"ames": "ames-housing", "california": "california-housing"}
_NUMBERS = {"ames": ("Order", "PID"), "california": ()}
"""Columns that only number the rows."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class HousePricesOptions(TableOptions):
    """Options of house-prices."""

    data: Literal["ames", "california"] = "ames"
    """ames: 2,930 sales with 80 features. california: 20,640 blocks of houses with 9 features."""
    folds: int = 5
    """Folds; each is held out once."""
    only: int | None = None
    """Train on only the first N folds."""
    log: bool = True
    """Learn the logarithm of prices; --no-log learns dollars."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        TableOptions.__post_init__(self)
        if self.folds < 2 or (self.only is not None and not 1 <= self.only <= self.folds):
            raise ConfigError("--folds must be at least 2, and --only at least 1 and at most as many.")


def _run(options: HousePricesOptions, run: SystemRun) -> None:
    target = _TARGETS[options.data]
    table = ls.datasets.load(_SETS[options.data])
    if options.limit is not None:
        table = table.sample(min(options.limit, len(table)), seed=run.seed)
    table = table.with_features((target, *_NUMBERS[options.data]))
    folds = table.split(seed=run.seed, stratify=None).folds(options.folds)[: options.only]
    run.say(f"{len(table):,} prices; {options.model}, {len(folds)} training{'s' if len(folds) > 1 else ''}.")
    heads = {target: ls.Regress(scale="log")} if options.log else None
    trees = ls.Boosting(criterion="gamma") if options.log else None  # squared error in proportion, as that of the log
    started = time.perf_counter()
    model: TableModel | None = None
    by_fold, targets, predicted = [], [], []
    for number, fold in enumerate(folds, 1):
        task = ls.Task(fold, "features", target, allow_leaks=True)  # some blocks of houses are equal
        model = train_table(task, options, run.seed, heads=heads, boosting=trees)
        held_out = table.take(fold.valid)
        actual, found = np.array(held_out[target], np.float64), values_of(model, held_out)
        by_fold.append({"fold": number, "rmse": rmse(found - actual), "rmse of the log": _in_proportion(found, actual)})
        run.say(f"fold {number}: root mean squared error {by_fold[-1]['rmse']:,.0f} dollars")
        targets.append(actual)
        predicted.append(found)
    assert model is not None
    seconds = time.perf_counter() - started
    actual, found = np.concatenate(targets), np.concatenate(predicted)
    draws = block_draws((found - actual) ** 2, np.arange(len(actual)), run.seed)
    low, high = np.sqrt(np.quantile(draws, [0.025, 0.975]))
    metrics = {
        "rmse": rmse(found - actual),
        "rmse_low": float(low),
        "rmse_high": float(high),
        "r2": r2(found - actual, actual),
        "mae": float(np.abs(found - actual).mean()),
        "rmse of the log": _in_proportion(found, actual),
    }
    headline = ("root mean squared error", f"{metrics['rmse']:,.0f} dollars")
    page = table_report("house-prices", f"{options.data}, {options.model}", headline, metrics, by_fold, asdict(options))
    run.finish(
        model, metrics, train_seconds=seconds, options=asdict(options), report=page, details={"folds": by_fold}
    )  # fmt: skip


def _in_proportion(found: np.ndarray, actual: np.ndarray) -> float:
    """The root mean square of the difference of logarithms; of prices below a dollar as of one."""
    return rmse(np.log(np.maximum(found, 1.0)) - np.log(actual))


HOUSE_PRICES = System(
    name="house-prices",
    summary="Predicts the prices of houses from a table with missing cells: trees or networks, fold by fold.",
    needs="the data set ames-housing or california-housing (2 MB), and seconds with trees or minutes with a network",
    options=HousePricesOptions,
    run=_run,
)
