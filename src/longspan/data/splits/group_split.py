"""Splits by group: all rows of a person, a machine or a place go to one part."""

from __future__ import annotations

import numpy as np

from longspan.data.splits.column_values import class_ids
from longspan.data.splits.split_sizes import counts_of
from longspan.errors import SplitError
from longspan.lazy_torch import torch
from longspan.randomness import uniform

__all__ = ["split_by_group"]


def split_by_group(
    values: list[object], name: str, valid: float, test: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole groups, walked through in drawn order: one joins a part if that brings the part nearer to its fraction."""
    ids, groups = class_ids(values)
    num_valid, num_test = counts_of(len(values), valid, test)
    needed = 1 + (num_valid > 0) + (num_test > 0)
    if len(groups) < max(2, needed):
        raise SplitError(
            f"Column {name!r} has {len(groups)} {'group' if len(groups) == 1 else 'groups'} "
            f"({', '.join(map(repr, groups[:3]))}); a split into {needed} parts needs at least {max(2, needed)}."
        )
    sizes = np.bincount(ids)
    draws = uniform(seed, "split-group", 0, torch.arange(len(groups)), 1)[:, 0].numpy()
    waiting = np.argsort(draws, kind="stable").tolist()
    part_of = np.zeros(len(groups), dtype=np.int8)
    for part, target, later in ((2, num_test, 1 + (num_valid > 0)), (1, num_valid, 1)):
        if not target:
            continue
        size, taken = 0, []
        for group in waiting:
            if len(waiting) - len(taken) > later and abs(size + sizes[group] - target) < abs(size - target):
                taken.append(group)
                size += int(sizes[group])
        taken = taken or [min(waiting, key=lambda group: sizes[group])]
        part_of[taken] = part
        waiting = [group for group in waiting if group not in set(taken)]
    parts = part_of[ids]
    return np.flatnonzero(parts == 0), np.flatnonzero(parts == 1), np.flatnonzero(parts == 2)
