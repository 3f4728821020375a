"""A linear classifier on counted words: it predicts texts, is measured as networks are, and is one file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
import torch

from longspan.columns import Category, Column, Text
from longspan.data import Table
from longspan.heads import Head, head_for
from longspan.inference.estimators.estimator_files import (
    decode_predictions,
    measure_predictions,
    new_texts,
    read_columns,
    reading_estimator,
    write_estimator,
)
from longspan.inference.labelled_rows import labelled_rows
from longspan.portable.trained_model import Ability, TrainedModel
from longspan.text.word_ngrams import word_ngrams

__all__ = ["LINEAR_TEXT_FORMAT", "LinearText", "WordWeights"]

LINEAR_TEXT_FORMAT = {"format": "longspan linear text", "format_version": 1}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WordWeights:
    """The weights of N-grams of words for K classes, and how their counts in a text are scaled."""

    vocab: tuple[str, ...]
    """The N-grams."""
    weights: np.ndarray
    """`(N, K)` float32."""
    bias: np.ndarray
    """`(K,)` float32."""
    scale: np.ndarray
    """`(N,)` float32: what the count of each is multiplied by, such as its inverse document frequency."""
    ngrams: tuple[int, int] = (1, 2)
    """Words of the shortest and the longest N-gram."""
    sublinear: bool = False
    """Whether a count c counts as 1 + ln c; otherwise only whether there is one."""
    unit: bool = False
    """Whether the vector of a text has length 1."""

    def scores(self, texts: Sequence[str], index: Mapping[str, int]) -> np.ndarray:
        """`(B, K)`: the sum of the weights of each text's N-grams; `index` has their places in `vocab`."""
        found = np.tile(self.bias, (len(texts), 1)).astype(np.float64)
        for row, text in enumerate(texts):
            counts = Counter(
                place for each in word_ngrams(text, *self.ngrams) if (place := index.get(each)) is not None
            )
            if not counts:
                continue
            places = np.fromiter(counts, np.int64, len(counts))
            values = np.array([1 + math.log(count) if self.sublinear else 1.0 for count in counts.values()])
            values *= self.scale[places]
            if self.unit:
                values /= max(float(np.linalg.norm(values)), 1e-12)
            found[row] += values @ self.weights[places]
        return found


@final
class LinearText(TrainedModel):
    """Weights of words for one or several targets that are classes; `WordCounts` trains them."""

    what: ClassVar[str] = "a linear model of word counts"
    abilities: ClassVar[frozenset[Ability]] = frozenset({"batch_size"})

    steps_done = 0
    """A solver counts no steps."""

    def __init__(
        self, name: str, column: Text, targets: Mapping[str, Column], parts: Mapping[str, WordWeights]
    ) -> None:
        """Put them together.

        Args:
            name: Of the input.
            column: The fitted input.
            targets: Fitted target columns.
            parts: The weights by target.
        """
        self.inputs: dict[str, Column] = {name: column}
        self.heads: dict[str, Head] = {target: head_for(each) for target, each in targets.items()}
        self.parts = dict(parts)
        self._name = name
        self._index = {target: {each: i for i, each in enumerate(part.vocab)} for target, part in parts.items()}

    def __repr__(self) -> str:
        return (
            f"LinearText({sum(len(each.vocab) for each in self.parts.values()):,} N-grams -> {', '.join(self.heads)})"
        )

    @property
    def input_columns(self) -> dict[str, Column | None]:
        """What it reads, by name."""
        return dict(self.inputs)

    def predict(self, data: Any, *, batch_size: int = 64) -> Any:
        """Predictions for a Table, a text, or a list of texts; in order.

        Raises:
            DataError: values that are not texts, all of them by name.
        """
        del batch_size
        texts, several = new_texts(data, self._name)
        found = decode_predictions(self.heads, self._raw(texts), len(texts))
        return found if several else found[0]

    def evaluate(self, data: Table | str | Path) -> dict[str, float]:
        """The metrics of each target's head over the rows that have the target, of a table or a table's file."""
        table = labelled_rows(data, self.inputs, self.heads)
        texts = [text or "" for text in table.column_values(self._name)]
        return measure_predictions(self.heads, self._raw(texts), table)

    def save(self, path: str | Path) -> Path:
        """One safetensors file: weights and N-grams, and the columns as JSON. It holds no code."""
        tensors, described = {}, {}
        for number, (name, part) in enumerate(self.parts.items()):
            words = np.frombuffer("\n".join(part.vocab).encode(), np.uint8)
            for key, array in (("weights", part.weights), ("bias", part.bias), ("scale", part.scale), ("words", words)):
                tensors[f"{number}.{key}"] = torch.from_numpy(array.copy())
            described[name] = {"ngrams": list(part.ngrams), "sublinear": part.sublinear, "unit": part.unit}
        return write_estimator(path, tensors, LINEAR_TEXT_FORMAT, self.inputs, self.heads, parts=described)

    @classmethod
    def from_parts(cls, tensors: Mapping[str, torch.Tensor], described: Mapping[str, Any]) -> Self:
        """What `save` wrote.

        Raises:
            ModelFileError: damaged, or from a newer longspan.
        """
        with reading_estimator(described, LINEAR_TEXT_FORMAT, "words"):
            input_name, column, targets = read_columns(described, Text)
            parts = {}
            for number, (name, target) in enumerate(targets.items()):
                found = {key: tensors[f"{number}.{key}"].numpy() for key in ("weights", "bias", "scale", "words")}
                vocab = tuple(found.pop("words").tobytes().decode().split("\n"))
                assert isinstance(target, Category)
                assert found["weights"].shape == (len(vocab), len(target.vocab))
                assert found["scale"].shape == (len(vocab),)
                assert found["bias"].shape == (len(target.vocab),)
                options = described["parts"][name]
                parts[name] = WordWeights(
                    vocab=vocab, **found, ngrams=(int(options["ngrams"][0]), int(options["ngrams"][1])),
                    sublinear=bool(options["sublinear"]), unit=bool(options["unit"]),
                )  # fmt: skip
            return cls(input_name, column, targets, parts)

    def _raw(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """By target probabilities `(N, classes)`."""
        return {
            name: torch.from_numpy(part.scores(texts, self._index[name])).softmax(1).float()
            for name, part in self.parts.items()
        }
