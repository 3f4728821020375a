"""Which stage's labels to buy next, from the files of a ceiling analysis and of learning curves."""

from __future__ import annotations

import json as writer
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["print_labels_to_buy"]

_COLUMNS = ("stage", "labels", "seed", "error")


def print_labels_to_buy(path: Path, *, curves: str | None, prices: str | None, money: float | None, json: bool) -> None:
    """Print every stage with what the money would bring, the best purchase first.

    Args:
        path: JSON of a ceiling analysis, as `Ceiling.to_json` gives it.
        curves: A table with a row for each training of a stage.
        prices: "stage=price,..."
        money: To be spent on one stage.
        json: Print JSON instead of sentences.

    Raises:
        ConfigError: a file that is missing or cannot be read, or an option that is missing.
    """
    lacking = [
        f"{option} ({what})"
        for option, value, what in (
            ("--curves", curves, "learning curves of the stages"), ("--prices", prices, "of one label of each stage"),
            ("--money", money, "to be spent"),
        )
        if value is None
    ]  # fmt: skip
    if lacking or curves is None or prices is None or money is None:
        raise ConfigError(f"To plan which labels to buy, give {', '.join(lacking)} as well.")
    priced = _prices(prices)
    found_curves = _curves(Path(curves).expanduser())

    from longspan.pipeline.ceiling import Ceiling
    from longspan.study.stage_labels import labels_to_buy

    ceiling = Ceiling.from_json(_values(path))
    found = labels_to_buy(ceiling, found_curves, priced, money=money)
    if json:
        print(writer.dumps([asdict(each) for each in found], indent=2))
        return
    unit = "%" if ceiling.measure == "error" else ""
    for each in found:
        print(each.sentence(unit))


def _values(path: Path) -> Any:
    try:
        return writer.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as the JSON of a ceiling analysis: {error}") from error


def _prices(words: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in words.split(","):
        name, _, price = part.partition("=")
        try:
            found[name.strip()] = float(price)
        except ValueError:
            found[name.strip()] = math.nan
        if not name.strip() or not 0 < found[name.strip()] < math.inf:
            raise ConfigError(f"--prices {words}: give a price above 0 for each stage, such as find=0.3,read=0.05.")
    return found


def _curves(path: Path) -> dict[str, tuple[list[int], np.ndarray]]:
    """For each stage its numbers of labels, ascending, and its errors `(K, R)`, NaN where there is no training."""
    import numpy as np
    import polars as pl

    if not path.is_file():
        raise ConfigError(f"There is no file {path} for --curves.")
    try:
        frame = pl.read_parquet(path) if path.suffix.lower() == ".parquet" else pl.read_csv(path)
    except Exception as error:  # polars raises errors of many kinds for files of another kind
        raise ConfigError(f"{path} cannot be read as a table of learning curves: {error}") from error
    lacking = [each for each in _COLUMNS if each not in frame.columns]
    if lacking:
        raise ConfigError(
            f"{path} is not a table of learning curves: it has no column {', '.join(map(repr, lacking))}. Needed are "
            f"{', '.join(_COLUMNS)}, a row for each training of a stage."
        )
    try:
        frame = frame.select(
            pl.col("stage").cast(pl.String), pl.col("labels").cast(pl.Int64), pl.col("seed").cast(pl.Int64),
            pl.col("error").cast(pl.Float64),
        )  # fmt: skip
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"{path}: labels and seed must be whole numbers and error a number: {error}") from error
    if frame.null_count().sum_horizontal()[0] or not frame["error"].is_finite().all():
        raise ConfigError(f"{path} has a row without a stage, labels, seed or error: remove it.")
    found: dict[str, tuple[list[int], np.ndarray]] = {}
    for (stage,), part in frame.group_by("stage", maintain_order=True):
        sizes, seeds = part["labels"].unique().sort(), part["seed"].unique().sort()
        errors = np.full((len(sizes), len(seeds)), np.nan)
        errors[sizes.search_sorted(part["labels"]), seeds.search_sorted(part["seed"])] = part["error"]
        found[str(stage)] = sizes.to_list(), errors
    return found
