"""A network run over rows: its predictions, the loss of each row, and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch

from longspan.columns import Column
from longspan.columns.augmentation import DrawnParams
from longspan.heads import Head
from longspan.heads.members import measured_losses, predictions_of
from longspan.inference.network import Network
from longspan.inference.source import Source, prepare_targets
from longspan.metrics.per_class import ClassMetrics, class_metrics

__all__ = ["Scores", "Views", "join_target", "measure", "predict_rows", "score_rows"]

Views = Callable[[torch.Tensor], Sequence[Mapping[str, DrawnParams]]]
"""For some rows, the augmentation of every view by input; an empty mapping stands for the rows as they are."""


@final
@dataclass(frozen=True, slots=True)
class Scores:
    """Results on N rows, on the CPU and in row order."""

    rows: torch.Tensor
    """`(N,)` row numbers."""
    predictions: dict[str, torch.Tensor]
    """By target `(N, ...)`: probabilities, quantities; reduced by `Head.reduce`."""
    targets: dict[str, torch.Tensor]
    """By target `(N, ...)`: zeros where missing."""
    present: dict[str, torch.Tensor]
    """By target `(N,)` bool: where the target is known."""
    losses: dict[str, torch.Tensor]
    """By target `(N,)`: loss of each row, 0 where the target is missing."""

    def metrics(self, heads: Mapping[str, Head]) -> dict[str, float]:
        """Loss (summed over targets) and every metric over the rows whose target is known.

        A metric has its own name for one target ("accuracy"), with the target before it for several ("breed.accuracy").
        A target that no row has gives no metric; without any target there is no loss either, nor where no head has one
        (see `Head.has_loss`).
        """
        losses = []
        for name, head in heads.items():
            counts, meant = self.present[name], head.has_loss(self.targets[name])
            counts = counts if meant is None else counts & meant
            if bool(counts.any()):
                kept = self.losses[name] if meant is None else self.losses[name][counts]  # zeros where none is known
                losses.append(float(kept.sum() / counts.sum()))
        metrics = measure(heads, self.predictions, self.targets, self.present)
        return {"loss": sum(losses), **metrics} if losses else metrics

    def per_class(self, heads: Mapping[str, Head]) -> dict[str, list[ClassMetrics]]:
        """By target the metrics of each class, over the rows whose target is known; only of targets with classes."""
        found = {}
        for name, head in heads.items():
            known = self.present[name]
            classes = head.class_targets(self.targets[name][known])
            if classes is not None and len(classes):
                predictions = self.predictions[name][known]
                said, labels = head.class_predictions(predictions), getattr(head.column, "vocab", ())
                found[name] = class_metrics(classes, head.class_scores(predictions), said, labels)
        return found

    def metrics_of(self, predictions: Mapping[str, torch.Tensor], heads: Mapping[str, Head]) -> dict[str, float]:
        """The metrics of other predictions for the same rows."""
        return measure(heads, predictions, self.targets, self.present)


def measure(
    heads: Mapping[str, Head],
    predictions: Mapping[str, torch.Tensor],
    targets: Mapping[str, torch.Tensor],
    present: Mapping[str, torch.Tensor],
) -> dict[str, float]:
    """Every metric of every target over the rows whose target is known."""
    metrics = {}
    for name, head in heads.items():
        known = present[name]
        if bool(known.any()):
            for metric, value in head.measure(predictions[name][known], targets[name][known]).items():
                metrics[join_target(name, metric, len(heads))] = value
    return metrics


def join_target(target: str, metric: str, num_targets: int) -> str:
    """The name of a metric in histories and results."""
    return metric if num_targets == 1 else f"{target}.{metric}"


@torch.no_grad()
def predict_rows(
    source: Source,
    network: Network,
    rows: torch.Tensor,
    heads: Mapping[str, Head],
    batch_size: int,
    views: Views,
    *,
    reduce: bool = True,
) -> dict[str, torch.Tensor]:
    """Predictions for `rows` by target, `(N, ...)` on the CPU: the mean over the views of each row.

    Args:
        source: Encoded inputs, and the layers that read them.
        network: In evaluation mode.
        rows: `(N,)` row numbers.
        heads: By target.
        batch_size: Rows at a time.
        views: The augmentation of every view of a batch's rows; see `Views`.
        reduce: Keep what `Head.reduce` keeps; otherwise everything, to be averaged with other models' predictions.
    """
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in heads}
    rows, places = source.samples.by_length(rows)
    for batch in source.samples.batches(rows, batch_size):
        drawn = views(batch.rows)
        sums: dict[str, torch.Tensor] = {}
        for augment_params in drawn:
            viewed = replace(batch, augment_params=augment_params).to(source.device)
            outputs = source.forward(network, source.prepare(viewed))
            for name, head in heads.items():
                predictions = predictions_of(head, outputs[name])
                if viewed.augment_params:  # all inputs of a row are viewed alike
                    params: Any = next(iter(viewed.augment_params.values()))
                    predictions = head.invert_augmentation(predictions, params)
                sums[name] = sums[name] + predictions if name in sums else predictions
        for name in heads:
            mean = sums[name] / len(drawn)
            parts[name].append((heads[name].reduce(mean) if reduce else mean).cpu())
    return {name: _in_place(heads[name].join(part), places) for name, part in parts.items()}


@torch.no_grad()
def score_rows(
    source: Source,
    network: Network,
    rows: torch.Tensor,
    heads: Mapping[str, Head],
    columns: Mapping[str, Column],
    batch_size: int,
) -> Scores:
    """Predictions, targets and losses of `rows`.

    Args:
        source: Encoded inputs and targets, and the layers that read them.
        network: In evaluation mode.
        rows: `(N,)` row numbers.
        heads: By target.
        columns: Target columns, which prepare the targets for the loss.
        batch_size: Rows at a time.
    """
    parts: dict[str, dict[str, list[torch.Tensor]]] = {
        kind: {name: [] for name in heads} for kind in ("predictions", "targets", "present", "losses")
    }
    ordered, places = source.samples.by_length(rows)
    for batch in source.samples.batches(ordered, batch_size):
        moved = batch.to(source.device)
        targets = prepare_targets(moved, columns)
        outputs = source.forward(network, source.prepare(moved), targets)
        for name, head in heads.items():
            losses = torch.where(moved.present[name], measured_losses(head, outputs[name], targets[name]), 0.0)
            parts["predictions"][name].append(head.reduce(predictions_of(head, outputs[name])).cpu())
            parts["targets"][name].append(targets[name].cpu())
            parts["present"][name].append(batch.present[name])
            parts["losses"][name].append(losses.cpu())
    joined = {
        kind: {name: _in_place(torch.cat(each), places) for name, each in by.items()}
        for kind, by in parts.items()
        if kind != "predictions"
    }
    joined["predictions"] = {
        name: _in_place(heads[name].join(each), places) for name, each in parts["predictions"].items()
    }
    return Scores(rows, **joined)


def _in_place(values: torch.Tensor, places: torch.Tensor | None) -> torch.Tensor:
    """Values of rows that `Samples.by_length` ordered, in the order that was asked for."""
    return values if places is None else values[places]
