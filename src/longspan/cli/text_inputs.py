"""Texts on the command line: which column of a table holds them, what suits them, and where new ones come from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

    from longspan.columns import Column
    from longspan.data import Table

__all__ = ["new_texts", "suited_to_text", "text_column", "with_text"]

_PROSE_WORDS = 6
"""Mean number of words from which cells are texts and not labels or names."""
_PROSE_DISTINCT = 0.5
_LARGEST_FILE = 1 << 30
_AT_A_TIME = 64


def text_column(table: Table, options: TrainOptions) -> str | None:
    """The column of texts that a network reads: one declared with --column, or the only one that holds prose."""
    declared = [
        name
        for words in options.column
        if (name := words.rpartition("=")[0]) in table.columns and table.columns[name].kind == "text"
    ]
    declared = [name for name in declared if name not in options.target]
    if options.reads is not None:
        table.column(options.reads)
        return options.reads
    if declared:
        return declared[0]
    found = [name for name in table.columns if name not in options.target and _is_prose(table.frame[name])]
    if len(found) > 1:
        raise ConfigError(
            f"Several columns of {table.source} hold texts: {', '.join(found)}. Choose one with --column NAME=text."
        )
    return found[0] if found else None


def with_text(table: Table, name: str, options: TrainOptions, explain: Callable[[str], None]) -> Table:
    """The table with a column of texts as the network of these options reads it."""
    from longspan.columns import Text

    column = table.columns[name] if table.columns[name].kind == "text" else Text()
    others = [each for each in table.columns if each not in (name, "split", *options.target)]
    unread = f"; not read: {', '.join(others[:6])}{', ...' if len(others) > 6 else ''}" if others else ""
    explain(f"column {name!r} as texts{unread}")
    return table.with_column(name, column.for_network(options.model, options.weights))


def suited_to_text(options: TrainOptions, targets: Mapping[str, Column]) -> TrainOptions:
    """The options with all that depends on the input being text, where the user has not chosen.

    Raises:
        ConfigError: options for images or sound.
    """
    del targets
    for flag, value in (("--size", options.size), ("--resize", options.resize)):
        if value is not None:
            raise ConfigError(f"{flag} is for images, and the input is text.")
    if options.augment not in ("none", "words"):
        raise ConfigError(f"--augment {options.augment} is for images or sound; for texts: --augment words.")
    pretrained = options.model == "minilm" and options.weights != "none"
    suited: dict[str, Any] = {"model": "text_cnn", "weights": "none", "batch_size": 32, "freeze_epochs": 5}
    if pretrained:
        suited |= {"weights": "minilm", "lr": 5e-4, "freeze_epochs": 3}
    return replace(options, **{name: value for name, value in suited.items() if getattr(options, name) is None})


def new_texts(words: Sequence[str], encoding: str | None = None) -> Iterator[list[str]]:
    """Texts to predict, some at a time: arguments as they are, the lines of files, and of "-" those of a pipe.

    Raises:
        DataError: a file that is not there, or is in another encoding.
    """
    from longspan.data.annotations.files import lines_of, read_text

    for word in words:
        if word == "-":
            if encoding is not None:
                try:
                    sys.stdin.reconfigure(encoding=encoding)  # type: ignore[union-attr]
                except LookupError:
                    raise ConfigError(f"There is no encoding {encoding!r}.") from None
            waiting: list[str] = []
            for line in sys.stdin:
                waiting.append(line.rstrip("\r\n"))
                if len(waiting) == _AT_A_TIME:
                    yield waiting
                    waiting = []
            if waiting:
                yield waiting
        elif len(word) < 256 and Path(word).is_file():
            try:
                lines = lines_of(read_text(Path(word), limit_bytes=_LARGEST_FILE, encoding=encoding or "utf-8"))
            except ValueError as error:
                raise DataError(f"{word}: {error}.") from None
            yield from (lines[at : at + _AT_A_TIME] for at in range(0, len(lines), _AT_A_TIME))
        else:
            yield [word]


def _is_prose(cells: pl.Series) -> bool:
    """Whether cells are texts of several words, most of which occur once."""
    import polars as pl

    if cells.dtype != pl.String:
        return False
    there = cells.drop_nulls()
    if len(there) < 2 or there.n_unique() < _PROSE_DISTINCT * len(there):
        return False
    few = there.head(2000)
    return float(few.str.count_matches(r"\S+").mean() or 0) >= _PROSE_WORDS  # type: ignore[arg-type]
