"""Predictions for several samples as tensors, and their way to values in the terms of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch

from longspan.columns import Column
from longspan.data import Table
from longspan.heads import Head, TargetPrediction
from longspan.portable.prediction import Prediction
from longspan.vision import ResizeTransform

__all__ = ["Predictions"]


@final
@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of a network for N samples, and where each came from."""

    values: dict[str, torch.Tensor]
    """By target `(N, ...)`, reduced by `Head.reduce` unless they were asked for as a whole."""
    sources: Sequence[str | None]
    """The file of each sample, if it came from one."""
    transforms: Sequence[ResizeTransform | None]
    """How each image was resized for the network; None where no target is located in the image."""

    reduced: bool = True
    """Whether they are reduced."""

    def decode(self, heads: Mapping[str, Head], data: Any) -> Any:
        """As values of the target columns: a list, or one prediction where `data` was one sample."""
        decoded = {name: self._decoded(name, head) for name, head in heads.items()} if self.sources else {}
        located = {
            name: head.column for name, head in heads.items() if head.column is not None and head.column.context_kind
        }
        predictions = [
            Prediction(
                {
                    name: decoded[name][i]
                    if self._in_source(head)
                    else _in_source(located.get(name), decoded[name][i], self.transforms[i])
                    for name, head in heads.items()
                },
                source,
                located,
            )
            for i, source in enumerate(self.sources)
        ]
        return predictions if isinstance(data, Table | list | tuple) else predictions[0]

    def _in_source(self, head: Head) -> bool:
        return not self.reduced and head.decodes_in_source and all(each is not None for each in self.transforms)

    def _decoded(self, name: str, head: Head) -> list[TargetPrediction]:
        values = self.values[name]
        if self._in_source(head):
            transforms = [each for each in self.transforms if each is not None]
            return [TargetPrediction(value) for value in head.decode_in_source(values, transforms)]
        return head.decode(values if self.reduced else head.reduce(values))


def _in_source(
    column: Column | None, prediction: TargetPrediction, transform: ResizeTransform | None
) -> TargetPrediction:
    """The prediction in pixels of the original image."""
    if transform is None or column is None:
        return prediction
    value = column.to_source(prediction.value, transform)
    return TargetPrediction(value, prediction.probability, prediction.probabilities)
