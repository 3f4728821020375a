"""Corrections of labels in a CSV file: rows are relabelled or dropped in memory, never in the user's files."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from longspan.data.readers.csv_lines import records_of
from longspan.errors import DataError, Fault, data_error

if TYPE_CHECKING:
    from longspan.data.splits.split import Split
    from longspan.data.table import Table

__all__ = ["COLUMNS", "Correction", "correct_split", "correct_table", "label_text", "read_corrections"]

COLUMNS = ("row", "file", "target", "given", "action", "label")
"""Of a corrections file. `row` counts from 0; `file` is as the table has it and, where there is one, decides."""

_ACTIONS = ("keep", "relabel", "drop")


@final
@dataclass(frozen=True, slots=True)
class Correction:
    """What is to become of one row."""

    line: int
    """Of the file, from 1 as editors count."""
    row: int | None
    file: str
    target: str
    given: str
    action: Literal["keep", "relabel", "drop"]
    label: str


def label_text(value: Any) -> str:
    """A label as corrections have it: several labels of a row as a JSON list, a missing one as nothing."""
    if value is None:
        return ""
    return json.dumps([str(each) for each in value], ensure_ascii=False) if isinstance(value, list) else str(value)


def read_corrections(path: str | Path) -> list[Correction]:
    """The corrections in a file, as the page with probably wrong labels writes it.

    Raises:
        DataError: it cannot be read, columns are missing, or lines do not say what to do; all of them by number.
    """
    try:
        records = [(number, cells) for number, cells in records_of(Path(path), ",") if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as corrections: {error}.") from error
    names = records[0][1] if records else []
    missing = [name for name in ("target", "action", "label") if name not in names]
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}.")
    lines = [
        (number, dict.fromkeys(names, "") | dict(zip(names, cells, strict=False))) for number, cells in records[1:]
    ]
    found, faults = [], []
    for number, line in lines:
        row, action = line.get("row", "").strip(), line["action"].strip()
        if action not in _ACTIONS:
            faults.append(Fault(f"{path}, line {number}", f"action is {action!r}, not {', '.join(_ACTIONS)}"))
        elif not row.isdecimal() and not line.get("file"):
            faults.append(Fault(f"{path}, line {number}", "neither a file nor a row number"))
        elif action == "relabel" and not line["label"]:
            faults.append(Fault(f"{path}, line {number}", "relabel without a label", "To leave the row out: drop."))
        else:
            number_of_row = int(row) if row.isdecimal() else None
            rest = (line.get("file", ""), line["target"], line.get("given", ""), action, line["label"])
            found.append(Correction(number, number_of_row, *rest))  # type: ignore[arg-type]
    if faults:
        raise data_error("Some corrections cannot be used:", faults)
    return found


def correct_table(table: Table, path: str | Path) -> tuple[Table, np.ndarray]:
    """The table with the labels that a file says, of as many rows, and the numbers of the rows it drops.

    Raises:
        DataError: rows that are not there or that have another label than the file says they had; all by name.
    """
    by_file: dict[str, list[int]] = defaultdict(list)
    for name, column in table.columns.items():
        if column.in_files and name not in table.arrays:
            for row, cell in enumerate(table.frame[name].to_list()):
                if isinstance(cell, str):
                    by_file[cell].append(row)
    dropped: list[int] = []
    faults: list[Fault] = []
    changed: dict[str, list[Any]] = {}
    for each in read_corrections(path):
        where = f"{path}, line {each.line}"
        rows = by_file.get(each.file, []) if each.file else [each.row]
        if len(rows) > 1 and each.row in rows:
            rows = [each.row]
        if len(rows) != 1 or rows[0] is None or not 0 <= rows[0] < len(table):
            what = f"the table has {len(rows)} rows with {each.file}" if each.file else f"there is no row {each.row}"
            faults.append(Fault(where, what))
            continue
        row = rows[0]
        if each.target not in table.columns:
            faults.append(Fault(where, f"the table has no column {each.target!r}"))
            continue
        values = changed.setdefault(each.target, list(table.column_values(each.target)))
        now = label_text(_listed(table, each.target, values[row]))
        if each.given and now not in (each.given, each.label):
            faults.append(Fault(where, f"the label is {now!r} now, not {each.given!r} as when the file was written"))
        elif each.action == "drop":
            dropped.append(row)
        elif each.action == "relabel" and now != each.label:
            try:
                values[row] = _parsed(table, each.target, each.label)
            except ValueError as error:
                faults.append(Fault(where, str(error)))
    if faults:
        raise data_error("Some corrections do not fit the table:", faults)
    for name, values in changed.items():
        table = table.with_column(name, table.columns[name], values)
    return table, np.unique(np.asarray(dropped, np.int64))


def correct_split(split: Split, path: str | Path) -> Split:
    """The split with the labels that a file says and without the rows it drops; no row changes its part."""
    from dataclasses import replace

    from longspan.data.splits.vault import Vault

    table, dropped = correct_table(split.table, path)
    sealed = split.vault.rows_for_leak_check()
    vault = split.vault if not np.isin(dropped, sealed).any() else Vault(np.setdiff1d(sealed, dropped))
    train, valid = np.setdiff1d(split.train, dropped), np.setdiff1d(split.valid, dropped)
    counts = {"train": len(train), "valid": len(valid), "test": len(vault)}
    how = {**split.how, "rows": counts, "corrections": {"file": Path(path).name, "dropped": len(dropped)}}
    return replace(split, table=table, train=train, valid=valid, vault=vault, how=how)


def _listed(table: Table, name: str, value: Any) -> Any:
    """Several labels in one cell as a list."""
    separator = getattr(table.columns[name], "separator", None)
    if isinstance(value, str) and separator:
        return [part.strip() for part in value.split(separator) if part.strip()]
    return value


def _parsed(table: Table, name: str, text: str) -> Any:
    """A label as the column's other cells have theirs; ValueError if it cannot be."""
    cells = [_listed(table, name, value) for value in table.column_values(name)]
    if any(isinstance(cell, list) for cell in cells):
        try:
            words = json.loads(text)
        except json.JSONDecodeError:
            words = None
        if not isinstance(words, list):
            raise ValueError(f'{text!r} is not a list of labels, such as ["cat", "dog"]')
        labels: Sequence[Any] = [label for cell in cells if isinstance(cell, list) for label in cell]
        parsed = [_like(labels, str(word)) for word in words]
        separator = getattr(table.columns[name], "separator", None)
        return separator.join(map(str, parsed)) if separator else parsed
    return _like([cell for cell in cells if cell is not None], text)


def _like(labels: Sequence[Any], text: str) -> Any:
    known = {str(label): label for label in labels}
    if text in known:
        return known[text]
    if labels and all(isinstance(label, bool) for label in labels):
        raise ValueError(f"{text!r} is neither True nor False")
    if labels and all(isinstance(label, int) for label in labels):
        return int(text)
    return float(text) if labels and all(isinstance(label, float) for label in labels) else text
