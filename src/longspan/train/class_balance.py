"""How frequent the classes of a task are, and what balances them: weights in the loss, or of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from longspan.data import Task
from longspan.errors import ConfigError
from longspan.heads import Head

__all__ = ["balanced_weights", "class_numbers", "count_classes"]

_AT_A_TIME = 4096


def _class_parts(task: Task, name: str, head: Head, rows: torch.Tensor) -> Iterator[torch.Tensor]:
    """Which classes some of `rows` have at a time, `(B, K)` bool, none where the target is missing.

    Nothing comes for targets that are not classes of a whole row.
    """
    store = task.samples.targets[name]
    for part in rows.split(_AT_A_TIME):
        classes = head.class_targets(task.targets[name].prepare(store.read(part)))
        if classes is None:
            return
        yield classes & store.present(part)[:, None]


def count_classes(task: Task, heads: Mapping[str, Head]) -> dict[str, Head]:
    """The same heads, with weights that depend on the classes of the training rows computed."""
    counted = {}
    for name, head in heads.items():
        if head.counts_classes:
            numbers = class_numbers(task, {name: head})
            counts = numbers[numbers >= 0].bincount(minlength=len(getattr(head.column, "vocab", ())))
            head = head.with_class_counts(counts.float(), int(counts.sum()))
        elif "balanced" in (getattr(head, "class_weights", None), getattr(head, "positive_weights", None)):
            counts = [part.sum(dim=0) for part in _class_parts(task, name, head, task.train)]
            known = int(task.samples.targets[name].present(task.train).sum())
            head = head.with_class_counts(torch.stack(counts).sum(dim=0).float(), known) if counts else head
        counted[name] = head
    return counted


def class_numbers(task: Task, heads: Mapping[str, Head]) -> torch.Tensor:
    """`(N,)` int64: the class of each training row, -1 where the target is missing.

    Raises:
        ConfigError: not exactly one target that is one class of the whole row.
    """
    fitting = [name for name in heads if task.targets[name].kind == "category"]
    if len(fitting) != 1:
        found = ", ".join(f"{name} ({task.targets[name].kind})" for name in heads)
        raise ConfigError(f'sampling="by_class" needs exactly one target that is a category; there is {found}.')
    store, column = task.samples.targets[fitting[0]], task.targets[fitting[0]]
    parts = [
        torch.where(store.present(part), column.prepare(store.read(part)).long(), -1)
        for part in task.train.split(_AT_A_TIME)
    ]
    return torch.cat(parts)


def balanced_weights(task: Task, heads: Mapping[str, Head]) -> torch.Tensor:
    """`(N,)` float64 with mean 1: how often each training row comes, so that every class comes equally often.

    A row's weight is the mean, over its classes, of one over the training rows of the class. Rows without any label are
    a class of their own; rows whose target is missing have weight 1. Several targets: the mean of their weights.

    Raises:
        ConfigError: no target has classes of a whole row.
    """
    found = []
    for name, head in heads.items():
        present = task.samples.targets[name].present(task.train)
        counts = None
        for part, known in zip(_class_parts(task, name, head, task.train), present.split(_AT_A_TIME), strict=False):
            each = _with_none(part, known).sum(dim=0)
            counts = each if counts is None else counts + each
        if counts is None:
            continue
        weights = torch.cat(
            [
                (_with_none(part, known) / counts.clamp_min(1).double()).sum(dim=1)
                / _with_none(part, known).sum(dim=1).clamp_min(1)
                for part, known in zip(
                    _class_parts(task, name, head, task.train), present.split(_AT_A_TIME), strict=True
                )
            ]
        )
        weights[~present] = weights[present].mean() if present.any() else 1.0
        found.append(weights / weights.mean())
    if not found:
        raise ConfigError(
            'sampling="balanced" needs a target that is a class, or several labels, of the whole row; there is none '
            f"among {', '.join(heads)}."
        )
    return torch.stack(found).mean(dim=0)


def _with_none(classes: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """One more class, of the rows whose target is known and has no label."""
    return torch.cat([classes, (~classes.any(dim=1) & present)[:, None]], dim=1)
