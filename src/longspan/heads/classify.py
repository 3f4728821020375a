"""Heads for classes: one label, or several at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import nn
from torch.nn import functional as F

from longspan.columns import Categories, Category
from longspan.columns.base import Column
from longspan.errors import ConfigError
from longspan.heads.base import Answer, Head, Metric, check_layers, perceptron

__all__ = ["Classify", "ClassifyMany"]


@final
@dataclass(frozen=True, kw_only=True)
class Classify(Head):
    """One class out of K: cross-entropy on logits `(B, K)`; targets are class numbers `(B,)` int64."""

    kind: ClassVar[str] = "classify"
    column_kinds: ClassVar[tuple[str, ...]] = ("category",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "higher"),
        Metric("f1_macro", "higher"),
        Metric("top5_accuracy", "higher"),
    )

    label_smoothing: float = 0.0
    """Share of the target's probability that is spread over all classes (Szegedy et al. 2016, section 7)."""
    hidden: tuple[int, ...] = ()
    """Widths of layers between features and logits."""
    dropout: float = 0.0
    """Probability that a feature is dropped, before each linear layer."""
    column: Column | None = None
    """The fitted category; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_share("Classify.label_smoothing", self.label_smoothing)
        check_layers("Classify", self.hidden, self.dropout)

    @property
    def num_outputs(self) -> int:
        """K, the number of classes."""
        return len(self._category.vocab)

    @property
    def _category(self) -> Category:
        assert isinstance(self.column, Category)
        return self.column

    def layers(self, num_features: int) -> nn.Module:
        """Linear layers to K logits."""
        return perceptron(num_features, self.hidden, self.dropout, self.num_outputs)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of each row, nats."""
        return F.cross_entropy(outputs.float(), targets, reduction="none", label_smoothing=self.label_smoothing)

    def activate(self, outputs: torch.Tensor) -> torch.Tensor:
        """Probabilities `(B, K)`."""
        return outputs.float().softmax(dim=1)

    def decode(self, activated: torch.Tensor) -> list[Answer]:
        """The most probable class and the probabilities of all."""
        best = activated.argmax(dim=1).tolist()
        vocab = self._category.vocab
        return [
            Answer(vocab[k], row[k], dict(zip(vocab, row, strict=True)))
            for k, row in zip(best, activated.tolist(), strict=True)
        ]

    def measure(self, activated: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Accuracy, F1 averaged over classes, and for more than ten classes top-5 accuracy."""
        from torchmetrics.functional import classification

        classes = self.num_outputs
        predicted = activated.argmax(dim=1)
        figures = {
            "accuracy": classification.multiclass_accuracy(predicted, targets, classes, average="micro"),
            "f1_macro": classification.multiclass_f1_score(predicted, targets, classes, average="macro"),
        }
        if classes > 10:
            figures["top5_accuracy"] = classification.multiclass_accuracy(
                activated, targets, classes, average="micro", top_k=5
            )
        return {name: round(float(figure), 6) for name, figure in figures.items()}


@final
@dataclass(frozen=True, kw_only=True)
class ClassifyMany(Head):
    """Any number of K classes: binary cross-entropy on logits `(B, K)`; targets are zeros and ones `(B, K)`."""

    kind: ClassVar[str] = "classify_many"
    column_kinds: ClassVar[tuple[str, ...]] = ("categories",)
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
    hidden: tuple[int, ...] = ()
    """Widths of layers between features and logits."""
    dropout: float = 0.0
    """Probability that a feature is dropped, before each linear layer."""
    column: Column | None = None
    """The fitted categories; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_share("ClassifyMany.label_smoothing", self.label_smoothing)
        check_layers("ClassifyMany", self.hidden, self.dropout)
        _check_share("ClassifyMany.threshold", self.threshold)

    @property
    def num_outputs(self) -> int:
        """K, the number of classes."""
        return len(self._categories.vocab)

    @property
    def _categories(self) -> Categories:
        assert isinstance(self.column, Categories)
        return self.column

    def layers(self, num_features: int) -> nn.Module:
        """Linear layers to K logits."""
        return perceptron(num_features, self.hidden, self.dropout, self.num_outputs)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over the classes of each row's binary cross-entropy, nats."""
        smooth = targets * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        return F.binary_cross_entropy_with_logits(outputs.float(), smooth, reduction="none").mean(dim=1)

    def activate(self, outputs: torch.Tensor) -> torch.Tensor:
        """Probability of each class, `(B, K)`; they need not sum to one."""
        return outputs.float().sigmoid()

    def decode(self, activated: torch.Tensor) -> list[Answer]:
        """Labels above the threshold; the probability is that of the whole answer if classes were independent."""
        vocab = self._categories.vocab
        answers = []
        for row in activated:
            given = row >= self.threshold
            labels: list[Any] = [label for label, there in zip(vocab, given.tolist(), strict=True) if there]
            sure = float(torch.where(given, row, 1 - row).prod())
            answers.append(Answer(labels, sure, dict(zip(vocab, row.tolist(), strict=True))))
        return answers

    def measure(self, activated: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """F1 over all labels and over classes, share of rows right in every class, mean average precision."""
        from torchmetrics.functional import classification

        classes, truth = self.num_outputs, targets.long()
        given = (activated >= self.threshold).long()
        occurs = truth.sum(dim=0) > 0  # average precision is undefined for a class that never does
        # Unchecked: shapes are ours, and torchmetrics would refuse a single class.
        figures = {
            "f1_micro": classification.multilabel_f1_score(given, truth, classes, average="micro", validate_args=False),
            "f1_macro": classification.multilabel_f1_score(given, truth, classes, average="macro", validate_args=False),
            "exact_match": classification.multilabel_exact_match(given, truth, classes, validate_args=False),
        }
        if bool(occurs.any()):
            figures["average_precision"] = classification.multilabel_average_precision(
                activated[:, occurs], truth[:, occurs], int(occurs.sum()), average="macro", validate_args=False
            )
        return {name: round(float(figure), 6) for name, figure in figures.items()}


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ConfigError(f"{name} must be at least 0 and below 1, got {value!r}.")
