"""How optimistic a random split is where rows belong together: four data sets, by time, place and person."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
import polars as pl

import longspan as ls
from longspan.errors import ConfigError
from longspan.lazy_torch import torch
from longspan.systems.business.table_report import table_report
from longspan.systems.business.table_training import TableModel, TableOptions, block_draws, train_table
from longspan.systems.result import SystemRun
from longspan.systems.system import System

__all__ = ["RANDOM_SPLITS", "RandomSplitsOptions"]

_RATE_HZ = 8_000
_BANDS = 13
"""Mel bands of a recording; their means and spreads are what trees read."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RandomSplitsOptions(TableOptions):
    """Options of claim-random-splits."""

    data: str = "bike-sharing,walmart-weekly,california-housing,fsdd"
    """Data sets, separated by commas."""
    folds: int = 5
    """Folds of random and of grouped splits, each held out once; of a split by time only the last one is."""

    def __post_init__(self) -> None:
        """Check the names and ranges."""
        TableOptions.__post_init__(self)
        unknown = sorted(set(self.data.split(",")) - set(_CASES))
        if unknown:
            raise ConfigError(f"--data: {', '.join(unknown)} is not among {', '.join(_CASES)}.")
        if self.folds < 2:
            raise ConfigError(f"--folds must be at least 2, got {self.folds}.")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """A data set whose rows belong together."""

    load: Callable[[], ls.Table]
    target: str
    left_out: tuple[str, ...]
    """Columns that are not read."""
    time: str | None = None
    """The rows to come are those after a moment in this column."""
    group: str | None = None
    """The rows to come are of groups that training has not seen."""
    block: str = ""
    """Rows with the same value are alike, and are drawn together for intervals."""


def _run(options: RandomSplitsOptions, run: SystemRun) -> None:
    names = options.data.split(",")
    parts: list[dict[str, Any]] = []
    metrics: dict[str, float] = {}
    model: TableModel | None = None
    started = time.perf_counter()
    for name in names:
        model, part = _compared(name, options, run.seed)
        parts.append(part)
        run.say(
            f"{name}: error {part['random']:.4g} at random, {part['to come']:.4g} {part['split']}; "
            f"{part['ratio']:.2f} times (95 %: {part['low']:.2f} to {part['high']:.2f})"
        )
        metrics |= {f"{name}, {what}": part[what] for what in ("random", "to come", "ratio", "low", "high")}
    assert model is not None
    seconds = time.perf_counter() - started
    surely = sum(part["low"] > 1 for part in parts)
    metrics["surely optimistic"] = float(surely)
    page = table_report(
        "claim-random-splits", f"{options.model}, {len(names)} data sets",
        ("a random split is surely optimistic", f"{surely} of {len(names)} times"), metrics, parts, asdict(options),
    )  # fmt: skip
    run.finish(model, metrics, train_seconds=seconds, options=asdict(options), report=page, details={"sets": parts})


def _compared(name: str, options: RandomSplitsOptions, seed: int) -> tuple[TableModel, dict[str, Any]]:
    """The error that a random split promises, that on rows to come, and their ratio with its interval."""
    case = _CASES[name]
    table = case.load()
    if options.limit is not None:
        table = table.sample(min(options.limit, len(table)), seed=seed)
    left_out = {case.target, *case.left_out, case.block}
    table = table.with_features(tuple(each for each in left_out if each in table.columns))
    at_random = table.split(seed=seed, stratify=None).folds(options.folds)
    if case.time:
        honest = [table.split(valid=1 / options.folds, time=case.time)]
    else:
        honest = table.split(seed=seed, group=case.group).folds(options.folds, group=case.group)
    losses: dict[str, np.ndarray] = {}
    draws: dict[str, np.ndarray] = {}
    model: TableModel | None = None
    for number, (what, splits) in enumerate((("random", at_random), ("to come", honest))):
        found, blocks = [], []
        for split in splits:
            task = ls.Task(split, "features", case.target, allow_leaks=True)  # what leaks is the question
            model = train_table(task, options, seed)
            held_out = table.take(split.valid)
            found.append(_losses(model, held_out, case.target))
            blocks.append(np.array([str(each) for each in held_out[case.block]]))
        losses[what] = np.concatenate(found)
        draws[what] = block_draws(losses[what], np.concatenate(blocks), seed + number)
    assert model is not None
    root = table.columns[case.target].kind == "number"
    measure = np.sqrt if root else np.asarray
    low, high = np.quantile(measure(draws["to come"]) / measure(draws["random"]), [0.025, 0.975])
    errors = {what: float(measure(each.mean())) for what, each in losses.items()}
    return model, {
        "data": name,
        "split": f"by {case.time or case.group}",
        "error": "root mean squared" if root else "fraction wrong",
        **errors,
        "ratio": errors["to come"] / errors["random"],
        "low": float(low),
        "high": float(high),
    }


def _losses(model: TableModel, table: ls.Table, target: str) -> np.ndarray:
    """`(N,)` float64: of a number its squared error, of a class whether it is wrong."""
    found = model.predict(table)
    if table.columns[target].kind == "number":
        return (np.array([each.value for each in found]) - np.array(table[target], np.float64)) ** 2
    return np.array([each[target] != actual for each, actual in zip(found, table[target], strict=True)], np.float64)


def _housing() -> ls.Table:
    """California's blocks of houses, with the square of a degree that each lies in."""
    table = ls.datasets.load("california-housing")
    square = pl.format("{} {}", pl.col("longitude").floor().cast(pl.Int64), pl.col("latitude").floor().cast(pl.Int64))
    return table.with_column("square", ls.Category(), table.frame.select(square.alias("s"))["s"].to_list())


def _spoken() -> ls.Table:
    """Spoken digits as means and spreads of mel bands over a recording."""
    table = ls.datasets.load("fsdd", accept_small=True)
    features = ls.AudioFeatures(mels=_BANDS)
    rows = []
    for value in table["audio"]:
        wave = torch.from_numpy(np.asarray(ls.audio.read_samples(value, _RATE_HZ), np.float32))
        bands = features.compute(wave[None], torch.tensor([len(wave)]), _RATE_HZ).reshape(_BANDS, -1)
        rows.append([*bands.mean(1).tolist(), *bands.std(1).tolist()])
    cells = {f"band {place}": list(column) for place, column in enumerate(zip(*rows, strict=True))}
    frame = pl.DataFrame({**cells, "digit": list(table["digit"]), "speaker": list(table["speaker"])})
    return ls.Table.from_frame(frame, {"digit": ls.Category(), "speaker": ls.Category()})


def _named(name: str) -> Callable[[], ls.Table]:
    return lambda: ls.datasets.load(name)


_CASES = {
    "bike-sharing": _Case(
        load=_named("bike-sharing"), target="cnt", left_out=("casual", "registered", "instant"), time="dteday",
        block="dteday",
    ),
    "walmart-weekly": _Case(
        load=_named("walmart-weekly"), target="Weekly_Sales", left_out=(), time="Date", block="Date",
    ),
    "california-housing": _Case(
        load=_housing, target="median_house_value", left_out=("longitude", "latitude"), group="square", block="square",
    ),
    "fsdd": _Case(load=_spoken, target="digit", left_out=(), group="speaker", block="speaker"),
}  # fmt: skip

RANDOM_SPLITS = System(
    name="claim-random-splits",
    summary=(
        "Measures how much a random split flatters a model, compared with later days, other places or other speakers."
    ),
    needs="the data sets bike-sharing, walmart-weekly, california-housing and fsdd, the extra audio, and a minute",
    extras=("audio",),
    options=RandomSplitsOptions,
    run=_run,
)
