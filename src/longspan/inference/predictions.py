"""What a model said to several samples, on its way to the words and the pixels that a person knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from longspan.columns import Spatial
from longspan.data import Table
from longspan.heads import Head, TargetPrediction
from longspan.inference.prediction import Prediction
from longspan.vision import ResizeTransform

__all__ = ["Predictions", "image_in", "path_of"]


@final
@dataclass(frozen=True, slots=True)
class Predictions:
    """Activated outputs of N samples and where each came from."""

    activated: dict[str, torch.Tensor]
    """By target `(N, ...)`, as `Head.compact` keeps it unless it was asked for as a whole."""
    sources: Sequence[str | None]
    """The file of each sample, if it came from one."""
    transforms: Sequence[ResizeTransform | None]
    """How each image lies in what the network saw; None where no target lies in the image."""

    def predictions(self, heads: Mapping[str, Head], data: Any) -> Any:
        """In the words of the targets' columns: a list, or one prediction where `data` was one sample."""
        decoded = {name: head.decode(self.activated[name]) for name, head in heads.items()} if self.sources else {}
        located = {name: head.column for name, head in heads.items() if isinstance(head.column, Spatial)}
        predictions = [
            Prediction(
                {name: _in_source(located.get(name), decoded[name][i], self.transforms[i]) for name in heads},
                source,
                located,
            )
            for i, source in enumerate(self.sources)
        ]
        return predictions if isinstance(data, Table | list | tuple) else predictions[0]


def _in_source(column: Spatial | None, answer: TargetPrediction, transform: ResizeTransform | None) -> TargetPrediction:
    """The answer in pixels of the image as it was given."""
    if transform is None or column is None:
        return answer
    return TargetPrediction(column.to_source(answer.value, transform), answer.probability, answer.probabilities)


def image_in(value: Any, name: str) -> Any:
    """The image of a sample: it itself, or its value by name."""
    return value[name] if isinstance(value, dict) else value


def path_of(value: Any) -> str | None:
    """The file that a sample is, if it is one."""
    return str(value) if isinstance(value, str | Path) else None
