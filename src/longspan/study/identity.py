"""What makes two studies the same study: fingerprints of rows, split and strategies, kept in the study file.

A fingerprint shows whether something changed between two calls, not who wrote it. Rows count by the content of their
cells: folders may move, columns may be added, but not one value of a used column may change.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from longspan.data import Table, Task

__all__ = [
    "cell_digests",
    "column_digests",
    "describe_strategy",
    "digest_of",
    "rows_digest",
    "shared_rows",
    "task_identity",
    "tensors_digest",
    "value_digest",
]

_HEAD_BYTES = 65_536
"""Of each image file; with its size enough to notice another image, and read in no time."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def digest_of(value: Any) -> str:
    """Fingerprint of a JSON value, 32 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def task_identity(task: Task, evaluated: np.ndarray) -> dict[str, Any]:
    """What a study keeps of its task, as JSON values.

    Args:
        task: Prepared.
        evaluated: Row numbers of the rows that the study measures on.
    """
    train = task.train.numpy()
    columns = {name: column.to_json() for name, column in {**task.inputs, **task.targets}.items()}
    return {
        "inputs": list(task.input_names),
        "targets": list(task.target_names),
        "columns": json.loads(json.dumps(columns, default=str)),
        "rows": {"train": len(train), "evaluated": len(evaluated)},
        "split": digest_of([train.tolist(), evaluated.tolist()]),
        "cells": column_digests(task.table, np.concatenate([train, evaluated]), list(task.table.columns)),
    }


def column_digests(table: Table, rows: np.ndarray, names: Sequence[str]) -> dict[str, str]:
    """Fingerprint of the cells that these columns have in these rows, in their order, by column."""
    found = {}
    for name in names:
        digest = hashlib.blake2b(digest_size=16)
        for cell in cell_digests(table, rows, name):
            digest.update(cell)
        found[name] = digest.hexdigest()
    return found


def rows_digest(table: Table, rows: np.ndarray, names: Sequence[str]) -> str:
    """One fingerprint of several columns of these rows."""
    return digest_of(column_digests(table, rows, names))


def shared_rows(table: Table, rows: np.ndarray, other: Table, other_rows: np.ndarray, names: Sequence[str]) -> int:
    """How many of `other_rows` hold the same cells in these columns as one of `rows`; columns that one lacks: none."""
    if not names or any(name not in table.columns or name not in other.columns for name in names):
        return 0
    known = set(zip(*[cell_digests(table, rows, name) for name in names], strict=True))
    return sum(cells in known for cells in zip(*[cell_digests(other, other_rows, n) for n in names], strict=True))


def tensors_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Fingerprint of a network's weights."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in tensors.items():
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def describe_strategy(strategy: Any) -> str:
    """What distinguishes a strategy from a changed one: its `to_json()`, else its `repr` or attributes."""
    if callable(getattr(strategy, "to_json", None)):
        return json.dumps(strategy.to_json(), sort_keys=True, default=_plain)
    return _plain(strategy)


def _plain(value: Any) -> str:
    """`repr` without addresses in memory; for a class that has none of its own, its name and attributes."""
    if type(value).__repr__ is object.__repr__ and hasattr(value, "__dict__"):
        attributes = ", ".join(f"{name}={_plain(each)}" for name, each in sorted(vars(value).items()))
        return f"{type(value).__qualname__}({attributes})"
    return _ADDRESS.sub("", repr(value))


def cell_digests(table: Table, rows: np.ndarray, name: str) -> list[bytes]:
    """Each cell as a fingerprint or as the bytes that it is."""
    cells = table.frame[name].gather(rows).to_list()
    if name in table.arrays:
        pixels = table.arrays[name]
        return [value_digest(None if cell is None else pixels[cell]) for cell in cells]
    if table.columns[name].in_files:
        return [value_digest(table.value(int(row), name), file=True) for row in rows]
    return [json.dumps(cell, default=str).encode() + b"\0" for cell in cells]


def value_digest(value: Any, *, file: bool = False) -> bytes:
    """One raw value as `cell_digests` gives it; with `file` it is the path of a file, whose content counts."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + _short(value.tobytes())
    if value is None and not file:
        return b"missing"
    return _file(value) if file else json.dumps(value, default=str).encode() + b"\0"


def _short(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _file(value: Any) -> bytes:
    """An image file by its size and its first bytes; by its name if it cannot be read."""
    if value is None:
        return b"missing"
    try:
        path = Path(value)
        with path.open("rb") as stream:
            return path.stat().st_size.to_bytes(8, "little") + _short(stream.read(_HEAD_BYTES))
    except (OSError, TypeError):
        return str(value).encode() + b"\0"
