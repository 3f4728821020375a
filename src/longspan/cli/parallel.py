"""Translations on the command line: files whose lines belong together, or columns of a table."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from longspan.cli.sources import typed_column
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from longspan.columns import Column
    from longspan.data import Table

__all__ = ["names_parallel_files", "parallel_table", "suited_to_writing", "typed_texts"]


def parallel_table(options: TrainOptions) -> Table | None:
    """The sentences of parallel files: SOURCE is one of them, or what stands before their endings.

    `data/train.en` or `data/train`, with --source en --target fr, are data/train.en and data/train.fr. None where
    SOURCE does not exist.

    Raises:
        ConfigError: --source without a target.
        DataError: one of the files is not there; names those that are.
    """
    from longspan.data import Table

    if options.reads is None:
        return None
    if not options.target:
        raise ConfigError("--source needs --target: what the texts are translated to.")
    files = _files(options)
    there = [name for name, each in files.items() if each.is_file()]
    if not there:
        return None  # a table, a data set by name, or a wrong path, which is reported as such
    for name, each in files.items():
        if name not in there:
            beside = sorted(other.suffix[1:] for other in each.parent.glob(f"{each.stem}.*") if other.is_file())
            raise DataError(f"There is no file {each}. Beside it there are the endings {', '.join(beside)}.")
    table = Table.from_parallel(files, encoding=options.encoding or "utf-8")
    for words in options.column:
        name, kind = typed_column(words)
        table = table.with_column(name, kind) if name in table.columns else table
    return table


def names_parallel_files(options: TrainOptions) -> bool:
    """Whether SOURCE and --source name a file whose lines have a translation in another."""
    return options.reads is not None and _files(options)[options.reads].is_file()


def _files(options: TrainOptions) -> dict[str, Path]:
    """By language the file that SOURCE stands for."""
    path = Path(options.source).expanduser()
    stem = path.with_suffix("") if path.suffix == f".{options.reads}" else path
    languages = (options.reads or "", *(target.partition(":")[0] for target in options.target))
    return {name: stem.parent / f"{stem.name}.{name}" for name in languages}


def typed_texts(options: TrainOptions) -> TrainOptions:
    """The options with the types of the columns that are read and written, where the user has given none."""
    if options.reads is None:
        return options
    typed = {words.rpartition("=")[0] for words in options.column}
    kinds = {options.reads: "text", **dict.fromkeys(options.target, _written())}
    return replace(options, column=(*options.column, *(f"{n}={kind}" for n, kind in kinds.items() if n not in typed)))


def _written() -> str:
    """Texts are written as sub-words, or as words without the library for those."""
    return "text:subwords" if importlib.util.find_spec("tokenizers") is not None else "text:words"


def suited_to_writing(options: TrainOptions, targets: Mapping[str, Column]) -> TrainOptions:
    """The options that suit texts as targets, where the user has not chosen."""
    if all(column.kind != "text" for column in targets.values()):
        return options
    return replace(
        options,
        model=options.model or "text_transformer",
        batch_size=options.batch_size or 64,
        epochs=options.epochs or 20,
        mode=options.mode or "one-cycle",
        lr=options.lr or 2e-3,
    )
