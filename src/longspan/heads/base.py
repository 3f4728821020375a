"""What a target means to a network: its last layers, loss, decoding and metrics."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

from longspan.columns import column_from_json
from longspan.errors import ConfigError
from longspan.metrics.metric import Metric

if TYPE_CHECKING:
    import torch
    from torch import nn

    from longspan.columns import Column
    from longspan.models import FeatureShapes
    from longspan.vision import AugmentParams

__all__ = ["FeatureKind", "Head", "Metric", "TargetPrediction"]

FeatureKind = Literal["vector", "sequence", "maps"]
"""Features of a row as a head reads them: one vector `(B, num_features)`; one for each of T steps across the image or
along the recording, `(B, T, num_features)`; or `FeatureMaps`, several maps of the image from fine to coarse."""


@final
@dataclass(frozen=True, slots=True)
class TargetPrediction:
    """What a head says about one row, in the words of its column."""

    value: Any
    """The decoded value: a label, a list of labels, a number, a text."""
    probability: float | None = None
    """How sure the network is, where its kind of target has such a number."""
    probabilities: dict[Any, float] | None = None
    """For every class."""


class Head(ABC):
    """Subclasses are frozen dataclasses with a `column` field: None until the learner hands the fitted one over.

    Outputs are what `layers` give (logits); `activate` turns them into what a person may average and read
    (probabilities, quantities in their unit). Losses come per row, so that a missing value adds nothing, MixUp can mix
    them and the worst mistakes can be found.
    """

    kind: ClassVar[str]
    """Name in files and messages."""
    column_kinds: ClassVar[tuple[str, ...]]
    """Kinds of column it serves."""
    reads: ClassVar[FeatureKind]
    """What its layers make outputs from."""
    averages: ClassVar[bool] = True
    """Whether the mean of several activated outputs, of views or of models, is one."""
    metrics: ClassVar[tuple[Metric, ...]]
    """The figures it reports, the most important first."""
    column: Column | None

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Width of the last layer."""

    @abstractmethod
    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """New layers from features to outputs: a tensor of B rows, or an object that `loss` and `activate` understand.

        They read what `reads` says: `(B, num_features)`, `(B, T, num_features)`, or `FeatureMaps`.
        """

    @abstractmethod
    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Why `outputs` for `rows` rows cannot serve, in words that follow their shape; None when they can."""

    @abstractmethod
    def loss(self, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each row, `(B,)` float32; finite, with finite gradients, also where the target is missing (zeros)."""

    @abstractmethod
    def activate(self, outputs: Any) -> torch.Tensor:
        """Outputs as averageable quantities, `(B, ...)` float32."""

    def undo(self, activated: torch.Tensor, augment_params: AugmentParams) -> torch.Tensor:
        """What was activated for images after their draws, as it lies in the images before them.

        Heads that say nothing about places give it back as it is.
        """
        del augment_params
        return activated

    def compact(self, activated: torch.Tensor) -> torch.Tensor:
        """What is kept of each row to be measured and decoded, `(B, ...)`; less where `activated` is large."""
        return activated

    @abstractmethod
    def decode(self, activated: torch.Tensor) -> list[TargetPrediction]:
        """One answer per row of what `compact` kept; places are in pixels of the image that the network saw."""

    @abstractmethod
    def measure(self, activated: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """The metrics over all rows of what `compact` kept; every name in `metrics` that these rows allow."""

    def with_column(self, column: Column) -> Self:
        """This head for a fitted column."""
        return dataclasses.replace(self, column=column)  # type: ignore[type-var]

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this head again."""
        assert self.column is not None
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {**fields, "kind": self.kind, "column": self.column.to_json()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The head that `to_json` described."""
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k not in ("kind", "column")}
        return cls(**known).with_column(column_from_json(fields["column"]))


def shape_of(outputs: object) -> tuple[int, ...]:
    """The shape of a tensor; empty for anything else."""
    return tuple(getattr(outputs, "shape", ()))


def vector_fault(outputs: object, rows: int, num_outputs: int) -> str | None:
    """`Head.outputs_fault` of the heads that read one vector."""
    if shape_of(outputs) == (rows, num_outputs):
        return None
    return (
        f"whose head needs {(rows, num_outputs)}. End it with nn.Linear(..., {num_outputs}), or give it an attribute "
        "num_features and leave the last layer to longspan."
    )


def check_layers(owner: str, hidden: Sequence[int], dropout: float) -> None:
    """Refuse widths and a dropout that `perceptron` cannot build with ConfigError."""
    if not isinstance(hidden, tuple | list) or any(not isinstance(units, int) or units < 1 for units in hidden):
        raise ConfigError(f"{owner}.hidden must be widths of layers of at least 1, such as (128,), got {hidden!r}.")
    if not 0 <= dropout < 1:
        raise ConfigError(f"{owner}.dropout must be at least 0 and below 1, got {dropout!r}.")


def perceptron(num_features: int, hidden: Sequence[int], dropout: float, num_outputs: int) -> nn.Module:
    """Layers from features to outputs: dropout and one linear layer where `hidden` is empty.

    With hidden layers each linear layer stands behind batch normalisation and dropout, the hidden ones with half of it,
    and before a ReLU: the head that fastai puts on pretrained networks (`create_head`).
    """
    from torch import nn

    layers: list[nn.Module] = []
    width = num_features
    for units in hidden:
        layers += [nn.BatchNorm1d(width), nn.Dropout(dropout / 2), nn.Linear(width, units, bias=False), nn.ReLU()]
        width = units
    if hidden:
        layers.append(nn.BatchNorm1d(width))
    if dropout:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(width, num_outputs))
    return nn.Sequential(*layers)
