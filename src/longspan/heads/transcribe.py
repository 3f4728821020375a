"""Head for texts: reads a sequence of steps, character by character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn

from longspan.columns import Ragged, Text
from longspan.columns.base import Column
from longspan.errors import ConfigError
from longspan.heads.base import FeatureKind, Head, Metric, TargetPrediction, check_layers, perceptron, shape_of
from longspan.heads.ctc import BLANK, beam_search, best_paths, pad_texts, steps_needed, text_losses
from longspan.metrics.edit_distance import edit_counts, edit_distance
from longspan.models import FeatureShapes
from longspan.portable.text_decoder import CTCText

__all__ = ["Transcribe"]


@final
@dataclass(frozen=True, kw_only=True)
class Transcribe(Head):
    """A text, by connectionist temporal classification: logits `(B, T, 1 + K)`; class 0 is the blank, K characters.

    The network says at each of T steps which character it sees, or none; where each character stands need not be
    known. Targets are `Text` as encoded, `(B, max_length)` int64.
    The steps must be at least as many as the longest training text takes, which is checked before training; of
    recordings and other sequences of several lengths each has its own number of steps. A text that is longer than its
    steps cannot be spelt: it loses 100 nats, without a gradient, and counts as wrong.

    Source: Graves, Fernandez, Gomez, Schmidhuber 2006, "Connectionist temporal classification".
    Differs: the loss is per character (paper: per text), so that a text weighs as much beside other targets as a class,
    and long texts no more than short ones.
    """

    kind: ClassVar[str] = "transcribe"
    column_kinds: ClassVar[tuple[str, ...]] = ("text",)
    reads: ClassVar[FeatureKind] = "sequence"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("error_rate", "lower"),
        Metric("character_error_rate", "lower"),
        Metric("word_error_rate", "lower"),
    )

    beam: int = 1
    """Beginnings of texts that are kept at every step when the likeliest text is looked for; 1 takes what the likeliest
    path spells, which costs next to nothing and is nearly always the same for a network that is sure."""
    hidden: tuple[int, ...] = ()
    """Widths of layers between the features of a step and its logits."""
    dropout: float = 0.0
    """Probability that a feature of a step is dropped, before each linear layer."""
    column: Column | None = None
    """The fitted text; handed over by the learner."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not isinstance(self.beam, int) or self.beam < 1:
            raise ConfigError(f"Transcribe.beam must be a whole number of at least 1, got {self.beam!r}.")
        check_layers("Transcribe", self.hidden, self.dropout)

    @classmethod
    def is_default_for(cls, column: Column) -> bool:
        """Texts without a tokenizer, which are spelt; `Generate` writes the others."""
        return isinstance(column, Text) and column.tokenizer is None

    @property
    def num_outputs(self) -> int:
        """The blank and K characters."""
        return 1 + len(self._text.vocab)

    @property
    def _text(self) -> Text:
        assert isinstance(self.column, Text)
        return self.column

    def layers(self, shapes: FeatureShapes) -> nn.Module:
        """Linear layers to 1 + K logits, the same ones at every step."""
        return _EachStep(perceptron(shapes, self.hidden, self.dropout, self.num_outputs))

    def outputs_fault(self, outputs: object, rows: int) -> str | None:
        """Other than `(rows, T, 1 + K)`, or too few steps for the longest training text."""
        shape = shape_of(outputs)
        if len(shape) != 3 or (shape[0], shape[2]) != (rows, self.num_outputs):
            return (
                f"whose head needs ({rows}, T, {self.num_outputs}): logits of the blank and {self.num_outputs - 1} "
                f"characters at each of T steps. End it with nn.Linear(..., {self.num_outputs}) over the last axis, or "
                "give it the attributes num_features and sequence = True, and leave the last layer to longspan."
            )
        needed = self._text.min_steps or 0
        if isinstance(outputs, Ragged) or shape[1] >= needed:  # sequences of several lengths: each row by itself
            return None
        return (
            f"but the longest training text takes {needed} steps (one for each character, and one more between two "
            f"equal neighbours), and there are {shape[1]}. Give wider images, or a network with fewer pixels to a "
            "step (LineCNNConfig.stride_px), or leave the longest texts out."
        )

    def steps_needed(self, targets: torch.Tensor) -> torch.Tensor:
        """One for each character, and one more between two equal neighbours."""
        return steps_needed(targets)

    def loss(self, outputs: torch.Tensor | Ragged, targets: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of each row's text for each of its characters, nats; of an empty text as it is."""
        logits, lengths = outputs if isinstance(outputs, Ragged) else (outputs, None)
        losses = text_losses(logits.float().log_softmax(dim=2), targets, lengths)
        return losses / (targets >= 0).sum(dim=1).clamp_min(1)

    def postprocess(self, outputs: torch.Tensor | Ragged) -> torch.Tensor:
        """Probabilities `(B, T, 1 + K)` at each step; after the end of a row the blank is certain."""
        if not isinstance(outputs, Ragged):
            return outputs.float().softmax(dim=2)
        probabilities = outputs.values.float().softmax(dim=2)
        return torch.where(outputs.mask[:, :, None], probabilities, _certain_blank(probabilities))

    def join(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The predictions of several batches, as long as the longest; after the end the blank is certain."""
        longest = max((part.shape[1] for part in parts), default=0)
        padded = []
        for part in parts:
            missing = part.new_zeros(len(part), longest - part.shape[1], part.shape[2])
            padded.append(torch.cat([part, missing + _certain_blank(part)], dim=1))
        return torch.cat(padded)

    @property
    def value_decoder(self) -> CTCText:
        """The likeliest text."""
        return CTCText(self._text.to_json(), self.beam)

    def decode(self, predictions: torch.Tensor) -> list[TargetPrediction]:
        """The text and the probability of it as a whole, over all paths that spell it."""
        if not len(predictions):
            return []
        texts = self._texts(predictions)
        log_probs = predictions.clamp_min(torch.finfo(torch.float32).tiny).log()
        sure = text_losses(log_probs, pad_texts(texts).to(predictions.device)).neg().exp().clamp_max(1.0)
        return [
            TargetPrediction(self._text.decode(text), probability)
            for text, probability in zip(texts, sure.tolist(), strict=True)
        ]

    def measure(self, predictions: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
        """Fraction of texts that are not right as a whole; edits per character and, where texts have blanks, word."""
        expected = [[each for each in text if each >= 0] for text in targets.tolist()]
        found = self._texts(predictions)
        edits = [edit_distance(target, text) for target, text in zip(expected, found, strict=True)]
        figures = {"error_rate": sum(map(bool, edits)) / len(edits)}
        characters = sum(map(len, expected))
        if characters:
            figures["character_error_rate"] = sum(edits) / characters
        if " " in self._text.vocab:
            words = [[self._text.decode(text).split() for text in texts] for texts in (expected, found)]
            counts = edit_counts(*words)
            if counts.length:
                figures["word_error_rate"] = counts.rate
        return {name: round(figure, 6) for name, figure in figures.items()}

    def _texts(self, predictions: torch.Tensor) -> list[list[int]]:
        return best_paths(predictions) if self.beam == 1 else beam_search(predictions, self.beam)


def _certain_blank(like: torch.Tensor) -> torch.Tensor:
    """`(1 + K,)` probabilities of the blank alone."""
    blank = like.new_zeros(like.shape[2])
    blank[BLANK] = 1
    return blank


@final
class _EachStep(nn.Module):
    """The same layers at every step: `(B, T, F)` to `(B, T, num_outputs)`; batch statistics are over rows and steps."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, features: torch.Tensor | Ragged) -> torch.Tensor | Ragged:
        if isinstance(features, Ragged):
            return Ragged(self._outputs(features.values), features.lengths)
        return self._outputs(features)

    def _outputs(self, features: torch.Tensor) -> torch.Tensor:
        rows, steps = features.shape[:2]
        return self.layers(features.flatten(0, 1)).unflatten(0, (rows, steps))
