"""Rows that a model knows from its own training: what to call them, and what metrics on them are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

__all__ = ["ROW_PARTS", "PartMetrics", "describe_known", "worth_of_part"]

ROW_PARTS = ("train", "valid", "test", "new")
"""What a row was when the model was trained; "new": nothing."""

_WORTH = {
    "train": "the model was trained on these rows",
    "valid": "these rows chose the epoch",
    "test": "sealed test rows",
    "new": "rows that the model does not know",
}


@final
@dataclass(frozen=True, slots=True)
class PartMetrics:
    """Rows of one part, and the metrics on them."""

    rows: np.ndarray
    """Row numbers of the table, ascending."""
    metrics: dict[str, float] = field(default_factory=dict)
    """By name; empty where the part was not measured."""


def worth_of_part(part: str) -> str:
    """What metrics on a part of the rows say."""
    return _WORTH[part]


def describe_known(found: Mapping[str, np.ndarray], rows: int, *, opened: bool) -> str:
    """A sentence about training and sealed test rows among the rows that are measured; empty where there are none."""
    trained, sealed = len(found["train"]), 0 if opened else len(found["test"])
    if not trained and not sealed:
        return ""
    words = []
    if trained:
        words.append(f"{trained:,} of the {rows:,} rows trained this model")
    if sealed:
        words.append(f"{sealed:,} {'are' if trained else f'of the {rows:,} rows are'} its sealed test rows")
    return (
        f"{' and '.join(words)}: metrics on them do not say how the model does on new rows. Measure the parts apart "
        "with evaluate_parts, as longspan evaluate does."
    )
