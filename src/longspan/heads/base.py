"""What a target means to a network: its last layers, loss, decoding and metrics."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from longspan.columns import Ragged, column_from_json
from longspan.errors import ConfigError
from longspan.metrics.metric import Metric
from longspan.portable.decoders import Decoder
from longspan.portable.target_prediction import TargetPrediction
from longspan.valid_values import check_probability

if TYPE_CHECKING:
    import torch
    from torch import nn

    from longspan.columns import Column
    from longspan.models import FeatureShapes
    from longspan.vision import AugmentParams, ResizeTransform

__all__ = ["FeatureKind", "Head", "Metric", "TargetPrediction"]

FeatureKind = Literal["vector", "sequence", "maps", "places", "any"]
"""Features of a row as a head reads them: one vector `(B, num_features)`; one for each of T steps across the image or
along the recording, `(B, T, num_features)`; `FeatureMaps`, several maps of the image from fine to coarse; the places of
the coarsest one as a sequence, `(B, S, channels)`; or "any", vector or sequence, as the backbone gives it."""


class Head(ABC):
    """Abstract. Subclasses are frozen dataclasses; their `column` is None until the learner fills in the fitted one.

    `layers` are part of the network: they turn features, and while learning targets, into outputs. All other methods
    are pure functions of outputs, predictions and targets. Outputs are a tensor of B rows (logits), or a named tuple
    of tensors; `postprocess` turns them into what can be averaged and read (probabilities, quantities in their unit).
    Losses come per row, so that a missing value adds nothing, MixUp can blend them and the worst errors can be found.
    """

    kind: ClassVar[str]
    """Name in files and messages."""
    column_kinds: ClassVar[tuple[str, ...]]
    """Kinds of column it predicts."""
    reads: ClassVar[FeatureKind]
    """The features its layers read."""
    sees_targets: ClassVar[bool] = False
    """Whether `forward` of its layers takes `targets=` too: the prepared targets `(B, ...)` in training and when losses
    are measured, None when there are none."""
    averages: ClassVar[bool] = True
    """Whether the mean of several predictions, of views or of models, is a prediction."""
    compares_rows: ClassVar[bool] = False
    """Whether a row's loss depends on the other rows of its batch; the loss then sees rows with a target alone."""
    counts_classes: ClassVar[bool] = False
    """Whether it needs `with_class_counts` of a category, though it predicts no classes."""
    predicts_values: ClassVar[bool] = True
    """Whether what it predicts is a value of its column; if not, it is something else, such as a vector."""
    extra: ClassVar[str | None] = None
    """The extra whose libraries its metrics need; see `longspan.extras`."""
    metrics: ClassVar[tuple[Metric, ...]]
    """The metrics it reports, the most important first."""
    column: Column | None

    @classmethod
    def is_default_for(cls, column: Column) -> bool:
        """Whether this head may be the default one of a column of its kinds; the first registered one is."""
        return column.kind in cls.column_kinds

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Width of the last layer."""

    @abstractmethod
    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """New layers from features to outputs: a tensor of B rows, or a named tuple of tensors.

        They read `(B, num_features)`, `(B, T, num_features)`, or `FeatureMaps`, as `reads` says.
        """

    @abstractmethod
    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Why `outputs` for `rows` rows do not fit, worded to follow their shape; None when they do."""

    @abstractmethod
    def loss(self, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each row, `(B,)` float32; finite, with finite gradients, also where the target is missing (zeros)."""

    def has_loss(self, targets: torch.Tensor) -> torch.Tensor | None:
        """For which rows a loss means something outside of training, `(B,)` bool; None: for every row with a target.

        Where it does for no validation row, there is no validation loss, and the last epoch's weights are kept.
        """
        del targets
        return None

    @abstractmethod
    def postprocess(self, outputs: Any) -> torch.Tensor:
        """Predictions from outputs, `(B, ...)`: probabilities, quantities, detections."""

    def merge(self, outputs: torch.Tensor) -> torch.Tensor:
        """Outputs of an ensemble as a whole, `(B, n)`, from those of its members, `(B, members, n)`.

        Their `postprocess` is the mean prediction. The default is the mean, for predictions that are linear in outputs.
        """
        return outputs.mean(1)

    def invert_augmentation(self, predictions: torch.Tensor, augment_params: AugmentParams) -> torch.Tensor:
        """Predictions for augmented images, mapped back to the images before augmentation.

        The default is for predictions without a position in the image, which stay as they are.
        """
        del augment_params
        return predictions

    def join(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The predictions of several batches as one tensor; where they differ in their length, padded."""
        import torch

        return torch.cat(tuple(parts))

    def reduce(self, predictions: torch.Tensor) -> torch.Tensor:
        """The part of the predictions that is kept to be measured and decoded, `(B, ...)`; by default all of it."""
        return predictions

    decodes_in_source: ClassVar[bool] = False
    """Whether `decode_in_source` gives more than `decode` and a resized value do."""

    def decode_in_source(self, predictions: torch.Tensor, transforms: Sequence[ResizeTransform]) -> list[Any]:
        """Values in pixels of the original images, from predictions that are not reduced; see `decodes_in_source`."""
        raise NotImplementedError(f"{type(self).__name__} decodes in the frame that the network sees.")

    @property
    def value_decoder(self) -> Decoder | None:
        """How predictions become values without PyTorch; None: a model with this head cannot be exported."""
        return None

    def exported(self, outputs: Any) -> torch.Tensor:
        """What an exported graph gives and `value_decoder` reads, `(B, ...)`; by default the predictions themselves."""
        predictions = self.postprocess(outputs)
        return predictions if self.decodes_in_source else self.reduce(predictions)

    def from_exported(self, values: torch.Tensor) -> torch.Tensor:
        """Reduced predictions, as `measure` takes them, from what `exported` gives."""
        return self.reduce(values) if self.decodes_in_source else values

    @abstractmethod
    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """One prediction per row of reduced predictions; positions are in pixels of the image that the network saw."""

    def steps_needed(self, targets: torch.Tensor) -> torch.Tensor | None:
        """Fewest steps of a sequence that each target takes, `(B,)`; None where any number will do."""
        del targets
        return None

    def target_lengths(self, targets: torch.Tensor) -> torch.Tensor | None:
        """Steps that learning each target takes, `(B,)`, where rows of like length belong in one batch; else None."""
        del targets
        return None

    def class_targets(self, targets: torch.Tensor) -> torch.Tensor | None:
        """Which of its K classes each row has, `(B, K)` bool; None for targets that are not classes of a whole row.

        With these, `class_scores` and `class_predictions`, classes can be weighted, balanced and measured one by one.
        """
        del targets
        return None

    def class_scores(self, predictions: torch.Tensor) -> torch.Tensor:
        """How probable each class is, `(B, K)`, where `class_targets` gives classes."""
        return predictions

    def class_predictions(self, predictions: torch.Tensor) -> torch.Tensor:
        """Which classes are predicted, `(B, K)` bool, where `class_targets` gives classes."""
        raise NotImplementedError(f"{type(self).__name__} has no classes of a whole row.")

    def with_class_counts(self, counts: torch.Tensor, rows: int) -> Self:
        """The same head once classes are counted, for weights that depend on how frequent they are.

        Args:
            counts: `(K,)` float: training rows of each class.
            rows: Training rows whose target is known.
        """
        del counts, rows
        return self

    @abstractmethod
    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """The metrics over all rows of reduced predictions: every name in `metrics` that these rows define."""

    def with_column(self, column: Column) -> Self:
        """The same head for a fitted column."""
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
    """The shape of a tensor, or of the values of a ragged batch; empty for anything else."""
    if isinstance(outputs, Ragged):
        outputs = outputs.values
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
    """ConfigError for widths or a dropout that `perceptron` cannot build."""
    if not isinstance(hidden, tuple | list) or any(not isinstance(units, int) or units < 1 for units in hidden):
        raise ConfigError(f"{owner}.hidden must be widths of layers of at least 1, such as (128,), got {hidden!r}.")
    check_probability(f"{owner}.dropout", dropout)


def perceptron(shapes: FeatureShapes, hidden: Sequence[int], dropout: float, num_outputs: int) -> nn.Module:
    """Layers from features to outputs: dropout and one linear layer where `hidden` is empty.

    With hidden layers, batch normalisation and dropout come before each linear layer (half the dropout before hidden
    ones) and a ReLU follows each hidden one: the head that fastai puts on pretrained networks (`create_head`). Of an
    ensemble, each member has a linear layer of its own.

    Raises:
        ConfigError: hidden layers on an ensemble.
    """
    from torch import nn

    from longspan.nn.member_linear import MemberLinear

    layers: list[nn.Module] = []
    width = shapes.num_features
    if hidden and shapes.members > 1:
        raise ConfigError("The head of an ensemble such as tabm has no hidden layers: leave hidden= out.")
    for units in hidden:
        layers += [nn.BatchNorm1d(width), nn.Dropout(dropout / 2), nn.Linear(width, units, bias=False), nn.ReLU()]
        width = units
    if hidden:
        layers.append(nn.BatchNorm1d(width))
    if dropout:
        layers.append(nn.Dropout(dropout))
    layers.append(
        nn.Linear(width, num_outputs) if shapes.members == 1 else MemberLinear(width, num_outputs, shapes.members)
    )
    return nn.Sequential(*layers)
