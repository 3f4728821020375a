"""Head for quantities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import nn
from torch.nn import functional as F

from longspan.columns import Number
from longspan.columns.base import Column
from longspan.errors import ConfigError
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction, check_layers, perceptron, vector_fault
from longspan.models import FeatureShapes

__all__ = ["Regress"]


@final
@dataclass(frozen=True, kw_only=True)
class Regress(Head):
    """A quantity: loss on the standardised scale of the training rows, figures in the column's unit.

    Outputs are `(B, 1)` in units of the training rows' standard deviation, so that losses of several targets can be
    summed; targets are `(B,)` float32 in the column's unit.
    """

    kind: ClassVar[str] = "regress"
    column_kinds: ClassVar[tuple[str, ...]] = ("number",)
    reads: ClassVar[FeatureKind] = "vector"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("mae", "lower"), Metric("rmse", "lower"), Metric("r2", "higher"))

    criterion: Literal["squared", "absolute", "huber"] = "squared"
    """The loss: squared error, absolute error, or Huber's with its bend at one standard deviation."""
    hidden: tuple[int, ...] = ()
    """Widths of layers between features and output."""
    dropout: float = 0.0
    """Probability that a feature is dropped, before each linear layer."""
    column: Column | None = None
    """The fitted number; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the choices."""
        if self.criterion not in ("squared", "absolute", "huber"):
            raise ConfigError(f"Regress.criterion must be 'squared', 'absolute' or 'huber', got {self.criterion!r}.")
        check_layers("Regress", self.hidden, self.dropout)

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    def _scale(self) -> tuple[float, float]:
        assert isinstance(self.column, Number)
        assert self.column.mean is not None
        assert self.column.std is not None
        return self.column.mean, self.column.std

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """Linear layers to one number."""
        return perceptron(shapes, self.hidden, self.dropout, 1)

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, 1)`."""
        return vector_fault(outputs, rows, self.num_outputs)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each row on the standardised scale."""
        mean, std = self._scale()
        standardised = (targets - mean) / std
        predicted = outputs.float().squeeze(1)
        if self.criterion == "absolute":
            return F.l1_loss(predicted, standardised, reduction="none")
        if self.criterion == "huber":
            return F.huber_loss(predicted, standardised, reduction="none")
        return F.mse_loss(predicted, standardised, reduction="none")

    def postprocess(self, outputs: torch.Tensor) -> torch.Tensor:
        """Quantities `(B,)` in the column's unit."""
        mean, std = self._scale()
        return outputs.float().squeeze(1) * std + mean

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """The quantity."""
        return [TargetPrediction(value) for value in predictions.tolist()]

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Mean absolute and root mean squared error in the unit; with two rows or more the fraction explained."""
        from sklearn import metrics

        truth, predicted = targets.double().numpy(), predictions.double().numpy()
        figures = {
            "mae": metrics.mean_absolute_error(truth, predicted),
            "rmse": metrics.root_mean_squared_error(truth, predicted),
        }
        if len(truth) >= 2:
            figures["r2"] = metrics.r2_score(truth, predicted)
        # Significant digits, not decimals: the unit may make every figure small.
        return {name: float(f"{float(figure):.6g}") for name, figure in figures.items()}
