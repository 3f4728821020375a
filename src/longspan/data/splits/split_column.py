"""Which part of a split a value of a column stands for: by the usual words, or by what a person says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from longspan.errors import SplitError, unknown_name

__all__ = ["PARTS", "PART_WORDS", "part_of_value", "read_naming"]

PARTS = ("train", "valid", "test")
PART_WORDS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}
"""What parts are called in small letters, as values of a column and as names of folders."""


def read_naming(column: Mapping[str, Mapping[str, object]]) -> tuple[str, dict[str, list[object]]]:
    """The column's name and, for each part, its values."""
    example = "for example column={'fold': {'valid': 3, 'test': [4, 5]}}"
    if len(column) != 1:
        raise SplitError(f"column={column!r} must name one column and the values of its parts, {example}.")
    [(name, mapping)] = column.items()
    if not isinstance(mapping, Mapping) or not mapping:
        raise SplitError(f"column={column!r} must say which values of {name!r} validate or test, {example}.")
    naming: dict[str, list[object]] = {}
    for word, wanted in mapping.items():
        if word not in PART_WORDS:
            raise unknown_name("part of a split", str(word), PARTS)
        several = isinstance(wanted, (list, tuple, set, frozenset, range))
        naming[PART_WORDS[word]] = list(wanted) if several else [wanted]  # type: ignore[call-overload]
    claimed: dict[object, str] = {}
    for part, wanted in naming.items():
        for value in wanted:
            if claimed.setdefault(value, part) != part:
                raise SplitError(f"column={column!r}: value {value!r} is in two parts, {claimed[value]} and {part}.")
    return name, naming


def part_of_value(value: object, naming: dict[str, list[object]] | None, name: str) -> str:
    """The part that one value of the column stands for."""
    if naming is not None:
        for part, wanted in naming.items():
            if value in wanted:
                return part
        if "train" in naming:
            raise SplitError(f"Column {name!r}: value {value!r} is in no part of {naming!r}.")
        return "train"
    if isinstance(value, (bool, np.bool_)):
        return "valid" if value else "train"
    part = PART_WORDS.get(value.strip().lower()) if isinstance(value, str) else None
    if part is None:
        raise SplitError(
            f"Column {name!r}: value {value!r} names no part (train, valid, test; or true = valid). "
            f"Say which values do: split(column={{{name!r}: {{'valid': {value!r}}}}})."
        )
    return part
