"""A metric's name and which way is better, and how to find the way of a metric in a training history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

__all__ = ["Direction", "Metric", "direction_of"]

Direction = Literal["higher", "lower"]
"""Which way is better."""

_LOWER = (
    "loss", "error", "error_rate", "mae", "rmse", "nme", "eer", "frr", "perplexity", "deviance", "pinball", "seconds"
)  # fmt: skip
"""Last words of names that no metric declares, such as "valid_loss", and of which lower is better."""


@final
@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name and which way is better."""

    name: str
    better: Direction


def direction_of(name: str, metrics: Iterable[Metric] = ()) -> Direction:
    """Which way is better of a value in a history: "accuracy", "breed.accuracy", "valid_loss".

    Args:
        name: Of the value; with several targets the target stands before a point.
        metrics: What the heads declare; first those of the main head.

    Example:
        >>> direction_of("breed.top5", [Metric("top5", "higher")]), direction_of("valid_loss")
        ('higher', 'lower')
    """
    for metric in metrics:
        if name == metric.name or name.endswith(f".{metric.name}"):
            return metric.better
    last = name.rsplit(".", 1)[-1]
    return "lower" if any(last == word or last.endswith(f"_{word}") for word in _LOWER) else "higher"
