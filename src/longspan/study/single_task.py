"""Several targets, each with a network of its own: what multitask learning is measured against."""

from __future__ import annotations

from typing import Any, final

from longspan.data import Task
from longspan.pipeline import Pipeline, Stage
from longspan.train import Budget, Recipe

__all__ = ["SingleTask"]


@final
class SingleTask:
    """A strategy: one network for each target, trained on the rows that have a value of it.

    The counterpart, one network for all targets, is the recipe itself. The budget is shared equally among the networks.
    """

    def __init__(self, recipe: Recipe) -> None:
        """The recipe of every one of the networks."""
        self.recipe = recipe

    def __repr__(self) -> str:
        return f"SingleTask({self.recipe!r})"

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None) -> Pipeline:
        """A pipeline of one stage for each target, fitted on the task's training rows."""
        stages = [
            Stage(target, self.recipe, reads=task.input_names, adds=target, size_px=task.size_px)
            for target in task.target_names
        ]
        return Pipeline(stages).train(task, seed=seed, budget=budget)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether the strategy is still the same."""
        return {"strategy": "separate", "recipe": self.recipe.to_json()}
