"""What the systems of business tables share: options, one training, intervals by resampling blocks of rows."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

import longspan as ls
from longspan.systems.options import check_above_zero, check_at_least, check_network

__all__ = ["TableModel", "TableOptions", "block_draws", "r2", "rmse", "train_table", "values_of"]

TableModel: TypeAlias = "ls.Learner | ls.BoostedTrees"
_DRAWS = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class TableOptions(ABC):  # noqa: B024 -- nothing to override, and no options of any system
    """Abstract. How a model of a table is trained; each system adds its own options."""

    model: str = "boosting"
    """boosting: gradient-boosted trees. network: the light TabM with settings that follow from the number of rows. Or
    any network that reads features, such as mlp_plr or tabm_mini."""
    epochs: int = 20
    """Passes of a network over the training rows."""
    lr: float = 3e-3
    """Peak learning rate of a network."""
    batch_size: int = 256
    """Rows per step of a network."""
    limit: int | None = None
    """Use only this many rows, for a quick look."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_network(self.model, others=("boosting", "network"))
        check_at_least(epochs=(self.epochs, 1), batch_size=(self.batch_size, 1), limit=(self.limit, 50))
        check_above_zero(lr=self.lr)


def train_table(
    task: ls.Task,
    options: TableOptions,
    seed: int,
    *,
    heads: Mapping[str, Any] | None = None,
    boosting: ls.Boosting | None = None,
) -> TableModel:
    """The model that the options name, trained on the task's training rows.

    Networks keep the weights of the last epoch: the rows held out choose nothing.

    Args:
        task: Features and targets.
        options: The model and how it is trained.
        seed: Random seed.
        heads: Of a network, by target.
        boosting: Settings of the trees; by default those of `ls.Boosting`.
    """
    if options.model == "boosting":
        return (boosting or ls.Boosting()).train(task, seed=seed)
    if options.model == "network":
        return ls.TableRecipe(heads=heads or {}, keep="last").train(task, seed=seed)
    config = ls.TrainConfig(batch_size=options.batch_size, keep="last")
    learner = ls.Learner(task, options.model, heads=heads, config=config, seed=seed, progress=False)
    learner.fit_one_cycle(options.epochs, options.lr)
    return learner


def values_of(model: TableModel, table: ls.Table) -> np.ndarray:
    """`(N,)` float64: the number that is predicted for each row."""
    return np.array([each.value for each in model.predict(table)], np.float64)


def rmse(errors: np.ndarray) -> float:
    """The root of the mean square of `(N,)` errors."""
    return float(np.sqrt(np.mean(np.square(errors))))


def r2(errors: np.ndarray, actual: np.ndarray) -> float:
    """The fraction of the variance of `(N,)` true numbers that is explained: 1 at best, 0 for their mean."""
    return float(1 - np.square(errors).sum() / np.square(actual - actual.mean()).sum())


def block_draws(errors: np.ndarray, blocks: np.ndarray, seed: int) -> np.ndarray:
    """Means of `(N,)` errors over rows drawn anew, `(2000,)`.

    Whole blocks are drawn, with replacement, for rows of one day, store or person are alike.
    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", section 8.

    Args:
        errors: One for each row.
        blocks: `(N,)` integers or labels: rows with equal ones are drawn together.
        seed: Random seed of the draw.
    """
    _, places = np.unique(blocks, return_inverse=True)
    sums, counts = np.bincount(places, errors), np.bincount(places)
    weights = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=_DRAWS)
    return (weights @ sums) / (weights @ counts)
