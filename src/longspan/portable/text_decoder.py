"""Texts of connectionist temporal classification, with numpy alone; the counterpart of `heads.ctc`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from longspan.columns import column_from_json
from longspan.portable.decoders import DECODERS, Decoder, Transforms
from longspan.portable.target_prediction import TargetPrediction

__all__ = ["CTCText", "best_path", "likeliest_text", "log_likelihood"]

_BLANK = 0
_NO_PATH = 100.0  # nats, as in heads.ctc


@DECODERS.register()
@final
@dataclass(frozen=True)
class CTCText(Decoder):
    """The likeliest text, from probabilities `(B, T, 1 + K)` of the blank and K characters at each step."""

    kind: ClassVar[str] = "ctc_text"
    column: dict[str, Any]
    """The target's `Text` column as JSON."""
    beam: int
    """Beginnings of texts that are kept at every step; 1: what the likeliest path spells."""

    def decode(self, values: np.ndarray, transforms: Transforms) -> list[TargetPrediction]:
        """The text and its probability, over all paths that spell it."""
        del transforms
        column = column_from_json(self.column)
        predictions = []
        for row in values:
            text = best_path(row) if self.beam == 1 else likeliest_text(row, self.beam)
            loss = -log_likelihood(row, text)
            predictions.append(TargetPrediction(column.decode(text), min(float(np.exp(-min(loss, _NO_PATH))), 1.0)))
        return predictions


def best_path(probabilities: np.ndarray) -> list[int]:
    """What the likeliest path of one row `(T, 1 + K)` spells, as character numbers from 0."""
    best = probabilities.argmax(axis=1)
    keep = best != _BLANK
    keep[1:] &= best[1:] != best[:-1]
    return (best[keep] - 1).tolist()


def likeliest_text(probabilities: np.ndarray, width: int) -> list[int]:
    """The likeliest text of one row, looked for among the `width` likeliest beginnings at every step.

    Source: Hannun 2017, "Sequence modeling with CTC": of each beginning, paths that end in a blank are added up apart
    from those that do not.
    """
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    for now in probabilities.astype(np.float64):
        grown: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for text, (blank, other) in beam.items():
            grown[text][0] += (blank + other) * now[_BLANK]
            if text:
                grown[text][1] += other * now[text[-1]]
            for k in range(1, len(now)):
                before = blank if text and text[-1] == k else blank + other
                grown[(*text, k)][1] += before * now[k]
        best = sorted(grown.items(), key=lambda each: -sum(each[1]))[:width]
        scale = max(sum(best[0][1]), np.finfo(np.float64).tiny)  # or products of many steps would vanish
        beam = {text: (blank / scale, other / scale) for text, (blank, other) in best}
    return [k - 1 for k in max(beam, key=lambda text: sum(beam[text]))]


def log_likelihood(probabilities: np.ndarray, text: list[int]) -> float:
    """The logarithm of the probability of all paths of `(T, 1 + K)` that spell a text; minus infinity if none does.

    Source: Graves et al. 2006, "Connectionist temporal classification", section 4.1, equations 5 to 8, in logarithms.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    states = np.zeros(2 * len(text) + 1, np.int64)
    states[1::2] = np.asarray(text, np.int64) + 1
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = logs[0, states[:2]]
    for now in logs[1:]:
        one = np.concatenate([[-np.inf], alpha[:-1]])
        two = np.where(skips, np.concatenate([[-np.inf, -np.inf], alpha[:-2]])[: len(alpha)], -np.inf)
        alpha = np.logaddexp(np.logaddexp(alpha, one), two) + now[states]
    return float(np.logaddexp.reduce(alpha[-2:]))
