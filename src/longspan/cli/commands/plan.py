"""`longspan plan`: how large a study must be, and which labels of a pipeline to buy next."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longspan.cli.options import Opt
from longspan.errors import ConfigError

if TYPE_CHECKING:
    from longspan.study.statistics.held_out_rows import HeldOutRows

__all__ = ["plan"]

_COLUMNS = ("strategy", "size", "seed", "error")


def plan(
    pilot: Annotated[
        str,
        typer.Argument(
            metavar="PILOT",
            help="A study's folder or file; or a table of runs (.csv, .parquet) with the columns strategy, size, "
            "seed, target, error and perhaps seconds, from a similar task. For labels: the ceiling analysis of a "
            "pipeline (.json).",
        ),
    ],
    difference: Annotated[
        float | None, Opt(metavar="D", help="The difference in error to detect (0.01: one point of an error rate).")
    ] = None,
    strategies: Annotated[
        str | None, Opt(metavar="A,B", help="The two strategies to compare.  [default: the only two]")
    ] = None,
    at: Annotated[
        int | None,
        Opt(metavar="N", help="Number of training rows to plan for.  [default: the largest size of the pilot]"),
    ] = None,
    power: Annotated[
        float, Opt(metavar="P", help="Power: the probability of detecting the difference if it exists.")
    ] = 0.8,
    level: Annotated[float, Opt(metavar="P", help="Level of the interval that must exclude 0.")] = 0.95,
    rows: Annotated[
        int | None, Opt(metavar="N", help="Number of held-out rows, where PILOT is a table of runs.")
    ] = None,
    target: Annotated[
        str | None, Opt(metavar="NAME", help="Target whose error is meant, if there are several.")
    ] = None,
    curves: Annotated[
        str | None,
        Opt(
            metavar="FILE",
            help="Labels: learning curves of the stages, a table (.csv, .parquet) with the columns stage, labels, "
            "seed, error.",
        ),
    ] = None,
    prices: Annotated[
        str | None, Opt(metavar="STAGE=P,...", help="Labels: the price of one label of each stage.")
    ] = None,
    money: Annotated[
        float | None, Opt(metavar="M", help="Labels: what to spend on one stage, in the unit of the prices.")
    ] = None,
    json: Annotated[bool, Opt(help="Print JSON.")] = False,
) -> None:
    """Estimate how many seeds, held-out rows and training sizes detect a difference, and how many hours that takes.

    longspan plan demo --difference 0.02

    The variation between seeds and rows comes from a pilot: a small study with two or three seeds.

    For a pipeline, estimate which stage's labels bring most for their price:

    longspan plan ceiling.json --curves stages.csv --prices find=0.3,read=0.05 --money 500
    """
    import json as writer

    path = Path(pilot).expanduser()
    path = path / "study.sqlite" if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(
            f"There is no pilot {path}. Give a study's folder, its file, a table of runs, or the JSON of a ceiling "
            "analysis."
        )
    if path.suffix.lower() == ".json" or curves or prices or money is not None:
        from longspan.cli.label_plan import print_labels_to_buy

        print_labels_to_buy(path, curves=curves, prices=prices, money=money, json=json)
        return
    if difference is None:
        raise ConfigError("Give the difference in error to detect: --difference 0.01 is one point of an error rate.")
    if not 0 < difference < math.inf:
        raise ConfigError(f"--difference must be above 0, got {difference}.")
    for option, value in (("--power", power), ("--level", level)):
        if not 0 < value < 1:
            raise ConfigError(f"{option} must be above 0 and below 1, got {value}.")

    from longspan.study.planning import plan_study

    frame, held_out, unit = _pilot(path, target)
    first, second = _pair(frame, strategies)
    found = plan_study(
        frame, first, second, difference=difference, size=at, power=power, level=level, target=target,
        held_out=held_out, rows=rows,
    )  # fmt: skip
    if json:
        print(writer.dumps(found.to_json(), indent=2))
        return
    for sentence in found.sentences(unit):
        print(sentence)


def _pilot(path: Path, target: str | None) -> tuple[Any, HeldOutRows | None, str]:
    """Runs, the rows they were measured on where they are known, and the unit of the error."""
    import polars as pl

    from longspan.study import Study

    if path.suffix.lower() in (".csv", ".parquet"):
        try:
            frame = pl.read_csv(path) if path.suffix.lower() == ".csv" else pl.read_parquet(path)
        except Exception as error:  # polars raises errors of many kinds for files of another kind
            raise ConfigError(f"{path} cannot be read as a table of runs: {error}") from error
        lacking = [each for each in _COLUMNS if each not in frame.columns]
        if lacking:
            raise ConfigError(
                f"{path} is not a table of runs: it has no column {', '.join(map(repr, lacking))}. Needed are "
                f"{', '.join(_COLUMNS)}, a row for each run."
            )
        if "target" not in frame.columns and "error" in frame.columns:
            frame = frame.with_columns(target=pl.lit("error"))
        return frame, None, ""
    results = Study.open(path)
    if results.frame().is_empty():
        raise ConfigError(f"{path} has no finished run yet, so it says nothing of how much seeds and rows differ.")
    chosen = target or (results.targets[0] if len(results.targets) == 1 else None)
    if chosen is None:
        raise ConfigError(f"Name the target with --target: {', '.join(results.targets)}.")
    return results.frame(), results.held_out(chosen), results.unit(chosen)


def _pair(frame: Any, words: str | None) -> tuple[str, str]:
    """The two strategies to compare."""
    names = frame["strategy"].unique(maintain_order=True).to_list()
    chosen = names if words is None else [each.strip() for each in words.split(",")]
    if len(chosen) != 2:
        raise ConfigError(f"Name two strategies with --strategies A,B. The pilot has {', '.join(map(str, names))}.")
    return chosen[0], chosen[1]
