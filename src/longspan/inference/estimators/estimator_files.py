"""What trained estimators that are not networks have in common: predictions, metrics, and their file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from longspan.columns import Column, column_from_json
from longspan.data import Table
from longspan.errors import Fault, ModelFileError, data_error
from longspan.heads import Head
from longspan.portable.prediction import Prediction
from longspan.storage.files import write_tensors
from longspan.version import __version__

__all__ = [
    "decode_predictions",
    "measure_predictions",
    "new_texts",
    "read_columns",
    "reading_estimator",
    "write_estimator",
]

_C = TypeVar("_C", bound=Column)
_DAMAGED = (KeyError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError)


def decode_predictions(heads: Mapping[str, Head], raw: Mapping[str, torch.Tensor], rows: int) -> list[Prediction]:
    """One prediction for each row, from what the estimator gives for each target, `(rows, ...)`."""
    by_target = {name: heads[name].decode(each) for name, each in raw.items()}
    return [Prediction({name: each[row] for name, each in by_target.items()}) for row in range(rows)]


def measure_predictions(heads: Mapping[str, Head], raw: Mapping[str, torch.Tensor], table: Table) -> dict[str, float]:
    """The metrics of each target's head over the rows that have the target; a prefix where there are several."""
    metrics: dict[str, float] = {}
    for name, head in heads.items():
        assert head.column is not None
        cells = table.column_values(name)
        known = [row for row, cell in enumerate(cells) if cell is not None]
        targets = torch.from_numpy(np.stack([head.column.encode(cells[row]) for row in known]))
        for metric, value in head.measure(raw[name][known], targets).items():
            metrics[metric if len(heads) == 1 else f"{name}.{metric}"] = value
    return metrics


def new_texts(data: Any, name: str) -> tuple[list[str], bool]:
    """The texts to predict, of column `name` of a Table, of a list or of a single text, and whether there are several.

    Raises:
        DataError: values that are not texts, all of them by name.
    """
    several = isinstance(data, Table | list | tuple)
    if isinstance(data, Table):
        values: list[Any] = data.column_values(name)
    else:
        values = [each.get(name) if isinstance(each, dict) else each for each in (data if several else [data])]
    faults = [
        Fault(f"sample {row}", f"{each!r:.60} is not a text")
        for row, each in enumerate(values)
        if not isinstance(each, str)
    ]
    if faults:
        raise data_error("Nothing was predicted, because some inputs cannot be used:", faults)
    return values, several


def write_estimator(
    path: str | Path,
    tensors: dict[str, torch.Tensor],
    file_format: Mapping[str, Any],
    inputs: Mapping[str, Column],
    heads: Mapping[str, Head],
    **more: Any,
) -> Path:
    """One safetensors file: arrays, and the columns and `more` as JSON. It holds no code.

    Args:
        path: The file.
        tensors: The arrays.
        file_format: `format` and `format_version`.
        inputs: The fitted input by its name.
        heads: By target.
        more: Further JSON values of the description.
    """
    ((name, column),) = inputs.items()
    described = {
        **file_format,
        "library_version": __version__,
        "input": name,
        "column": column.to_json(),
        "targets": {target: head.column.to_json() for target, head in heads.items() if head.column is not None},
        **more,
    }
    write_tensors(Path(path), tensors, described)
    return Path(path)


@contextmanager
def reading_estimator(described: Mapping[str, Any], file_format: Mapping[str, Any], what: str) -> Iterator[None]:
    """Makes whatever goes wrong inside a ModelFileError: damaged, or from a newer longspan; `what` the file holds."""
    version = described.get("format_version")
    if not isinstance(version, int) or version > file_format["format_version"]:
        raise ModelFileError(f"format version {version!r} is newer than this longspan {__version__}. Update it.")
    try:
        yield
    except ModelFileError:
        raise
    except _DAMAGED as error:
        raise ModelFileError(f"the description of its {what} is damaged: {error!r:.300}") from error


def read_columns(described: Mapping[str, Any], kind: type[_C]) -> tuple[str, _C, dict[str, Column]]:
    """Name and column of the input, and the target columns, that `write_estimator` described.

    Raises:
        ModelFileError: the input is not of this kind.
    """
    column = column_from_json(described["column"])
    if not isinstance(column, kind):
        raise ModelFileError(f"its input is of kind {column.kind!r}, not {kind.kind!r}")
    targets = {name: column_from_json(fields) for name, fields in described["targets"].items()}
    return str(described["input"]), column, targets
