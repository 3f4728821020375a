"""Who earns more than 50,000 dollars: trees and networks on a census table, fold by fold."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Literal, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.systems.business.table_report import table_report
from longspan.systems.business.table_training import TableModel, TableOptions, block_draws, train_table
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["ADULT", "AdultOptions"]

_TARGET, _RICH = "salary", ">50K"
_COURSE = ls.Features(
    categories=("workclass", "education", "marital-status", "occupation", "relationship", "race"),
    numbers=("age", "fnlwgt", "education-num"),
)
"""The nine columns that fastai's example reads."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class AdultOptions(TableOptions):
    """Options of adult."""

    columns: Literal["all", "course"] = "all"
    """all: the 14 columns. course: the nine of fastai's example."""
    folds: int = 5
    """Folds; each is held out once."""
    only: int | None = None
    """Train on only the first N folds."""
    train_rows: int | None = None
    """Train on only N rows, for a learning curve."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        TableOptions.__post_init__(self)
        if self.folds < 2 or (self.only is not None and not 1 <= self.only <= self.folds):
            raise ConfigError("--folds must be at least 2, and --only at least 1 and at most as many.")
        if self.train_rows is not None and self.train_rows < 20:
            raise ConfigError(f"--train-rows must be at least 20, got {self.train_rows}.")


def _run(options: AdultOptions, run: SystemRun) -> None:
    from sklearn.metrics import log_loss, roc_auc_score

    table = _people()
    if options.limit is not None:
        table = table.sample(min(options.limit, len(table)), seed=run.seed)
    table = table.with_column("features", _COURSE) if options.columns == "course" else table.with_features(_TARGET)
    folds = table.split(seed=run.seed).folds(options.folds)[: options.only]
    run.say(f"{len(table):,} people; {options.model}, {len(folds)} training{'s' if len(folds) > 1 else ''}.")
    started = time.perf_counter()
    by_fold, wrong = [], []
    model: TableModel | None = None
    for number, fold in enumerate(folds, 1):
        task = ls.Task(fold, "features", _TARGET, allow_leaks=True)  # some people have the same answers throughout
        model = train_table(task if options.train_rows is None else _fewer(task, options, run.seed), options, run.seed)
        held_out = table.take(fold.valid)
        rich = np.array([each == _RICH for each in held_out[_TARGET]])
        probable = np.array([(each.probabilities or {})[_RICH] for each in model.predict(held_out)])
        wrong.append((probable >= 0.5) != rich)
        by_fold.append(
            {
                "fold": number,
                "accuracy": float(1 - wrong[-1].mean()),
                "auc": float(roc_auc_score(rich, probable)),
                "log_loss": float(log_loss(rich, probable)),
            }
        )
        run.say(f"fold {number}: accuracy {by_fold[-1]['accuracy']:.4f}, AUC {by_fold[-1]['auc']:.4f}")
    assert model is not None
    seconds = time.perf_counter() - started
    errors = np.concatenate(wrong).astype(np.float64)
    low, high = np.quantile(block_draws(errors, np.arange(len(errors)), run.seed), [0.025, 0.975])
    metrics = {
        "error": float(errors.mean()),
        "error_low": float(low),
        "error_high": float(high),
        **{name: float(np.mean([each[name] for each in by_fold])) for name in ("accuracy", "auc", "log_loss")},
    }
    page = table_report(
        "adult", f"{options.model}, {len(folds)} folds", ("accuracy", f"{metrics['accuracy']:.1%}"), metrics, by_fold,
        asdict(options),
    )  # fmt: skip
    run.finish(model, metrics, train_seconds=seconds, options=asdict(options), report=page, details={"folds": by_fold})


def _people() -> ls.Table:
    """The 32,561 people of the published training part, which a smaller copy has alone."""
    table = ls.datasets.load("adult", accept_small=True)
    if "part" not in table.columns:
        return table
    return table.filter(lambda row: row["part"] == "train").select(*(each for each in table.columns if each != "part"))


def _fewer(task: ls.Task, options: AdultOptions, seed: int) -> ls.Task:
    """Some of the training rows."""
    task.prepare()
    rows = np.random.default_rng(seed).permutation(len(task.train))[: options.train_rows]
    return task.subset(task.train[rows])


ADULT = System(
    name="adult",
    summary="Predicts from a census table who earns more than 50,000 dollars: trees or networks, fold by fold.",
    needs="the data set adult (6 MB), and seconds with trees or minutes with a network",
    options=AdultOptions,
    run=_run,
)
