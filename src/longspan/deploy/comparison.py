"""How far an exported model is from the model it was made of, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from longspan.deploy.graphs import expected_values, tensors_of
from longspan.inference import Predictor
from longspan.portable import OnnxModel
from longspan.portable.decoders import Decoder
from longspan.portable.new_values import EncodedValues
from longspan.vision.rle import decode_runs

__all__ = ["Comparison", "compare"]

_SCORE, _CLASS = 4, 5  # of a detection, behind its box
_TIE = 1e-4  # of a score; two detections that differ by less may change places


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """How far the predictions of an exported model are from those of the model it was made of."""

    rows: int
    """Rows that both predicted."""
    largest_difference: float
    """Of any output, relative to the largest value of that output. Of objects and texts: of those that both found."""
    agreement: dict[str, float]
    """By target the fraction of rows with the same decoded value; of quantities and points, to 0.1 %."""
    alone: float = 0.0
    """Of all objects and texts, the fraction that only one of the two found: where a score lies at a threshold."""


def compare(predictor: Predictor, exported: OnnxModel, read: EncodedValues, *, batch_size: int = 32) -> Comparison:
    """Outputs of both for the same encoded rows.

    Detections have an order of their scores, which rounding decides where scores are equal: they are compared one by
    one with the detection of the same class and score that lies nearest.

    Args:
        predictor: On the CPU, in float32.
        exported: The model that was made of it.
        read: Rows, all of which can be read.
        batch_size: Rows at a time.
    """
    rows = len(next(iter(read.encoded.values())))
    apart, largest = dict.fromkeys(predictor.heads, 0.0), dict.fromkeys(predictor.heads, 0.0)
    same = dict.fromkeys(predictor.heads, 0)
    alone = whole = 0
    for start in range(0, rows, batch_size):
        some = slice(start, start + batch_size)
        with torch.no_grad():
            expected = expected_values(predictor, tensors_of(predictor.inputs, read, some))
        found = exported.run(read, some)
        for name, decoder in exported.decoders.items():
            one, other, kept = _paired(decoder, expected[name].numpy(), found[name])
            # NumPy's maximum keeps NaN, which `max` would drop: outputs that are not numbers must not pass as equal.
            differences = np.abs(one.astype(np.float64) - other)
            if kept is not None:
                differences = differences[kept]
                rest = tuple(range(2, one.ndim))
                alone, whole = alone + int((~kept).sum()), whole + int((one.any(rest) | other.any(rest)).sum())
            apart[name] = float(np.maximum(apart[name], differences.max(initial=0)))
            largest[name] = max(largest[name], float(np.abs(one).max(initial=0)))
            nothing = [None] * len(one)
            pairs = zip(decoder.decode(one, nothing), decoder.decode(other, nothing), strict=True)
            same[name] += sum(_alike(a.value, b.value) for a, b in pairs)
    worst = float(np.max([apart[name] / max(largest[name], 1e-30) for name in apart]))
    agreement = {name: count / max(rows, 1) for name, count in same.items()}
    return Comparison(rows, worst, agreement, alone / max(whole, 1))


def _paired(decoder: Decoder, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Both with the same things at the same places, and which of them both found; None where there is no choice."""
    if decoder.finds == "objects":
        pairs = [_same_order(a, b) for a, b in zip(one, other, strict=True)]
        return one, np.stack([each for each, _ in pairs]), np.stack([kept for _, kept in pairs])
    if decoder.finds == "texts":
        longest = max(one.shape[2], other.shape[2])
        one, other = (_padded_texts(each, longest) for each in (one, other))
        return one, other, (one[..., 0] == other[..., 0]).all(axis=2)
    return one, other, None


def _same_order(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Detections `(D, 6 + ...)` of one image in the order of `one`, and at which places both have a detection or none.

    What only `other` found stands at the places where nothing was found for `one`.
    """
    left = np.ones(len(other), bool)
    order, kept = np.full(len(one), -1), np.zeros(len(one), bool)
    for place, wanted in enumerate(one):
        if wanted[_SCORE] <= 0:
            continue
        like = left & (np.abs(other[:, _SCORE] - wanted[_SCORE]) <= _TIE) & (other[:, _CLASS] == wanted[_CLASS])
        distance = np.where(like, np.abs(other[:, :_SCORE] - wanted[:_SCORE]).max(axis=1), np.inf)
        nearest = int(distance.argmin())
        if like[nearest] and distance[nearest] <= max(1.0, 0.01 * np.abs(wanted[:_SCORE]).max()):
            order[place], kept[place], left[nearest] = nearest, True, False
    rest = iter(np.flatnonzero(left))
    for place in np.flatnonzero(order < 0):
        order[place] = next(rest)
        kept[place] = one[place, _SCORE] <= 0 and other[order[place], _SCORE] <= 0
    return other[order], kept


def _padded_texts(texts: np.ndarray, longest: int) -> np.ndarray:
    """Texts `(B, N, T, 2)` with so many tokens: -1 and 0 after the last."""
    padded = np.zeros((*texts.shape[:2], longest, 2), texts.dtype)
    padded[..., 0] = -1
    padded[:, :, : texts.shape[2]] = texts
    return padded


def _alike(one: Any, other: Any) -> bool:
    """Whether two decoded values are the same; numbers to 0.1 %."""
    if isinstance(one, float):
        return abs(one - other) <= 1e-3 * max(abs(one), abs(other), 1e-6)
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and float((one == other).mean()) >= 0.999
    if isinstance(one, dict) and "counts" in one and "size" in one:  # a mask, whose border may differ in single pixels
        if one["size"] != other["size"]:
            return False
        mine, theirs = (decode_runs(each["counts"], tuple(each["size"])) for each in (one, other))
        return float((mine == theirs).mean()) >= 0.999
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and one and all(isinstance(each, float) for each in (*one, *other)):
        largest = max(map(abs, one), default=0.0)  # an edge at 0.00001 px is one at 0
        return len(one) == len(other) and all(
            abs(a - b) <= 1e-3 * max(largest, 1e-6) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return one == other
