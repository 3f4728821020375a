"""Tables without images or sound on the command line: what is a feature, what suits them, and their predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan.cli.sources import heading_of
from longspan.cli.split_by import split_columns
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, DataError
from longspan.storage.memory import memory_bytes

if TYPE_CHECKING:
    import polars as pl

    from longspan.columns import Column
    from longspan.data import Table
    from longspan.inference import Conformal

__all__ = [
    "FEATURES",
    "PART_ROWS",
    "TABLE_MODEL",
    "calibrated_on",
    "holds_features",
    "new_parts",
    "new_rows",
    "predicted_frame",
    "range_columns",
    "streamed_table",
    "with_chosen_features",
]

TABLE_MODEL = "tabm_light"
"""The network of tables whose training follows from the number of rows."""
FEATURES = "features"
"""Name of the column that puts the others together."""
PARQUET = (".parquet", ".pq")
_MOST_MEMORY = 0.25
"""Fraction of the machine's memory from which on a table is read a part at a time: encoding needs as much again."""
PART_ROWS = 1 << 16
"""Rows that are predicted before their predictions are written."""
_IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".wav", ".flac", ".ogg", ".mp3")


def holds_features(table: Table) -> bool:
    """Whether a table has no column of files, nor one that looks as if it named some."""
    if any(column.in_files for column in table.columns.values()):
        return False
    for name in table.columns:
        cells = table.frame[name].drop_nulls()
        if len(cells) and isinstance(cells[0], str) and cells[0].lower().endswith(_IMAGES):
            return False
    return True


def streamed_table(options: TrainOptions, explain: Callable[[str], None]) -> Table | None:
    """The rows of a Parquet file that is read while it trains, as --stream says, or as it needs; None: read it whole.

    Raises:
        ConfigError: --stream with another kind of source, or without a target.
        DataError: the file cannot be read.
    """
    from longspan.cli.sources import typed_column

    path = Path(options.source).expanduser()
    parquet = path.suffix.lower() in PARQUET and path.is_file()
    if options.stream and not parquet:
        raise ConfigError(f"--stream reads a .parquet file in parts, and {options.source} is none.")
    if not parquet or options.stream is False or not options.target:
        if options.stream:
            raise ConfigError("Name the target: --target. With --stream, it is read before the other columns.")
        return None
    needed, there = _bytes_in_memory(path), memory_bytes()
    if not options.stream and (there is None or needed < _MOST_MEMORY * there):
        return None
    from longspan.data import Table

    why = "" if options.stream else f", since it would take about {needed / 2**30:.0f} GB of memory"
    explain(f"{path} a part at a time{why}")
    keep = [*_not_features(options), *map(str, split_columns(options.split_by).values())]
    keep += [] if options.time is None else [options.time]
    columns = dict(typed_column(words) for words in options.column)
    return Table.scan(
        path,
        list(dict.fromkeys(keep)),
        columns,
        leave_out=_not_features(options),
        name=FEATURES,
        **_of_features(options),
    )


def _not_features(options: TrainOptions) -> list[str]:
    """Targets, groups, weights and names of parts."""
    named = [*options.target, *(name for name in (options.group, options.row_weights) if name is not None)]
    return [*named, *(name for how, name in split_columns(options.split_by).items() if how != "time")]


def _of_features(options: TrainOptions) -> dict[str, Any]:
    """What the options say of `Features`."""
    return {} if options.holidays is None else {"holidays": options.holidays}


def _bytes_in_memory(path: Path) -> int:
    """About what the columns of a Parquet file take in memory, texts of 16 characters at most."""
    import polars as pl

    try:
        lazy = pl.scan_parquet(path)
        return lazy.select(pl.len()).collect().item() * sum(map(_cell_bytes, lazy.collect_schema().values()))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return 0  # the reader says what is wrong with it


def _cell_bytes(dtype: pl.DataType) -> int:
    sizes = {"8": 1, "16": 2, "32": 4}
    digits = "".join(filter(str.isdigit, str(dtype)))
    return sizes.get(digits, 8) if dtype.is_numeric() else 16


def with_chosen_features(table: Table, options: TrainOptions) -> tuple[Table, str, TrainOptions]:
    """The table with its features put together, their name, and the options that suit them.

    Raises:
        ConfigError: no target is named, or an option is for images.
    """
    for flag, value in (("--size", options.size), ("--resize", options.resize)):
        if value is not None:
            raise ConfigError(f"{flag} is for images, and {table.source} has none.")
    if options.augment != "none":
        raise ConfigError(f"--augment {options.augment} is for images and sound, and {table.source} has none.")
    if not options.target:
        raise ConfigError(f"Name the target: --target with one or more of: {', '.join(table.columns)}.")
    for name in options.target:
        table = _as_target(table, name, options.column)
    if FEATURES not in table.arrays:
        table = table.with_features(_not_features(options), FEATURES, **_of_features(options))
    suited: dict[str, Any] = {"model": TABLE_MODEL, "weights": "none", "batch_size": 256, "freeze_epochs": 5}
    if options.model in (None, TABLE_MODEL):
        suited |= _recipe_settings(table, options)
    options = replace(options, **{name: value for name, value in suited.items() if getattr(options, name) is None})
    return table, FEATURES, options


def _recipe_settings(table: Table, options: TrainOptions) -> dict[str, Any]:
    """The network that suits tables and how it is trained, by the rows that will train it."""
    from longspan.train import TableRecipe

    rows = len(table)
    held_out = [part if part < 1 else part / max(rows, 1) for part in (options.valid, options.test)]
    classes = all(table.columns[name].kind == "category" for name in options.target)
    recipe = TableRecipe().recipe(round(rows * max(1 - sum(held_out), 0)), classes=classes)
    (phase,) = recipe.phases
    settings: dict[str, Any] = {"batch_size": recipe.config.batch_size}
    if options.mode in (None, "one-cycle"):
        settings |= {"epochs": phase.epochs, "lr": phase.lr}
    return settings


def _as_target(table: Table, name: str, typed: Sequence[str]) -> Table:
    """Whole numbers of two values are classes, unless the user says otherwise."""
    from longspan.columns import Category

    column, cells = table.column(name), table.frame[name].drop_nulls()
    if cells.n_unique() < 2:
        raise DataError(
            f"Target {name!r} has {'one value, ' + repr(cells[0]) if len(cells) else 'no value'} in {table.source}: "
            "there is nothing to learn."
        )
    typed_kind = any(words.rpartition("=")[0] == name for words in typed)
    if column.kind == "number" and cells.dtype.is_integer() and cells.n_unique() == 2 and not typed_kind:
        return table.with_column(name, Category())
    return table


def new_rows(
    files: Sequence[str],
    columns: Mapping[str, Column] | None = None,
    *,
    heading: str | None = None,
    encoding: str | None = None,
) -> Table:
    """The rows of one file to predict; of columns that a model knows, as it knows them.

    Raises:
        ConfigError: several files.
        DataError: it is not a table.
    """
    from longspan.data import Table
    from longspan.data.readers.open_path import open_path

    if len(files) != 1:
        raise ConfigError(f"This model reads a table: give one .csv or .parquet file, not {len(files)} files.")
    path = Path(files[0]).expanduser()
    return Table.of(open_path(path, columns, images=False, heading=heading_of(heading), encoding=encoding))


def new_parts(files: Sequence[str], *, heading: str | None = None, encoding: str | None = None) -> Iterator[Table]:
    """The rows that `new_rows` gives, some at a time; of a Parquet file no others are in memory.

    Raises:
        ConfigError: several files.
        DataError: it is not a table.
    """
    import numpy as np

    from longspan.data import Table

    path = Path(files[0]).expanduser()
    if len(files) == 1 and path.suffix.lower() in PARQUET and path.is_file() and heading is None and encoding is None:
        from longspan.data.readers.parquet_files import parquet_parts

        yield from map(Table.of, parquet_parts(path, PART_ROWS))
        return
    table = new_rows(files, heading=heading, encoding=encoding)
    for first in range(0, len(table), PART_ROWS):
        yield table.take(np.arange(first, min(first + PART_ROWS, len(table))))


def predicted_frame(table: Table, predictions: Sequence[Any], *, probabilities: bool = False) -> pl.DataFrame:
    """The rows as they were given, without what is predicted, then predictions with their probabilities."""
    import polars as pl

    from longspan.portable import predictions_to_frame

    found = predictions_to_frame(predictions, probabilities=probabilities)
    kept = [name for name in table.frame.columns if name not in found.columns]
    given = table.frame.select(pl.col(name) for name in kept if not table.frame.schema[name].is_nested())
    return pl.concat([given, found], how="horizontal")


def calibrated_on(model: Any, source: str, coverage: float) -> list[Conformal]:
    """Intervals or sets for each target of a model, calibrated on rows of a table.

    Raises:
        ConfigError: a coverage out of range.
        DataError: too few rows, or they cannot be read.
    """
    from longspan.cli.sources import read_source
    from longspan.inference import conformal

    if not 0 < coverage < 1:
        raise ConfigError(f"--coverage must lie between 0 and 1, such as 0.9; got {coverage:g}.")
    kinds = {name: head.column for name, head in model.heads.items() if head.column is not None}
    table = read_source(source, pattern=None, image=None, columns=(), targets=tuple(model.heads), kinds=kinds)
    return [conformal(model, table, name, coverage=coverage) for name in model.heads]


def range_columns(calibrated: Sequence[Conformal], predictions: Sequence[Any]) -> list[pl.Series]:
    """Columns of intervals, TARGET_low and TARGET_high, or of sets, TARGET_set with labels between semicolons."""
    import polars as pl

    found = []
    for each in calibrated:
        mine = [prediction.by_target[each.target] for prediction in predictions]
        if each.classes:
            sets = ["; ".join(map(str, each.labels(one))) for one in mine]
            found.append(pl.Series(f"{each.target}_set", sets, pl.String))
        else:
            ends = [each.interval(one) for one in mine]
            found.append(pl.Series(f"{each.target}_low", [low for low, _ in ends], pl.Float64))
            found.append(pl.Series(f"{each.target}_high", [high for _, high in ends], pl.Float64))
    return found
