"""Splits that a column names: a part of each row, or values that stand for parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from longspan.data.splits.column_values import class_ids, present_values
from longspan.data.splits.random_split import split_at_random, strata_columns
from longspan.data.splits.split_column import PARTS, part_of_value, read_naming
from longspan.data.table_view import TableView
from longspan.errors import SplitError

__all__ = ["split_by_column"]


def split_by_column(
    table: TableView,
    column: str | Mapping[str, Mapping[str, object]],
    valid: float,
    test: float,
    seed: int,
    stratify: str | Sequence[str] | None,
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], dict[str, object]]:
    """Rows by the part that a column names; parts it does not name are drawn from its training rows."""
    naming: dict[str, list[object]] | None = None
    if isinstance(column, str):
        name = column
    else:
        name, naming = read_naming(column)
    values = present_values(table, name, "split")
    part_of = {value: part_of_value(value, naming, name) for value in set(values)}
    rows = {part: np.flatnonzero([part_of[value] == part for value in values]) for part in PARTS}
    for part, wanted in (naming or {}).items():
        if not len(rows[part]):
            there = ", ".join(map(repr, class_ids(values)[1][:10]))
            raise SplitError(
                f"Column {name!r} has no row with any of {wanted!r}, so the {part} part is empty. It holds {there}."
            )
    how: dict[str, object] = {"kind": "column", "column": name}
    if naming is not None:
        how["values"] = {
            part: [value if isinstance(value, (str, int, float)) else str(value) for value in wanted]
            for part, wanted in naming.items()
        }
    if len(rows["test"]) and test:
        raise SplitError(f"Column {name!r} names {len(rows['test'])} test rows; test={test} would draw others.")
    draw_valid = 0 if len(rows["valid"]) else valid
    draw_test = 0 if len(rows["test"]) else test
    if draw_valid or draw_test:
        strata = strata_columns(table, stratify, except_for=name)
        explicit = stratify != "auto"
        train, drawn_valid, drawn_test = split_at_random(
            table, rows["train"], draw_valid, draw_test, seed, strata, explicit=explicit
        )
        rows["train"] = train
        if draw_valid:
            rows["valid"] = drawn_valid
        if draw_test:
            rows["test"] = drawn_test
        drawn = {part: fraction for part, fraction in (("valid", draw_valid), ("test", draw_test)) if fraction}
        how |= {"drawn": drawn, "seed": seed, "stratify": strata}
    return (rows["train"], rows["valid"], rows["test"]), how
