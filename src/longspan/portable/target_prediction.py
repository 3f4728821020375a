"""What a model predicts for one target of one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

__all__ = ["TargetPrediction"]


@final
@dataclass(frozen=True, slots=True)
class TargetPrediction:
    """The prediction of one target for one row."""

    value: Any
    """The decoded value: a label, a list of labels, a number, a text."""
    probability: float | None = None
    """Of the value, where the kind of target has one."""
    probabilities: dict[Any, float] | None = None
    """For every class; of a text that was searched for, of the best texts."""
    tokens: list[tuple[str, float]] | None = None
    """Of a text that is written token by token, each token and its probability."""
