"""A head that predicts angles."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn

from longspan.columns import Column
from longspan.heads import HEADS, Head, Metric, TargetPrediction


@HEADS.register("regress_angle")
@final
@dataclass(frozen=True, kw_only=True)
class RegressAngle(Head):
    """A direction: squared distance of a predicted vector `(B, 2)` from the unit vector of the target."""

    kind: ClassVar[str] = "regress_angle"
    column_kinds: ClassVar[tuple[str, ...]] = ("angle",)
    reads: ClassVar[str] = "vector"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("degrees", "lower"),)

    column: Column | None = None

    @property
    def num_outputs(self):
        return 2

    def layers(self, shapes):
        return nn.Linear(shapes.num_features, 2)

    def outputs_fault(self, outputs, rows):
        return None if tuple(getattr(outputs, "shape", ())) == (rows, 2) else f"whose head needs {(rows, 2)}"

    def loss(self, outputs, targets):
        return (outputs.float() - targets).square().sum(1)

    def postprocess(self, outputs):
        return outputs.float()

    def decode(self, predictions):
        return [TargetPrediction(round(self.column.decode(vector), 2)) for vector in predictions]

    def measure(self, predictions, targets):
        difference = torch.atan2(predictions[:, 1], predictions[:, 0]) - torch.atan2(targets[:, 1], targets[:, 0])
        wrapped = torch.remainder(torch.rad2deg(difference) + 180, 360) - 180
        return {"degrees": float(wrapped.abs().mean())}
