"""The predictions of a saved model in words: which lie in the image, which score they need, a line for each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from longspan.errors import ConfigError

if TYPE_CHECKING:
    from longspan.columns import Column
    from longspan.portable import Prediction, TrainedModel

__all__ = ["answer_words", "batch_size_for", "leave_out_below"]

_SHOWN_FRACTION = 0.005  # smaller areas of a mask are not worth a word
_BATCH, _DENSE_BATCH = 64, 8  # what is said of every pixel takes memory


def batch_size_for(model: TrainedModel) -> int:
    """How many images the model looks at together."""
    return _DENSE_BATCH if model.located else _BATCH


def leave_out_below(model: TrainedModel, score: float) -> None:
    """From now on the model predicts objects with at least this score, and no others.

    Raises:
        ConfigError: `score` is not within 0..1, or the model's predictions have no scores.
    """
    if not 0 <= score <= 1:
        raise ConfigError(f"--score must be at least 0 and at most 1, got {score:g}.")
    model.check_abilities(score=True)
    heads: Any = model.heads
    scored = [name for name, head in heads.items() if "answer_score" in {field.name for field in fields(head)}]
    if not scored:
        raise ConfigError(
            f"--score is for networks that find boxes or instances; this model predicts {', '.join(heads)}."
        )
    for name in scored:
        heads[name] = replace(heads[name], answer_score=score)


def answer_words(prediction: Prediction, *, probabilities: bool = False) -> str:
    """One line: the value of every target and its probability, or the probabilities of all classes."""
    parts = []
    for target, predicted in prediction.by_target.items():
        column = prediction.located.get(target)
        sure = "" if predicted.probability is None else f"  {predicted.probability:.2f}"
        shown = _listed(predicted.value) if column is None else _found(column, predicted.value)
        if probabilities and predicted.probabilities is not None:
            sure = "  (" + ", ".join(f"{label} {p:.4f}" for label, p in predicted.probabilities.items()) + ")"
        parts.append(f"{target}={shown}{sure}")
    return "  ".join(parts)


def _listed(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ",".join(str(each) for each in value) or "none" if isinstance(value, list) else str(value)


def _found(column: Column, value: Any) -> str:
    """`2 person, 1 car`; of a mask the fractions of its classes, `road 41 %, sky 30 %`: what there is most of first."""
    described = column.json_value(value)
    if not isinstance(described, Mapping):
        counts = Counter(str(entry["label"]) for entry in described)
        return ", ".join(f"{count} {label}" for label, count in counts.most_common()) or "nothing"
    fractions = dict(Counter(described["share"]).most_common())
    if described["ignored"]:
        fractions["not looked at"] = described["ignored"]  # what the network's frame cut off
    return ", ".join(
        f"{label} {fraction * 100:.0f} %" for label, fraction in fractions.items() if fraction >= _SHOWN_FRACTION
    )
