"""A network for a table where nobody has chosen how to train it: settings follow from the number of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from longspan.data import Task
from longspan.heads import Head
from longspan.train.budget import Budget
from longspan.train.config import TrainConfig
from longspan.train.learner import Learner
from longspan.train.recipe import Recipe

__all__ = ["TableRecipe"]

_BATCHES = (32, 256)
_BATCHES_AN_EPOCH = 64
_STEPS = 2500
_EPOCHS = (8, 60)


@final
@dataclass(frozen=True, kw_only=True)
class TableRecipe:
    """The light TabM with settings that need no tuning: batches of 32 to 256 rows, about 2,500 steps in one cycle.

    A strategy of studies: at each size it trains as suits that many rows, where a `Recipe` has the same batches and
    epochs at all of them.

    Example:
        >>> TableRecipe().recipe(1000).config.batch_size, TableRecipe().recipe(1000).phases[0].epochs
        (32, 60)
    """

    heads: Mapping[str, Head] = field(default_factory=dict)
    """By target, where the default head will not do."""

    def recipe(self, rows: int) -> Recipe:
        """How a table with this many training rows is trained."""
        size = _BATCHES[0]
        while size < _BATCHES[1] and 2 * size * _BATCHES_AN_EPOCH <= rows:
            size *= 2
        epochs = min(max(round(_STEPS * size / max(rows, 1)), _EPOCHS[0]), _EPOCHS[1])
        config = TrainConfig(batch_size=size, beta2=0.95, weight_decay=0.03)
        return Recipe("tabm_light", epochs=epochs, lr=3e-3, heads=self.heads, config=config)

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None) -> Learner:
        """A learner trained on the task's training rows."""
        task.prepare()
        return self.recipe(len(task.train)).train(task, seed=seed, budget=budget)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether a strategy is still the same."""
        heads = {name: repr(head) for name, head in sorted(self.heads.items())}
        return {"strategy": "table recipe", "heads": heads}
