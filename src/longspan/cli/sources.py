"""SOURCE on the command line: a folder of images, a table with their files, or a data set by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from longspan.errors import ConfigError, DataError, LongspanError, nearest, unknown_name

if TYPE_CHECKING:
    from longspan.cli.formats import AnnotationFormat
    from longspan.columns import Column
    from longspan.data import Table

__all__ = ["image_column", "read_source", "read_table"]


def read_source(
    source: str,
    *,
    pattern: str | None,
    image: str | None,
    columns: Sequence[str],
    annotated: AnnotationFormat | None = None,
    targets: Sequence[str] = (),
    on_error: str = "raise",
    tell: Callable[[str], None] = lambda line: None,
) -> Table:
    """The rows that SOURCE names.

    Args:
        source: A folder, a .csv or .parquet file, or the name of a data set.
        pattern: What the files in a folder are called; see `Table.from_files`.
        image: Column with the images: their files' paths in a table, the name it gets in a folder.
        columns: Types, each as NAME=TYPE, in place of those that the values suggest.
        annotated: For a folder of images: what is in them, and in which format that is written down.
        targets: What will be predicted, if that is known.
        on_error: "raise" or "skip": what becomes of bad annotations.
        tell: Called with a sentence about annotations that were left out.

    Raises:
        ConfigError: an option is missing or does not belong to this kind of source.
        UnknownNameError: no such file or data set, column or type.
        DataError: what is there cannot be read.
    """
    from longspan import datasets
    from longspan.columns import Image
    from longspan.data import Table

    path = Path(source).expanduser()
    typed = [_typed(words) for words in columns]
    named = source in datasets.names() and not path.exists()
    if named and annotated is not None:
        raise ConfigError(f"{source} is a data set by name, which knows what is in its images: leave --format out.")
    if pattern is not None and (named or path.is_file()):
        raise ConfigError(f"--pattern says what the files in a folder are called; {source} is no folder.")
    if annotated is not None and path.exists():
        table = annotated.read(
            path, pattern=pattern, image=image or "image", on_error=on_error, tell=tell, targets=targets
        )
    elif named:
        table = datasets.load(source)
    elif path.is_dir():
        if pattern is None:
            raise ConfigError(_pattern_wanted(path))
        table = Table.from_files(path, pattern, image=image or "image")
    elif path.is_file():
        table = read_table(path, {name: column for name, column in typed if column.kind == "text" or column.json_cells})
    else:
        raise _nothing(source, datasets.names())
    if image is not None and not path.is_dir():
        table.column(image)
        if not _is_file_input(table.columns[image]) and image not in dict(typed):
            table = table.with_column(image, Image())
    for name, column in typed:
        table.column(name)
        table = table.with_column(name, column)
    return table


def image_column(table: Table) -> str:
    """The column that the network reads: the table's only column of images or of sound."""
    images = [name for name, column in table.columns.items() if _is_file_input(column)]
    if len(images) == 1:
        return images[0]
    if images:
        raise ConfigError(
            f"There are several columns of images or sound: {', '.join(images)}. Choose one with --image."
        )
    raise ConfigError(
        "There is no column of images or sound. Say with --image which column of "
        f"{table.source} holds the files of images, or with --column NAME=audio those of sound: "
        f"{', '.join(table.columns)}. For other inputs: longspan.Learner."
    )


def _is_file_input(column: Column) -> bool:
    """Whether its cells are files that a network reads: images, sound."""
    return column.encodes_pixels or column.has_fingerprints


def read_table(path: Path, texts: dict[str, Column]) -> Table:
    """The rows of a file; columns in `texts` are read as they are written or as JSON, others by their values."""
    from longspan.data import Table

    ending = path.suffix.lower()
    if ending in (".csv", ".txt"):
        return Table.from_csv(path, texts)
    if ending in (".parquet", ".pq"):
        return Table.from_parquet(path, texts)
    raise DataError(f"{path} is no table: its name ends in {ending or 'nothing'!r}. Give a .csv or .parquet file.")


def _nothing(source: str, names: Sequence[str]) -> Exception:
    """Neither file nor folder nor data set: say which of them it may have been."""
    near = nearest(source, names)
    if near and not re.search(r"[/\\.]", source):
        return unknown_name("file, folder or data set", source, names)
    return DataError(
        f"There is no file or folder {source}. Give a folder of images, a .csv or .parquet file, or one of the data "
        f"sets that longspan knows by name: {', '.join(names)}."
    )


def _pattern_wanted(folder: Path) -> str:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    first = next(files, None)
    if first is None:
        return f"The folder {folder} holds no files."
    inside = first.relative_to(folder)
    ending = re.escape(inside.suffix)
    example = rf"(?P<label>[^/]+)/.*{ending}" if len(inside.parts) > 1 else rf"(?P<label>.+)_\d+{ending}"
    return (
        f"{folder} is a folder: say with --pattern what its files are called, for they bear the answer. It holds "
        f"{inside.as_posix()!r}; a pattern such as --pattern '{example}' --target label would read the part in "
        "brackets as the label. For masks and boxes in files of their own: --format."
    )


def _typed(words: str) -> tuple[str, Column]:
    """`age=number`, `age=number:months` (its unit), `tags=multi_label:;` (what stands between labels)."""
    from longspan.columns import COLUMNS

    name, equals, kind = words.rpartition("=")
    kind, _, detail = kind.partition(":")
    if not equals or not name:
        raise ConfigError(f"--column {words}: write NAME=TYPE, for example --column age=number.")
    try:
        return name, COLUMNS.find(kind).from_words(detail)
    except LongspanError as error:
        raise type(error)(f"--column {words}: {error}") from None
