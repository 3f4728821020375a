"""Do the strongest rows of a channel mean the same: how often two of them are of one class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from longspan.data import Table
from longspan.errors import unknown_name
from longspan.inference.predictor import Predictor
from longspan.study.statistics.t_distribution import mean_interval

__all__ = ["Purity", "classes_of", "purity_of", "same_class"]


@final
@dataclass(frozen=True, slots=True)
class Purity:
    """How often two of the strongest patches, or phrases, of a channel are of one class."""

    trained: float
    interval: tuple[float, float]
    """95 %, over channels."""
    random: float
    """Of the same network with random weights."""
    random_interval: tuple[float, float]
    chance: float
    """Of patches drawn at random."""


def classes_of(predictor: Predictor, table: Table, rows: np.ndarray, target: str | None) -> list[Any] | None:
    """The classes of the rows; None where they are not known, or the target has none."""
    names = [name for name, head in predictor.heads.items() if head.kind == "classify"]
    if target is not None and target not in predictor.heads:
        raise unknown_name("target", target, list(predictor.heads))
    name = target if target is not None else names[0] if len(names) == 1 else None
    if name is None or name not in names or name not in table.columns:
        return None
    values = list(table.take(rows).column_values(name))
    return None if any(value is None for value in values) or len(set(values)) < 2 else values


def purity_of(trained: Tensor, random: Tensor, labels: Sequence[Any], patches: int) -> Purity:
    """Of activations `(N, K)` of N rows, trained and random, and the rows' classes."""
    counts = Counter(labels)
    total = len(labels)
    chance = sum(count * (count - 1) for count in counts.values()) / (total * (total - 1))
    (one, one_interval), (other, other_interval) = (
        _mean_interval(same_class(values, labels, patches)) for values in (trained, random)
    )
    return Purity(one, one_interval, other, other_interval, chance)


def same_class(values: Tensor, labels: Sequence[Any], patches: int) -> np.ndarray:
    """Of each channel the fraction of pairs among its strongest images that are of one class."""
    rows = torch.topk(values, patches, dim=0).indices.numpy()
    pairs = patches * (patches - 1)
    found = []
    for channel in range(values.shape[1]):
        counts = Counter(labels[row] for row in rows[:, channel])
        found.append(sum(count * (count - 1) for count in counts.values()) / pairs)
    return np.array(found)


def _mean_interval(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    mean, low, high = mean_interval(values)
    return mean, (max(0.0, low), min(1.0, high))
