"""Heads for classes: one label, or several at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from longspan.columns import Category, MultiLabel
from longspan.columns.base import Column
from longspan.errors import ConfigError, unknown_name
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction, check_layers, perceptron, vector_fault
from longspan.models import FeatureShapes
from longspan.portable.decoders import Classes, Labels
from longspan.valid_values import check_probability

__all__ = ["Classify", "MultiLabelClassify"]


@final
@dataclass(frozen=True, kw_only=True)
class Classify(Head):
    """One class out of K: cross-entropy on logits `(B, K)`; targets are class numbers `(B,)` int64."""

    kind: ClassVar[str] = "classify"
    column_kinds: ClassVar[tuple[str, ...]] = ("category",)
    reads: ClassVar[FeatureKind] = "vector"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "higher"),
        Metric("f1_macro", "higher"),
        Metric("top5_accuracy", "higher"),
    )

    label_smoothing: float = 0.0
    """Fraction of the target's probability that is spread over all classes (Szegedy et al. 2016, section 7)."""
    class_weights: tuple[float, ...] | Mapping[Any, float] | Literal["balanced"] | None = None
    """Weight of a row of each class in the loss: numbers in the order of the column's vocab; or by label, where classes
    that are not named have weight 1; or "balanced": inversely proportional to the training rows of the class, with
    mean 1 over the rows. None: all weights are 1."""
    hidden: tuple[int, ...] = ()
    """Widths of layers between features and logits."""
    dropout: float = 0.0
    """Probability that a feature is dropped, before each linear layer."""
    column: Column | None = None
    """The fitted category; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_probability("Classify.label_smoothing", self.label_smoothing)
        check_layers("Classify", self.hidden, self.dropout)
        _check_weights(self, "class_weights")

    @property
    def num_outputs(self) -> int:
        """K, the number of classes."""
        return len(self._category.vocab)

    @property
    def _category(self) -> Category:
        assert isinstance(self.column, Category)
        return self.column

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """Linear layers to K logits."""
        return perceptron(shapes, self.hidden, self.dropout, self.num_outputs)

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, K)`."""
        return vector_fault(outputs, rows, self.num_outputs)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of each row, nats."""
        weight = _as_tensor(self.class_weights, outputs)
        return F.cross_entropy(outputs.float(), targets, weight, reduction="none", label_smoothing=self.label_smoothing)

    def postprocess(self, outputs: torch.Tensor) -> torch.Tensor:
        """Probabilities `(B, K)`."""
        return outputs.float().softmax(dim=1)

    def merge(self, outputs: torch.Tensor) -> torch.Tensor:
        """Logarithm of the mean probabilities of an ensemble's members."""
        return outputs.float().log_softmax(-1).logsumexp(1) - math.log(outputs.shape[1])

    @property
    def value_decoder(self) -> Classes:
        """The most probable of the labels."""
        return Classes(self._category.vocab)

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """The most probable class and the probabilities of all."""
        return self.value_decoder.decode(predictions.numpy(force=True), ())

    def class_targets(self, targets: torch.Tensor) -> torch.Tensor:
        """The one class of each row, `(B, K)` bool."""
        return F.one_hot(targets.long(), self.num_outputs).bool()

    def class_predictions(self, predictions: torch.Tensor) -> torch.Tensor:
        """The most probable class, `(B, K)` bool."""
        return F.one_hot(predictions.argmax(dim=1), self.num_outputs).bool()

    def with_class_counts(self, counts: torch.Tensor, rows: int) -> Self:
        """The same head, with its weights computed if they are "balanced"."""
        del rows
        return replace(self, class_weights=_balanced(counts)) if self.class_weights == "balanced" else self

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Accuracy, F1 averaged over classes, and for more than ten classes top-5 accuracy."""
        from sklearn import metrics

        true, predicted = targets.numpy(), predictions.argmax(dim=1).numpy()
        figures = {
            "accuracy": metrics.accuracy_score(true, predicted),
            "f1_macro": _f1(true, predicted, "macro"),
        }
        if self.num_outputs > 10:
            labels = range(self.num_outputs)
            figures["top5_accuracy"] = metrics.top_k_accuracy_score(true, predictions.numpy(), k=5, labels=labels)
        return {name: round(float(figure), 6) for name, figure in figures.items()}


@final
@dataclass(frozen=True, kw_only=True)
class MultiLabelClassify(Head):
    """Any number of K classes: binary cross-entropy on logits `(B, K)`; targets are zeros and ones `(B, K)`."""

    kind: ClassVar[str] = "multi_label_classify"
    column_kinds: ClassVar[tuple[str, ...]] = ("multi_label",)
    reads: ClassVar[FeatureKind] = "vector"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("f1_micro", "higher"),
        Metric("f1_macro", "higher"),
        Metric("exact_match", "higher"),
        Metric("average_precision", "higher"),
    )

    threshold: float = 0.5
    """Labels at least this probable are given."""
    label_smoothing: float = 0.0
    """How far zeros and ones are drawn towards one half."""
    class_weights: tuple[float, ...] | Mapping[Any, float] | Literal["balanced"] | None = None
    """Weight of each class in a row's loss: numbers in the order of the column's vocab; or by label, where classes
    that are not named have weight 1; or "balanced": inversely proportional to the training rows that have the class.
    None: all weights are 1."""
    positive_weights: tuple[float, ...] | Mapping[Any, float] | Literal["balanced"] | None = None
    """Weight of a row that has the class, against 1 for one that does not; as `class_weights`. "balanced": the rows
    without the class over the rows with it, so that both weigh the same."""
    hidden: tuple[int, ...] = ()
    """Widths of layers between features and logits."""
    dropout: float = 0.0
    """Probability that a feature is dropped, before each linear layer."""
    column: Column | None = None
    """The fitted categories; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_probability("MultiLabelClassify.label_smoothing", self.label_smoothing)
        check_layers("MultiLabelClassify", self.hidden, self.dropout)
        _check_weights(self, "class_weights")
        _check_weights(self, "positive_weights")
        check_probability("MultiLabelClassify.threshold", self.threshold)

    @property
    def num_outputs(self) -> int:
        """K, the number of classes."""
        return len(self._categories.vocab)

    @property
    def _categories(self) -> MultiLabel:
        assert isinstance(self.column, MultiLabel)
        return self.column

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """Linear layers to K logits."""
        return perceptron(shapes, self.hidden, self.dropout, self.num_outputs)

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, K)`."""
        return vector_fault(outputs, rows, self.num_outputs)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over the classes of each row's binary cross-entropy, nats."""
        smooth = targets * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        positive, weights = _as_tensor(self.positive_weights, outputs), _as_tensor(self.class_weights, outputs)
        losses = F.binary_cross_entropy_with_logits(outputs.float(), smooth, reduction="none", pos_weight=positive)
        return (losses if weights is None else losses * weights).mean(dim=1)

    def postprocess(self, outputs: torch.Tensor) -> torch.Tensor:
        """Probability of each class, `(B, K)`; they need not sum to one."""
        return outputs.float().sigmoid()

    def merge(self, outputs: torch.Tensor) -> torch.Tensor:
        """Logits of the mean probabilities of an ensemble's members."""
        present, absent = (F.logsigmoid(sign * outputs.float()).logsumexp(1) for sign in (1, -1))
        return present - absent

    @property
    def value_decoder(self) -> Labels:
        """The labels above the threshold."""
        return Labels(self._categories.vocab, self.threshold)

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """Labels above the threshold; the probability is that of the whole set if classes were independent."""
        return self.value_decoder.decode(predictions.numpy(force=True), ())

    def class_targets(self, targets: torch.Tensor) -> torch.Tensor:
        """The labels of each row, `(B, K)` bool."""
        return targets >= 0.5

    def class_predictions(self, predictions: torch.Tensor) -> torch.Tensor:
        """The classes above the threshold, `(B, K)` bool."""
        return predictions >= self.threshold

    def with_class_counts(self, counts: torch.Tensor, rows: int) -> Self:
        """The same head, with its weights computed if they are "balanced"."""
        head = replace(self, class_weights=_balanced(counts)) if self.class_weights == "balanced" else self
        if head.positive_weights != "balanced":
            return head
        ratios = torch.where(counts > 0, (rows - counts) / counts.clamp_min(1), 1.0).clamp_min(1e-6)
        return replace(head, positive_weights=tuple(round(float(ratio), 6) for ratio in ratios))

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """F1 over all labels and over classes, fraction of rows right in every class, mean average precision."""
        from sklearn import metrics

        true, given = targets.long().numpy(), (predictions >= self.threshold).long().numpy()
        there = (true + given).any(axis=0)  # a class that is neither there nor predicted has no F1
        micro, macro = 0.0, 0.0
        if there.sum() > 1:
            micro, macro = (_f1(true[:, there], given[:, there], each) for each in ("micro", "macro"))
        elif there.any():
            micro = macro = _f1(true[:, there][:, 0], given[:, there][:, 0], "binary")
        figures = {
            "f1_micro": micro,
            "f1_macro": macro,
            "exact_match": metrics.accuracy_score(true, given),
        }
        occurring = true.sum(axis=0) > 0  # average precision is undefined for a class that never occurs
        if occurring.any():
            precision = metrics.average_precision_score(true[:, occurring], predictions.numpy()[:, occurring])
            figures["average_precision"] = precision
        return {name: round(float(figure), 6) for name, figure in figures.items()}


def _check_weights(head: Head, field: str) -> None:
    """Replace the head's weights by one number a class, as far as its column and their counts are known.

    Raises:
        ConfigError: weights that are not finite, below 0 or all 0; of unknown classes; or too few or too many.
    """
    weights, vocab = getattr(head, field), getattr(head.column, "vocab", ())
    owner = f"{type(head).__name__}.{field}"
    if weights is None or (isinstance(weights, str) and weights == "balanced"):
        return
    if isinstance(weights, str):
        raise ConfigError(f'{owner} is "balanced", one number a class, or numbers by label, got {weights!r}.')
    by_label = weights if isinstance(weights, Mapping) else None
    numbers = tuple(float(weight) for weight in (weights.values() if by_label is not None else weights))
    if not all(0 <= weight < float("inf") for weight in numbers) or not any(numbers):
        raise ConfigError(f"{owner} must be finite, 0 or more and not all 0, got {numbers}.")
    if by_label is not None:
        if not vocab:
            return
        for label in by_label:
            if label not in vocab:
                raise unknown_name("class", str(label), list(map(str, vocab)))
        numbers = tuple(float(by_label.get(label, 1.0)) for label in vocab)
    if vocab and len(numbers) != len(vocab):
        raise ConfigError(
            f"{owner} are {len(numbers)} numbers for {len(vocab)} classes: "
            f"{', '.join(map(str, vocab[:20]))}. Give one for each, in this order."
        )
    object.__setattr__(head, field, numbers)


def _as_tensor(weights: Any, like: torch.Tensor) -> torch.Tensor | None:
    """Weights by class as float32 where `like` is; None for weights that are all 1.

    Raises:
        ConfigError: they are still to be computed from the training rows.
    """
    if weights is None:
        return None
    if not isinstance(weights, tuple):
        raise ConfigError("Weights of classes are known once a Learner has counted the classes of the training rows.")
    return like.new_tensor(weights, dtype=torch.float32)


def _balanced(counts: torch.Tensor) -> tuple[float, ...]:
    """`sum of counts / (classes that occur * count)`, as scikit-learn's `compute_class_weight("balanced")`."""
    occurs = counts > 0
    weights = torch.where(occurs, counts.sum() / (occurs.sum() * counts.clamp_min(1)), 1.0)
    return tuple(round(float(weight), 6) for weight in weights)


def _f1(true: np.ndarray, predicted: np.ndarray, average: str) -> float:
    """F1, 0 where a class is neither there nor predicted."""
    from sklearn import metrics

    return metrics.f1_score(true, predicted, average=average, zero_division=0.0)  # pyright: ignore[reportArgumentType]
