"""How a stage is wired, whatever does its work: what it reads and adds, and how it is trained and run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

from longspan.columns import Column

__all__ = ["Method", "StageSpec", "TrainOn"]

TrainOn = Literal["truth", "predicted", "both"]
"""Whether a learned stage is trained on the ground truth of what it reads, on predictions, or on both."""
Method = Literal["predict", "predict_proba", "decision_function"]
"""Which method of a scikit-learn estimator, or of a network, gives what its stage adds."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StageSpec:
    """The options of a `Stage`, checked; see there for what each means."""

    name: str
    reads: tuple[str, ...]
    adds: tuple[str, ...]
    columns: dict[str, Column]
    each: str | None
    train_on: TrainOn
    label: Callable[..., Any] | None
    method: Method
    views: int
    size_px: tuple[int, int] | None
