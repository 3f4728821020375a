"""What every way to a predictor has in common: one network, a pipeline of stages, a transfer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from longspan.data import Task
from longspan.train.budget import Budget

__all__ = ["Strategy", "Trained"]


class Trained(Protocol):
    """What training gives: a Learner, a fitted Pipeline, or your own."""

    @property
    def steps_done(self) -> int:
        """Batches that were learned from, over all networks."""
        ...

    def predict(self, data: Any) -> Any:
        """For a Table: one prediction per row, in order, of which `prediction[target]` is the value."""
        ...

    def save(self, path: str | Path) -> Path:
        """Everything needed to predict, as one file."""
        ...


class Strategy(Protocol):
    """A way to get a predictor from a task. `Recipe`, `Pipeline` and `Transfer` are, and any class with this method."""

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None) -> Trained:
        """Learn from the task's training rows alone.

        Args:
            task: What is to be learned; its validation and test rows are not for training.
            seed: Of everything random: the same seed gives the same predictor.
            budget: How much may be spent; None leaves it to the strategy.
        """
        ...
