"""A network run over rows: what it answers, how much it loses on each, and the figures for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch

from longspan.columns import Column
from longspan.heads import Head
from longspan.inference.network import Network
from longspan.inference.source import Source
from longspan.vision import AugmentParams

__all__ = ["Scores", "Views", "activate_rows", "join_target", "measure", "score_rows"]

Views = Callable[[torch.Tensor], Sequence[AugmentParams | None]]
"""The draws of every view of some rows."""


@final
@dataclass(frozen=True, slots=True)
class Scores:
    """Results on N rows, on the CPU and in row order."""

    rows: torch.Tensor
    """`(N,)` row numbers."""
    activated: dict[str, torch.Tensor]
    """By target `(N, ...)`: probabilities, quantities; of dense targets what `Head.compact` keeps."""
    targets: dict[str, torch.Tensor]
    """By target `(N, ...)`: the truth, zeros where missing."""
    present: dict[str, torch.Tensor]
    """By target `(N,)` bool: where there is a truth."""
    losses: dict[str, torch.Tensor]
    """By target `(N,)`: loss of each row, 0 where the truth is missing."""

    def figures(self, heads: Mapping[str, Head]) -> dict[str, float]:
        """Loss (summed over targets) and every metric over the rows that have a truth.

        A metric is called by its name for one target ("accuracy"), with the target before it for several
        ("breed.accuracy"). A target without any truth among the rows gives no figure; without any at all there is no
        loss either.
        """
        known = [name for name in heads if bool(self.present[name].any())]
        losses = [float(self.losses[name].sum() / self.present[name].sum()) for name in known]
        figures = measure(heads, self.activated, self.targets, self.present)
        return {"loss": sum(losses), **figures} if known else figures

    def with_activated(self, activated: Mapping[str, torch.Tensor], heads: Mapping[str, Head]) -> dict[str, float]:
        """The metrics of other answers to the same rows."""
        return measure(heads, activated, self.targets, self.present)


def measure(
    heads: Mapping[str, Head],
    activated: Mapping[str, torch.Tensor],
    targets: Mapping[str, torch.Tensor],
    present: Mapping[str, torch.Tensor],
) -> dict[str, float]:
    """Every metric of every target over the rows that have a truth."""
    figures = {}
    for name, head in heads.items():
        there = present[name]
        if bool(there.any()):
            for metric, figure in head.measure(activated[name][there], targets[name][there]).items():
                figures[join_target(name, metric, len(heads))] = figure
    return figures


def join_target(target: str, metric: str, num_targets: int) -> str:
    """The name of a metric in histories and results."""
    return metric if num_targets == 1 else f"{target}.{metric}"


@torch.no_grad()
def activate_rows(
    source: Source,
    network: Network,
    rows: torch.Tensor,
    heads: Mapping[str, Head],
    batch_size: int,
    views: Views,
    *,
    compact: bool = True,
) -> dict[str, torch.Tensor]:
    """Activated outputs of `rows` by target, `(N, ...)` on the CPU: the mean over the views of each row.

    Args:
        source: Encoded inputs, and what runs over them.
        network: In evaluation mode.
        rows: `(N,)` row numbers.
        heads: By target.
        batch_size: Rows at a time.
        views: The draws of every view of a batch's rows; None stands for the row as it is.
        compact: Keep what `Head.compact` keeps; else all that was activated, to be averaged with other models' answers.
    """
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in heads}
    for batch in source.samples.batches(rows, batch_size):
        drawn = views(batch.rows)
        sums: dict[str, torch.Tensor] = {}
        for augment_params in drawn:
            viewed = replace(batch, augment_params=augment_params).to(source.device)
            outputs = source.forward(network, source.prepare(viewed))
            for name, head in heads.items():
                activated = head.activate(outputs[name])
                if viewed.augment_params is not None:
                    activated = head.undo(activated, viewed.augment_params)
                sums[name] = sums[name] + activated if name in sums else activated
        for name in heads:
            mean = sums[name] / len(drawn)
            parts[name].append((heads[name].compact(mean) if compact else mean).cpu())
    return {name: torch.cat(part) for name, part in parts.items()}


@torch.no_grad()
def score_rows(
    source: Source,
    network: Network,
    rows: torch.Tensor,
    heads: Mapping[str, Head],
    columns: Mapping[str, Column],
    batch_size: int,
) -> Scores:
    """Answers, truths and losses of `rows`.

    Args:
        source: Encoded inputs and targets, and what runs over them.
        network: In evaluation mode.
        rows: `(N,)` row numbers.
        heads: By target.
        columns: Target columns, which prepare the truth for the loss.
        batch_size: Rows at a time.
    """
    parts: dict[str, dict[str, list[torch.Tensor]]] = {
        kind: {name: [] for name in heads} for kind in ("activated", "targets", "present", "losses")
    }
    for batch in source.samples.batches(rows, batch_size):
        moved = batch.to(source.device)
        outputs = source.forward(network, source.prepare(moved))
        for name, head in heads.items():
            truth = columns[name].prepare(moved.targets[name])
            losses = torch.where(moved.present[name], head.loss(outputs[name], truth), 0.0)
            parts["activated"][name].append(head.compact(head.activate(outputs[name])).cpu())
            parts["targets"][name].append(truth.cpu())
            parts["present"][name].append(batch.present[name])
            parts["losses"][name].append(losses.cpu())
    joined = {kind: {name: torch.cat(tensors) for name, tensors in by.items()} for kind, by in parts.items()}
    return Scores(rows, **joined)
