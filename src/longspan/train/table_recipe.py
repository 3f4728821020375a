"""A network for a table where nobody has chosen how to train it: settings follow from the number of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

from longspan.data import Task
from longspan.heads import Head
from longspan.train.budget import Budget
from longspan.train.config import TrainConfig
from longspan.train.learner import Learner
from longspan.train.recipe import Recipe
from longspan.valid_values import check_phase

__all__ = ["TableRecipe"]

_BATCHES = (32, 1024)
_BATCHES_AN_EPOCH = 128
_STEPS = 4000
_LEAST_STEPS = 400
"""Of small tables, which may take more epochs for it."""
_EPOCHS, _CLASS_EPOCHS = (8, 80), (6, 16)
"""Fewest and most for numbers, and for classes, whose losses overfit earlier."""


@final
@dataclass(frozen=True, kw_only=True)
class TableRecipe:
    """The light TabM with settings that need no tuning: batches of 32 to 1,024 rows, about 4,000 steps in one cycle.

    Numbers take at most 80 epochs, classes at most 16, unless that would be fewer than 400 steps.

    A strategy of studies: at each size it trains as suits that many rows, where a `Recipe` has the same batches and
    epochs at all of them.

    Example:
        >>> TableRecipe().recipe(1000).config.batch_size, TableRecipe().recipe(1000).phases[0].epochs
        (32, 80)
    """

    heads: Mapping[str, Head] = field(default_factory=dict)
    """By target, where the default head will not do."""
    epochs: int | None = None
    """Passes over the training rows, where the number of rows is not to decide: fewer suit rows of a later time."""
    keep: Literal["best", "last"] = "best"
    """Which epoch's weights are kept; see `TrainConfig.keep`."""

    def __post_init__(self) -> None:
        """Check the number of epochs."""
        check_phase({} if self.epochs is None else {"epochs": self.epochs})

    def recipe(self, rows: int, *, classes: bool = False) -> Recipe:
        """How a table is trained.

        Args:
            rows: That train.
            classes: Whether all targets are classes.
        """
        size = _BATCHES[0]
        while size < _BATCHES[1] and 2 * size * _BATCHES_AN_EPOCH <= rows:
            size *= 2
        least, most = _CLASS_EPOCHS if classes else _EPOCHS
        an_epoch = max(rows, 1) / size
        most = max(most, round(_LEAST_STEPS / an_epoch))
        epochs = self.epochs or min(max(round(_STEPS / an_epoch), least), most)
        config = TrainConfig(batch_size=size, beta2=0.95, weight_decay=0.03, keep=self.keep)
        return Recipe("tabm_light", epochs=epochs, lr=1e-2, heads=self.heads, config=config)

    def train(self, task: Task, *, seed: int = 0, budget: Budget | None = None) -> Learner:
        """A learner trained on the task's training rows."""
        task.prepare()
        classes = all(column.kind == "category" for column in task.targets.values())
        return self.recipe(len(task.train), classes=classes).train(task, seed=seed, budget=budget)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: what a study compares to know whether a strategy is still the same."""
        heads = {name: repr(head) for name, head in sorted(self.heads.items())}
        more = {} if self.epochs is None else {"epochs": self.epochs}
        return {"strategy": "table recipe", "heads": heads, "keep": self.keep, **more}
