"""`longspan leaks`: look for what training would know of held-out rows, and train nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_files, check_types
from longspan.cli.formats import annotation_format
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, label
from longspan.cli.sources import check_source
from longspan.cli.split_by import split_columns
from longspan.cli.train_options import TrainOptions
from longspan.errors import ConfigError

if TYPE_CHECKING:
    from longspan.data import Leaks, Split, Table
    from longspan.data.leakage.drift import Drift

__all__ = ["leaks"]

FOUND = 3
"""Exit code where something was found, so that a build can stop on it."""
_SHOWN = 20


def leaks(
    source: flags.EvaluatedRows,
    against: Annotated[
        str | None,
        Opt(metavar="SOURCE", help="A second source, read like the first, whose rows are the held-out ones."),
    ] = None,
    pattern: flags.Pattern = None,
    image: flags.ImageColumn = None,
    root: flags.Root = None,
    suffix: flags.Suffix = None,
    heading: flags.Heading = None,
    encoding: flags.Encoding = None,
    corners: flags.Corners = None,
    column: flags.Columns = None,
    format: flags.Format = None,
    annotations: flags.Annotations = None,
    classes: flags.Classes = None,
    mask_name: flags.MaskName = None,
    ignored: flags.Ignored = None,
    input: Annotated[
        list[str] | None,
        Opt(
            metavar="COLUMN",
            help="What a network would read; repeat it for several.  [default: the images; without any, all columns "
            "but the targets]",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        Opt(metavar="COLUMN", help="What it would predict; inputs that reveal it are reported. Repeatable."),
    ] = None,
    group: flags.Group = None,
    time: flags.Time = None,
    valid: flags.ValidRows = 0.2,
    test: flags.TestRows = 0.0,
    split_by: flags.SplitBy = None,
    gap: flags.Gap = None,
    seed: Annotated[int, Opt(metavar="N", help="Random seed of the split.")] = 0,
    on_error: flags.OnError = "raise",
    drift: Annotated[
        bool,
        Opt(
            "--drift",
            help="Also train trees to distinguish held-out rows of a table from training rows; if they can, the rows "
            "differ.",
        ),
    ] = False,
    as_json: Annotated[bool, Opt("--json", help="Print everything as one JSON object.")] = False,
) -> None:
    r"""Look for leaks between training and held-out rows: copies, groups, time, and inputs that reveal the target.

    longspan leaks pets/images --pattern '(?P<breed>.+)_\d+\.jpg'

    longspan leaks people.csv --target salary --group family --split-by column:part

    Nothing is trained or written, and the vault stays closed. Exit code: 0 if nothing is found, 3 if something is.
    """
    with interruptible(lambda: "Nothing was written."):
        annotated = annotation_format(format, annotations, classes, mask_name, tuple(ignored or ()))
        for each in (source, against):
            if each is not None:
                check_source(each)
        check_files(root=root, annotations=annotations, classes=classes)
        check_types(tuple(target or ()), tuple(column or ()))
        split_columns(split_by)

        from longspan.cli.sources import read_source, typed_targets
        from longspan.cli.tasks import describe_split, split_table

        targets, columns = typed_targets(tuple(target or ()), tuple(column or ()))

        def read(where: str) -> Table:
            return read_source(
                where, pattern=pattern, image=image, columns=columns, root=root, suffix=suffix, annotated=annotated,
                corners=corners, heading=heading, encoding=encoding, on_error=on_error,
            )  # fmt: skip

        table = read(source)
        if against is None:
            options = TrainOptions(source=source, valid=valid, test=test, split_by=split_by, gap=gap, seed=seed)
            split = split_table(table, options)
        elif split_by is not None:
            raise ConfigError("--against already says which rows train and which test: leave out --split-by.")
        else:
            split = _both(table, read(against))
        found = split.leaks(
            input or None,
            targets,
            group=group,
            time=time,
            on_error="skip" if on_error == "skip" else "raise",
        )
        drifts = _drifts(split, targets) if drift else []
    if as_json:
        print(json.dumps(_as_json(split, found, drifts), indent=2, ensure_ascii=False))
    else:
        second = "" if against is None else f"; from row {len(table)} on those of {against}"
        print(label("data", f"{source}: {len(split.table):,} rows{second}"))
        print(label("split", describe_split(split)))
        _tell(found)
        if drifts:
            print(label("drift", "\n".join(map(str, drifts))))
    if found:
        raise typer.Exit(FOUND)


def _both(table: Table, other: Table) -> Split:
    """The rows of one train, those of the other lie in the vault."""
    from longspan.columns import Category

    name = "part"
    while name in table.columns or name in other.columns:
        name += "_"
    parts = ["train"] * len(table) + ["test"] * len(other)
    return table.concat(other).with_column(name, Category(), parts).split(column=name, valid=0)


def _drifts(split: Split, targets: Sequence[str]) -> list[Drift]:
    """Of each part that has rows."""
    parts: list[Literal["valid", "test"]] = []
    if len(split.valid):
        parts.append("valid")
    if len(split.vault):
        parts.append("test")
    return [split.drift(part, leave_out=targets) for part in parts]


def _tell(found: Leaks) -> None:
    if found.pairs:
        counts = [f"{count} {kind} between {parts}" for parts, kind, count in found.counts()]
        lines = [*counts, *map(str, found.pairs[:_SHOWN])]
        if len(found.pairs) > _SHOWN:
            lines.append(f"... and {len(found.pairs) - _SHOWN} more; --json lists them all")
        print(label("samples", "\n".join(lines)))
    if found.columns:
        print(label("columns", "\n".join(map(str, found.columns))))
    if found.notes:
        print(label("to judge", "\n".join(map(str, found.notes))))
    print(label("result", found.summary()))


def _as_json(split: Split, found: Leaks, drifts: Sequence[Drift]) -> dict[str, Any]:
    """All pairs by name, columns with their scores."""
    columns = {
        name: [{"kind": leak.kind, "column": leak.column, "what": leak.what, "score": leak.score} for leak in some]
        for name, some in (("columns", found.columns), ("notes", found.notes))
    }
    pairs = [
        {
            "kind": leak.kind, "first": leak.name, "first_row": leak.row, "first_part": leak.part,
            "second": leak.other_name, "second_row": leak.other_row, "second_part": leak.other_part,
        }
        for leak in found.pairs
    ]  # fmt: skip
    drift = {
        each.part: {"auc": each.auc, "interval": each.interval, "columns": {c.name: c.auc_drop for c in each.columns}}
        for each in drifts
    }
    return {"split": split.how, "counts": found.to_json()["pairs"], "pairs": pairs, **columns, "drift": drift}
