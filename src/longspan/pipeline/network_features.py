"""The features that a network computes of its inputs, in place of its predictions, for the stages after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
import torch.nn.functional as F

from longspan.data import encode_rows
from longspan.errors import ConfigError, PipelineError, data_error
from longspan.inference import Predictor
from longspan.inference.network import Network
from longspan.inference.predictor import as_predictor
from longspan.inference.source import autocast
from longspan.models import Backbone
from longspan.pipeline.stage_tables import table_of
from longspan.train import Learner

if TYPE_CHECKING:
    from longspan.columns import Column

__all__ = ["FeaturesOf", "NetworkFeatures"]

_TOGETHER = 1024  # samples whose pixels are in memory as one array
_BATCH = 64


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturesOf:
    """The work of a stage: the features that the network of an earlier stage computes, without its heads.

    The stage reads what that one reads, in the same order, and adds one vector for each sample, which scikit-learn's
    estimators take. It learns nothing itself and stores nothing of its own.

    Example:
        >>> from longspan.pipeline import Stage
        >>> Stage("look", FeaturesOf(stage="read"), reads="cuts", adds="features", each="cuts")
        Stage(look: cuts -> features, each cuts; features of 'read')
    """

    stage: str
    """The stage with the network: one Learner or Predictor, trained before or by `fit`."""
    grid: int | None = None
    """None: the vector that the heads read. A number: the coarsest map of the backbone, averaged to a grid of so many
    places a side, one place after the other; it still knows what is where."""

    def __post_init__(self) -> None:
        """Check the grid."""
        if self.grid is not None and (not isinstance(self.grid, int) or self.grid < 1):
            raise ConfigError(f"FeaturesOf.grid must be a whole number of at least 1, or None, got {self.grid!r}.")


@final
class NetworkFeatures:
    """A trained network that gives its features."""

    def __init__(self, of: FeaturesOf, model: Any) -> None:
        """Put both together.

        Raises:
            PipelineError: the stage's model is not one network, or has no features of that kind.
        """
        if not isinstance(model, Learner | Predictor):
            raise PipelineError(
                f"Stage {of.stage!r} holds a {type(model).__name__}; only a single network has features."
            )
        self.grid = of.grid
        self.predictor = as_predictor(model)
        backbone = self.predictor.network.backbone
        if self.predictor.network.whole:
            raise PipelineError(
                f"The network of stage {of.stage!r}, {type(backbone).__name__}, is one whole: it gives predictions, "
                "not features. A module of yours says with an int attribute num_features that it gives some."
            )
        if of.grid is not None and not (isinstance(backbone, Backbone) and backbone.strides):
            raise PipelineError(
                f"The network of stage {of.stage!r} has no feature maps to make a grid of; leave grid= out."
            )

    def __repr__(self) -> str:
        return f"NetworkFeatures({self.predictor!r})"

    @property
    def inputs(self) -> dict[str, Column]:
        """What the network reads, by its own names, in its order."""
        return self.predictor.inputs

    def predict(self, samples: Sequence[tuple[Any, ...]], stage: str) -> list[np.ndarray]:
        """A float32 array for each sample, from the values that its stage reads.

        Raises:
            DataError: values that the network's columns cannot read.
        """
        found: list[np.ndarray] = []
        for first in range(0, len(samples), _TOGETHER):
            found += list(self._features(samples[first : first + _TOGETHER], stage))
        return found

    @torch.no_grad()
    def _features(self, samples: Sequence[tuple[Any, ...]], stage: str) -> np.ndarray:
        predictor = self.predictor
        values = dict(zip(predictor.inputs, map(list, zip(*samples, strict=True)), strict=True))
        table = table_of(values, predictor.inputs, None, stage)
        encoded = encode_rows(table, np.arange(len(samples)), predictor.inputs, {})
        if encoded.faults():
            raise data_error("There are no features of inputs that cannot be used:", list(encoded.faults().values()))
        source = predictor.source(encoded)
        parts = []
        with autocast(source.device, source.dtype):
            for batch in source.samples.batches(torch.arange(len(samples)), _BATCH):
                parts.append(self._of(predictor.network, source.prepare(batch.to(source.device))).float().cpu())
        return torch.cat(parts).numpy()

    def _of(self, network: Network, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        backbone = network.backbone
        if self.grid is None:
            return backbone(*inputs)
        assert isinstance(backbone, Backbone)
        return F.adaptive_avg_pool2d(backbone.features(*inputs)[-1], self.grid).flatten(1)
