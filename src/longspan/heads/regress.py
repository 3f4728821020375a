"""Head for quantities."""

from __future__ import annotations

import math
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
from longspan.portable.decoders import Quantity

__all__ = ["Regress"]

_CRITERIA = ("squared", "absolute", "huber", "quantile", "poisson")


@final
@dataclass(frozen=True, kw_only=True)
class Regress(Head):
    """A quantity or a count: loss on the standardised scale of the training rows, metrics in the column's unit.

    Outputs are `(B, 1)` in units of the training rows' standard deviation, so that losses of several targets can be
    summed; targets are `(B,)` float32 in the column's unit. With `scale="log"` that unit is one of sign(x) log(1 +
    `|x|`), for targets with a long tail: errors then count in proportion. With `criterion="poisson"` the output is the
    logarithm of a rate, in units of the training rows' mean.

    Example:
        >>> price = Regress(scale="log", column=Number(mean=100.0, std=50.0))
        >>> [round(value, 4) for value in price.postprocess(torch.tensor([[0.0], [1.0]])).tolist()]
        [100.0, 150.0]
    """

    kind: ClassVar[str] = "regress"
    column_kinds: ClassVar[tuple[str, ...]] = ("number",)
    reads: ClassVar[FeatureKind] = "vector"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mae", "lower"),
        Metric("rmse", "lower"),
        Metric("r2", "higher"),
        Metric("poisson_deviance", "lower"),
        Metric("pinball", "lower"),
    )

    criterion: Literal["squared", "absolute", "huber", "quantile", "poisson"] = "squared"
    """The loss: squared error; absolute error; Huber's with its bend at one standard deviation; the pinball loss of a
    quantile; or half the Poisson deviance, for counts (none of them negative: that would not be a finite loss)."""
    quantile: float = 0.5
    """The fraction of targets below the prediction, where `criterion` is "quantile"."""
    scale: Literal["linear", "log"] = "linear"
    """Whether the loss is of the number or of its logarithm; "poisson" has its own."""
    hidden: tuple[int, ...] = ()
    """Widths of layers between features and output."""
    dropout: float = 0.0
    """Probability that a feature is dropped, before each linear layer."""
    column: Column | None = None
    """The fitted number; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the choices."""
        if self.criterion not in _CRITERIA:
            known = ", ".join(map(repr, _CRITERIA[:-1])) + f" or {_CRITERIA[-1]!r}"
            raise ConfigError(f"Regress.criterion must be {known}, got {self.criterion!r}.")
        if not 0 < self.quantile < 1:
            raise ConfigError(f"Regress.quantile must be above 0 and below 1, got {self.quantile!r}.")
        if self.scale not in ("linear", "log") or (self.scale == "log" and self.criterion == "poisson"):
            raise ConfigError(f"Regress.scale must be 'linear' or, without 'poisson', 'log', got {self.scale!r}.")
        check_layers("Regress", self.hidden, self.dropout)

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    def _scale(self) -> tuple[float, float]:
        assert isinstance(self.column, Number)
        assert self.column.mean is not None
        assert self.column.std is not None
        mean, std = self.column.mean, self.column.std
        if self.scale == "log":
            return math.copysign(math.log1p(abs(mean)), mean), math.log1p(std / (1 + abs(mean)))
        return mean, std

    def _mean_count(self) -> float:
        assert isinstance(self.column, Number)
        mean = self.column.mean or 0.0
        return mean if mean > 0 else 1.0

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """Linear layers to one number."""
        return perceptron(shapes, self.hidden, self.dropout, 1)

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, 1)`."""
        return vector_fault(outputs, rows, self.num_outputs)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each row on the standardised scale."""
        mean, std = self._scale()
        predicted = outputs.float().squeeze(1)
        if self.criterion == "poisson":
            expected = self._mean_count()
            counts = targets / expected
            return torch.xlogy(counts, counts) - counts * predicted + predicted.exp() - counts
        if self.scale == "log":
            targets = targets.sign() * targets.abs().log1p()
        standardised = (targets - mean) / std
        if self.criterion == "quantile":
            short = standardised - predicted
            return torch.maximum(self.quantile * short, (self.quantile - 1) * short)
        if self.criterion == "absolute":
            return F.l1_loss(predicted, standardised, reduction="none")
        if self.criterion == "huber":
            return F.huber_loss(predicted, standardised, reduction="none")
        return F.mse_loss(predicted, standardised, reduction="none")

    def postprocess(self, outputs: torch.Tensor) -> torch.Tensor:
        """Quantities `(B,)` in the column's unit."""
        mean, std = self._scale()
        if self.criterion == "poisson":
            return outputs.float().squeeze(1).exp() * self._mean_count()
        values = outputs.float().squeeze(1) * std + mean
        return values.sign() * values.abs().expm1() if self.scale == "log" else values

    def merge(self, outputs: torch.Tensor) -> torch.Tensor:
        """The mean of an ensemble's members; of rates, the logarithm of their mean.

        With `scale="log"` the mean is that of logarithms, whose squared error is the loss.
        """
        if self.criterion == "poisson":
            return outputs.float().logsumexp(1) - math.log(outputs.shape[1])
        return outputs.mean(1)

    @property
    def value_decoder(self) -> Quantity:
        """The quantity as it is."""
        return Quantity()

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """The quantity."""
        return self.value_decoder.decode(predictions.numpy(force=True), ())

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Mean absolute and root mean squared error in the unit; with two rows or more the fraction explained."""
        from sklearn import metrics

        true, predicted = targets.double().numpy(), predictions.double().numpy()
        figures = {
            "mae": metrics.mean_absolute_error(true, predicted),
            "rmse": metrics.root_mean_squared_error(true, predicted),
        }
        if self.criterion == "poisson" and (predicted > 0).all():
            figures["poisson_deviance"] = metrics.mean_poisson_deviance(true, predicted)
        if self.criterion == "quantile":
            figures["pinball"] = metrics.mean_pinball_loss(true, predicted, alpha=self.quantile)
        if len(true) >= 2:
            figures["r2"] = metrics.r2_score(true, predicted)
        # Significant digits, not decimals: the unit may make every figure small.
        return {name: float(f"{float(figure):.6g}") for name, figure in figures.items()}
