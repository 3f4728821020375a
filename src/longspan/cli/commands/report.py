"""`longspan report`: what a table holds, before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from longspan.cli import options as flags
from longspan.cli.first_checks import check_types
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, label, new_file, print_table, writing
from longspan.cli.sources import check_source
from longspan.cli.split_by import split_columns
from longspan.cli.train_options import TrainOptions

if TYPE_CHECKING:
    from longspan.data.scorecard import Scorecard

__all__ = ["report"]

_SHOWN = 20


def report(
    source: flags.EvaluatedRows,
    target: flags.Targets = None,
    column: flags.Columns = None,
    heading: flags.Heading = None,
    encoding: flags.Encoding = None,
    valid: flags.ValidRows = 0.2,
    test: flags.TestRows = 0.0,
    split_by: flags.SplitBy = None,
    gap: flags.Gap = None,
    out: Annotated[str, Opt(metavar="FILE", help="The page to write.")] = "scorecard.html",
    force: flags.Force = False,
    as_json: Annotated[bool, Opt("--json", help="Print everything as one JSON object; write no page.")] = False,
) -> None:
    r"""Describe a table: what each column is and why, missing and unusual values, identifiers, copies.

    longspan report sales.csv --target sold --split-by time:date

    With --split-by it also says whether held-out rows look like training rows, and in which columns they differ.
    No model is kept, and no row is changed.
    """
    targets, columns = tuple(target or ()), tuple(column or ())
    with interruptible(lambda: "Nothing was written."):
        check_source(source)
        check_types(targets, columns)
        split_columns(split_by)
        path = None if as_json else new_file(out, "--out", force=force)

        from longspan.cli.sources import read_source, typed_targets
        from longspan.cli.tasks import split_table
        from longspan.data.scorecard import scorecard

        targets, columns = typed_targets(targets, columns)
        table = read_source(source, pattern=None, image=None, columns=columns, heading=heading, encoding=encoding)
        drifts = []
        if split_by is not None:
            split = split_table(table, TrainOptions(source=source, valid=valid, test=test, split_by=split_by, gap=gap))
            parts = {"valid": len(split.valid), "test": len(split.vault)}
            drifts = [split.drift(part, leave_out=targets) for part, rows in parts.items() if rows]  # type: ignore[arg-type]
        card = scorecard(table, targets, drifts=drifts)
        if path is None:
            print(json.dumps(card.to_json(), indent=2, ensure_ascii=False, default=str))
            return
        from longspan.explain.scorecard_page import write_scorecard

        with writing(path, "--out"):
            write_scorecard(path, card)
    _tell(card, path)


def _tell(card: Scorecard, path: Path) -> None:
    print(label("data", f"{card.source}: {card.rows:,} rows, {len(card.columns)} columns"))
    print_table(
        ["column", "kind", "missing", "different", "values"],
        [[each.name, each.kind, f"{each.missing:.1%}", f"{each.distinct:,}", each.values] for each in card.columns],
        right=(2, 3),
    )
    found = card.findings
    more = [f"... and {len(found) - _SHOWN} more on the page"] if len(found) > _SHOWN else []
    print(label("findings", "\n".join([*found[:_SHOWN], *more]) or "nothing unusual"))
    for each in card.drifts:
        if not each.certain:
            print(label("drift", str(each)))
    print(label("page", str(path)))
