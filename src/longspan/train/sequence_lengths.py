"""Lengths of rows: which of them belong in one batch, and texts that are longer than their recording can hold."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from longspan.columns import Column
from longspan.data import Samples, Task
from longspan.data.batches.order import POOL_BATCHES
from longspan.errors import Fault
from longspan.heads import Head
from longspan.models import Backbone

__all__ = ["find_too_long", "row_lengths"]


def find_too_long(
    task: Task, backbone: torch.nn.Module, inputs: Mapping[str, Column], heads: Mapping[str, Head]
) -> dict[int, Fault]:
    """The training and validation rows whose target takes more steps than the network makes of their input.

    Empty where the network does not say how many steps it makes, as a module of the user's, and for inputs that are
    read anew in every epoch.
    """
    if len(inputs) != 1 or not isinstance(backbone, Backbone):
        return {}
    (name, column), samples = next(iter(inputs.items())), task.samples
    rows = torch.cat([task.train, task.valid])
    lengths = samples.inputs[name].lengths(rows) if column.ragged and len(rows) else None
    steps = None if lengths is None else backbone.step_counts(column.frame_counts(lengths))
    if steps is None:
        return {}
    found: dict[int, Fault] = {}
    for target, head in heads.items():
        store = samples.targets[target]
        known = store.present(rows)
        for place in known.nonzero()[:, 0].split(1024):
            needed = head.steps_needed(store.read(rows[place]))
            if needed is None:
                break
            for at in place[needed > steps[place]].tolist():
                row = int(rows[at])
                text = str(task.table.value(row, target))
                shown = repr(text if len(text) <= 60 else text[:60] + "...")
                took = int(needed[(place == at).nonzero()[0, 0]])
                found[row] = Fault(
                    task.table.where(row, name),
                    f"{shown} takes {took} steps (one for each character, and one more between two equal neighbours), "
                    f"but the network makes {int(steps[at])} of this recording",
                    "Check text and recording, or take a network with a smaller stride.",
                )
    return dict(sorted(found.items()))


def row_lengths(samples: Samples, rows: torch.Tensor, heads: Mapping[str, Head]) -> tuple[torch.Tensor | None, int]:
    """`(N,)` int64 by which rows of like length find each other, and among how many batches they are sought.

    None where no input is ragged. Where a head has lengths of targets the order is that of pairs: by inputs, then by
    targets. Rows that are alike in both are rarer, so they are sought among more.
    """
    order, pool = samples.lengths(rows), POOL_BATCHES
    for name, head in heads.items() if order is not None and len(rows) else ():
        store = samples.targets[name]
        counts = head.target_lengths(store.read(rows)) if store.in_memory else None
        if counts is not None:
            assert order is not None
            order, pool = order * (int(counts.max()) + 1) + counts, 8 * POOL_BATCHES
    return order, pool
