"""SOURCE on the command line: a folder of images, a table with their files, annotations, or a data set by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan import old_names
from longspan.cli.first_checks import known_sources
from longspan.errors import ConfigError, DataError, LongspanError, nearest

if TYPE_CHECKING:
    from longspan.cli.formats import AnnotationFormat
    from longspan.columns import Column
    from longspan.data import Table
    from longspan.portable import TrainedModel

__all__ = ["check_source", "heading_of", "image_column", "read_source", "rows_for", "typed_column", "typed_targets"]


def read_source(
    source: str,
    *,
    pattern: str | None,
    image: str | None,
    columns: Sequence[str],
    kinds: Mapping[str, Column] | None = None,
    root: str | None = None,
    suffix: str | None = None,
    heading: str | None = None,
    encoding: str | None = None,
    corners: Any = None,
    annotated: AnnotationFormat | None = None,
    targets: Sequence[str] = (),
    on_error: str = "raise",
    tell: Callable[[str], None] = lambda line: None,
    explain: Callable[[str], None] = lambda line: None,
) -> Table:
    """The rows that SOURCE names.

    Args:
        source: A folder, a file that `Table.read` takes, or the name of a data set.
        pattern: What the files in a folder are called; see `Table.from_files`.
        image: Column with the images: their files' paths in a table, the name it gets in a folder.
        columns: Types, each as NAME=TYPE, in place of those that the values suggest.
        kinds: Columns as a saved model knows them; those that a table does not have are left out.
        root: The folder that paths in a table start from.
        suffix: What stands after each path in a table.
        heading: Of a CSV file: see `heading_of`.
        encoding: Of a CSV file or of texts; None: UTF-8.
        corners: What the numbers of a box are: "edges" or "pixels"; None: as the format has it.
        annotated: For a folder of images: what is in them, and in which format that is written down.
        targets: What will be predicted, if that is known.
        on_error: "raise" or "skip": what becomes of bad annotations.
        tell: Called with a sentence about annotations that were left out.
        explain: Called with a sentence about how the source was read.

    Raises:
        ConfigError: an option is missing or does not belong to this kind of source.
        UnknownNameError: no such file or data set, column or type.
        DataError: what is there cannot be read.
    """
    from longspan import datasets
    from longspan.columns import Image
    from longspan.data import Table
    from longspan.data.readers.cell_types import typed_cells
    from longspan.data.readers.open_path import open_path

    check_source(source)
    path = Path(source).expanduser()
    typed = dict(typed_column(words) for words in columns)
    named = source in datasets.names() and not path.exists()
    if named and annotated is not None:
        raise ConfigError(f"{source} is a data set by name, which knows what is in its images: leave --format out.")
    if pattern is not None and (named or path.is_file()):
        raise ConfigError(
            f"--pattern is for a folder of images: it reads labels from file names. Leave it out for {source}."
        )
    if (root is not None or suffix is not None) and (named or path.is_dir()):
        raise ConfigError(f"--root and --suffix are for tables with paths; leave them out for {source}.")
    if heading is not None and (named or annotated is not None or pattern is not None):
        raise ConfigError(f"--heading is for .csv and .tsv files; leave it out for {source}.")
    if encoding is not None and (named or annotated is not None or pattern is not None):
        raise ConfigError(f"--encoding is for .csv and .tsv files and for texts; leave it out for {source}.")
    if annotated is not None:
        table = annotated.read(
            path,
            pattern=pattern,
            image=image or "image",
            on_error=on_error,
            tell=tell,
            targets=targets,
            corners=corners,
        )
    elif named:
        table = datasets.load(source)
        if image is not None:
            table.column(image)
            table = table if table.columns[image].encodes_pixels else table.with_column(image, Image())
    elif pattern is not None:
        table = Table.from_files(path, pattern, image=image or "image")
        read = {name: column for name, column in typed.items() if name in table.columns and name not in table.arrays}
        cells = [typed_cells(table.frame[name], column, str(path)) for name, column in read.items()]
        table = Table(table.frame.with_columns(cells), table.columns, root=table.root, source=table.source)
    else:
        header = {} if path.is_dir() else _known(path, kinds or {}, heading_of(heading), encoding)
        meant = {**header, **typed}
        if image in meant and not meant[image].encodes_pixels:
            image = None  # files of sound, which their column reads as they are written
        boxes = None if not targets or "boxes" in targets else False
        instances = False if targets and "instances" not in targets else None
        table = Table.of(
            open_path(
                path, meant, image=image, root=None if root is None else Path(root).expanduser(),
                suffix=suffix, heading=heading_of(heading), encoding=encoding, boxes=boxes, corners=corners,
                instances=instances, on_error="skip" if on_error == "skip" else "raise", tell=explain,
            )
        )  # fmt: skip
    for name, column in typed.items():
        table.column(name)
        table = table.with_column(name, column)
    return table


def rows_for(
    model: TrainedModel, source: str, *, pattern: str | None = None, image: str | None = None, **options: Any
) -> Table:
    """The rows of a source as a trained model knows their columns; its only input of files has the model's name.

    Args:
        model: Whose inputs and targets are read.
        source: See `read_source`.
        pattern: See `read_source`.
        image: The column of files; None: as in training, or the only one that there is.
        options: Others of `read_source`.
    """
    wanted = _file_input_of(model)
    kinds = {name: each for name, each in (model.input_columns | model.target_columns).items() if each}
    table = read_source(
        source, pattern=pattern, image=image or _named_in(source, wanted, by_pattern=pattern is not None), columns=(),
        kinds=kinds, targets=tuple(model.target_columns), **options,
    )  # fmt: skip
    if wanted is not None and wanted not in table.columns:
        given = image_column(table)
        table = table.with_column(wanted, table.columns[given], table.column_values(given))
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
        f"No column of {table.source} names images: no cell is a file beside it or in a folder below it. Its first row "
        f"is {_first_row(table)}. Say which column it is with --image, where the files are with --root FOLDER, and "
        "what to add to each name with --suffix, such as .png; for sound with --column NAME=audio. For other "
        "inputs: longspan.Learner."
    )


def _file_input_of(model: TrainedModel) -> str | None:
    """The model's only input of images or recordings; None where it has several, or none."""
    found = [
        name
        for name, column in model.input_columns.items()
        if column is None or column.encodes_pixels or column.has_fingerprints
    ]
    return found[0] if len(found) == 1 else None


def _named_in(source: str, name: str | None, *, by_pattern: bool) -> str | None:
    """What to call the files: as the model does; of a table with another column of files, that one is sought."""
    from longspan import datasets

    path = Path(source).expanduser()
    if name is None or (source in datasets.names() and not path.exists()):
        return None
    if path.is_dir() or by_pattern:
        return name
    if not path.is_file():
        return None
    from longspan.data.readers.csv_files import head_of_table

    return name if name in head_of_table(path).columns else None


def _is_file_input(column: Column) -> bool:
    """Whether its cells are files that a network reads: images, sound."""
    return column.encodes_pixels or column.has_fingerprints


def _first_row(table: Table) -> str:
    shown = {name: repr(table.frame[name][0]) for name in list(table.columns)[:8]}
    return ", ".join(f"{name}={cell:.40}" for name, cell in shown.items())


def typed_targets(targets: Sequence[str], columns: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Targets without the types that stand behind them, and all types as NAME=TYPE: `digit:category`.

    A type stands after the first colon that is followed by the name of one: a column may have colons in its name.
    """
    from longspan.columns import COLUMNS

    names, types = [], list(columns)
    for words in targets:
        at = next((i for i, c in enumerate(words) if c == ":" and words[i + 1 :].partition(":")[0] in COLUMNS), None)
        names.append(words[:at])
        if at is not None:
            types.append(f"{words[:at]}={words[at + 1 :]}")
    return tuple(names), tuple(types)


def _known(
    path: Path, kinds: Mapping[str, Column], heading: bool | list[str] | None, encoding: str | None
) -> dict[str, Column]:
    """The columns of a table that a model knows; those of images are sought by their files."""
    from longspan.data.readers.csv_files import head_of_table

    there = head_of_table(path, heading=heading, encoding=encoding).columns if kinds else []
    return {name: column for name, column in kinds.items() if name in there and not column.encodes_pixels}


def heading_of(words: str | None) -> bool | list[str] | None:
    """What --heading says, as `Table.from_csv` takes it.

    Example:
        >>> heading_of("no"), heading_of("x, y"), heading_of(None)
        (False, ['x', 'y'], None)
    """
    if words is None or words in ("yes", "no"):
        return None if words is None else words == "yes"
    return [each.strip() for each in words.split(",")]


def check_source(source: str) -> None:
    """Whether SOURCE is a file, a folder or the name of a data set.

    Raises:
        DataError: it is none of them; the message says which it may have been.
    """
    path = Path(source).expanduser()
    if path.exists():
        return
    names: Sequence[str] = ()
    if re.search(r"[/\\.]", source) is None:
        names = known_sources()
    if source in names or source in old_names.DATASETS:
        return
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    if (file := nearest(path.name, beside)) is not None:
        hint = f" Did you mean {path.parent / file}?"
    elif (named := nearest(source, names)) is not None:
        hint = f" Did you mean {named!r}?"
    else:
        hint = "" if path.parent.is_dir() else f" The folder {path.parent} does not exist either."
    raise DataError(
        f"There is no file or folder {source}, and no data set of that name.{hint} Give a folder of images, a .csv, "
        ".tsv, .jsonl, .parquet, .yaml or .json file, or a data set by its name: `longspan datasets` lists them."
    )


def typed_column(words: str) -> tuple[str, Column]:
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
