"""Validation over several processes: each scores some batches, and all of them have the scores of all rows."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from longspan.columns import Column
from longspan.data.batches.order import split_evenly
from longspan.heads import Head
from longspan.inference.network import Network
from longspan.inference.scores import Scores, score_rows
from longspan.inference.source import Source
from longspan.train.distributed.processes import Processes

__all__ = ["score_together"]

_PARTS = ("predictions", "targets", "present", "losses")


def score_together(
    processes: Processes, source: Source, network: Network, rows: torch.Tensor, heads: Mapping[str, Head],
    columns: Mapping[str, Column], batch_size: int,
) -> Scores:  # fmt: skip
    """As `score_rows`, with the same bits: the batches are those of one process, each computed in one of several.

    Args:
        processes: Every one of them calls this.
        source: See `score_rows`.
        network: In evaluation mode, the same in every process.
        rows: `(N,)` row numbers, all of them in every process.
        heads: By target.
        columns: Target columns.
        batch_size: Rows at a time.
    """
    if processes.count == 1:
        return score_rows(source, network, rows, heads, columns, batch_size)
    batches = split_evenly(rows, batch_size)
    found: dict[str, torch.Tensor] = {}
    for number in range(processes.rank, len(batches), processes.count):
        scores = score_rows(source, network, batches[number], heads, columns, len(batches[number]))
        for kind in _PARTS:
            found |= {f"{number} {kind} {name}": each for name, each in getattr(scores, kind).items()}
    whole = {name: each for _, tensors in processes.gather(None, found) for name, each in tensors.items()}

    def joined(kind: str) -> dict[str, torch.Tensor]:
        parts = {name: [whole[f"{number} {kind} {name}"] for number in range(len(batches))] for name in heads}
        return {
            name: heads[name].join(each) if kind == "predictions" else torch.cat(each) for name, each in parts.items()
        }

    return Scores(rows, **{kind: joined(kind) for kind in _PARTS})
