"""From the arrays that a network gives to values that a person reads, with numpy alone."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, final

import numpy as np

from longspan.portable.target_prediction import TargetPrediction
from longspan.registry import Registry
from longspan.vision import ResizeTransform

__all__ = ["DECODERS", "Classes", "Decoder", "Labels", "Objects", "Points", "Quantity", "Vector", "decoder_from_json"]

Transforms = Sequence[ResizeTransform | None]
"""How the image of each row was resized for the network; None where no target lies in an image."""


class Decoder(ABC):
    """Abstract: how predictions of one target become values. Subclasses are final, frozen dataclasses of JSON values.

    A head names its decoder (`Head.value_decoder`). Exported models hold it as JSON in their metadata.
    """

    kind: ClassVar[str]
    """Name in files."""
    in_source: ClassVar[bool] = False
    """Whether `decode` gives positions in the original image; if not, in the frame that the network saw."""

    finds: ClassVar[Literal["values", "objects", "texts"]] = "values"
    """What an array holds for a row: values in a known order; detections `(D, 6 + ...)`, the highest score first; or
    texts `(N, T, 2)`, which a search found."""

    @abstractmethod
    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """One prediction per row of `values` `(B, ...)`, which are what `Head.decode` takes."""

    def to_json(self) -> dict[str, Any]:
        """Everything needed to make this decoder again."""
        return {"kind": self.kind, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The decoder that `to_json` described."""
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items() if name != "kind"})


DECODERS = Registry[type[Decoder]]("decoder", name_of=lambda decoder: decoder.kind)
"""Every decoder by its name in exported files; a package of yours may add its own."""


def decoder_from_json(fields: dict[str, Any]) -> Decoder:
    """The decoder that `Decoder.to_json` described."""
    return DECODERS.find(str(fields.get("kind")), in_file=True).from_json(fields)


@DECODERS.register()
@final
@dataclass(frozen=True)
class Classes(Decoder):
    """The most probable class, from probabilities `(B, K)`."""

    kind: ClassVar[str] = "classes"
    vocab: tuple[Any, ...]
    """The K labels."""

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """The label, its probability and those of all classes."""
        del transforms
        best = values.argmax(axis=1).tolist()
        return [
            TargetPrediction(self.vocab[k], row[k], dict(zip(self.vocab, row, strict=True)))
            for k, row in zip(best, values.tolist(), strict=True)
        ]


@DECODERS.register()
@final
@dataclass(frozen=True)
class Labels(Decoder):
    """All labels whose probability reaches a threshold, from probabilities `(B, K)`."""

    kind: ClassVar[str] = "labels"
    vocab: tuple[Any, ...]
    """The K labels."""
    threshold: float
    """The least probability of a label that is given."""

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """The labels; the probability is that of all of them together if classes were independent."""
        del transforms
        predictions = []
        for row in values:
            given = row >= self.threshold
            labels: list[Any] = [label for label, there in zip(self.vocab, given.tolist(), strict=True) if there]
            together = float(np.where(given, row, 1 - row).prod())
            predictions.append(TargetPrediction(labels, together, dict(zip(self.vocab, row.tolist(), strict=True))))
        return predictions


@DECODERS.register()
@final
@dataclass(frozen=True)
class Quantity(Decoder):
    """Numbers `(B,)` as they are."""

    kind: ClassVar[str] = "quantity"

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """The number."""
        del transforms
        return [TargetPrediction(value) for value in values.tolist()]


@DECODERS.register()
@final
@dataclass(frozen=True)
class Points(Decoder):
    """Named points, from places `(B, K, 2)` in pixels of the frame."""

    kind: ClassVar[str] = "points"
    names: tuple[str, ...]
    """Of the K points."""

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """The place of every point by its name."""
        del transforms
        return [TargetPrediction(dict(zip(self.names, row, strict=True))) for row in values.tolist()]


@DECODERS.register()
@final
@dataclass(frozen=True)
class Vector(Decoder):
    """Unit vectors, from vectors `(B, D)` of any length but 0."""

    kind: ClassVar[str] = "vector"

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """The vector with length 1, as a list."""
        del transforms
        lengths = np.linalg.norm(values.astype(np.float64), axis=1, keepdims=True)
        return [TargetPrediction(row) for row in (values / np.maximum(lengths, 1e-12)).tolist()]


@DECODERS.register()
@final
@dataclass(frozen=True)
class Objects(Decoder):
    """Boxes with labels, from detections `(B, D, 6)`: x0, y0, x1, y1 in pixels of the frame, score, class number."""

    kind: ClassVar[str] = "objects"
    finds: ClassVar[Literal["values", "objects", "texts"]] = "objects"
    vocab: tuple[Any, ...]
    """The K labels."""
    answer_score: float
    """The least score of a box that is given."""

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """Dicts with `box`, `label` and `score`, in the order of the detections."""
        del transforms
        return [
            TargetPrediction(
                [
                    {"box": line[:4], "label": self.vocab[int(line[5])], "score": line[4]}
                    for line in row
                    if line[4] > 0 and line[4] >= self.answer_score
                ]
            )
            for row in values.tolist()
        ]
