"""The error of one row, by kind of value: a number that a study averages and a ceiling analysis compares.

A `RowError` is what a column measures a prediction by; pipelines, studies and early stopping use the same ones. Raw
values go in, as they stand in a table, so that networks, functions and foreign models are measured alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from longspan.metrics.edit_distance import edit_distance
from longspan.metrics.iou import box_iou, mask_iou
from longspan.metrics.metric import Direction
from longspan.metrics.pixel_counts import IGNORED
from longspan.vision.annotation_values import entries_of, label_of
from longspan.vision.contours import mask_of, size_of

__all__ = [
    "BOXES_F1",
    "CHARACTER_EDITS",
    "INSTANCES_F1",
    "LABEL",
    "RAW_VALUE",
    "WORD_EDITS",
    "RowError",
    "absolute_error",
    "character_error_rate",
    "label_set_error",
    "pixel_error",
    "type_mismatch",
    "unmatched_fraction",
    "wrong_pixels",
]

_MIN_IOU = 0.5
_PER_IMAGE = ", mean over images"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RowError:
    """How wrong one prediction is; lower is better, 0 is right.

    Example:
        >>> LABEL("cat", "dog"), absolute_error("km")(3.0, 2.5)
        (1.0, 0.5)
    """

    name: str
    """In words, for axes and tables: "fraction of wrong pixels"."""
    of: Callable[[Any, Any], float]
    """Target and prediction, neither of them missing, to the error."""
    metric: str = "error"
    """Its mean among the metrics of a pipeline: "error", or "mae" for a number."""
    unit: str = ""
    """Of the error: "%" for a fraction that is shown as percent, the unit of a number, or nothing."""
    largest: float = 1.0
    """The largest value; infinity for distances."""
    missing: float = 1.0
    """The error of a row without a prediction."""
    exact: bool = False
    """Whether a prediction is right only if it equals the target, so that both must be of one type."""
    mean_suffix: str = ""
    """Behind `name` where means over rows are shown."""
    direction: ClassVar[Direction] = "lower"
    """Which way is better."""

    @property
    def mean_name(self) -> str:
        """What the mean over rows is called: "mean absolute error (months)"."""
        return f"{self.name}{self.mean_suffix}"

    def __call__(self, target: Any, prediction: Any) -> float:
        """The error of one row whose target is known; `prediction` may be missing (None)."""
        return self.missing if prediction is None else float(self.of(target, prediction))


# --- labels, texts and other values ----------------------------------------------------------------------------------


def wrong_value(target: Any, prediction: Any) -> float:
    """1 for a value that is not equal to the target, else 0; arrays, tuples and lists are alike, and order counts."""
    return float(plain(target) != plain(prediction))


LABEL = RowError(name="error rate", of=wrong_value, unit="%", exact=True)
"""Of a class or a text: wrong or right as a whole."""

RAW_VALUE = RowError(name="fraction of unequal values", of=wrong_value, unit="%", exact=True)
"""Of a value of no declared meaning: pipelines compare it, but a study asks for an error of the user's own."""


def label_set_error(labels_of: Callable[[Any], Sequence[Any]]) -> RowError:
    """Of several labels at once: wrong unless the set is exactly that of the target.

    Args:
        labels_of: Reads the labels of a raw value: of a list, or of one string with separators.
    """

    def wrong_set(target: Any, prediction: Any) -> float:
        return float({*labels_of(plain(target))} != {*labels_of(plain(prediction))})

    return RowError(name="error rate", of=wrong_set, unit="%")


def absolute_error(unit: str = "") -> RowError:
    """Of a number: how far it is off, in its unit. A prediction that is missing is infinitely wrong."""
    suffix = f" ({unit})" if unit else ""
    return RowError(
        name="mean absolute error", of=_distance, metric="mae", unit=unit, largest=math.inf, missing=math.inf,
        mean_suffix=suffix,
    )  # fmt: skip


def _distance(target: Any, prediction: Any) -> float:
    return abs(float(prediction) - float(target))


def _edits_per_character(target: str, prediction: str) -> float:
    return edit_distance(target, prediction) / max(1, len(target))


CHARACTER_EDITS = RowError(name="edits per character", of=_edits_per_character, unit="%", largest=math.inf)
"""Of a text: insertions, deletions and substitutions for each character of the target. The rate over many texts is
`character_error_rate`, to which a long text adds more than a short one."""


def _edits_per_word(target: str, prediction: str) -> float:
    return edit_distance(target.split(), prediction.split()) / max(1, len(target.split()))


WORD_EDITS = RowError(name="edits per word", of=_edits_per_word, unit="%", largest=math.inf)
"""Of a text: insertions, deletions and substitutions of whole words for each word of the target."""


def character_error_rate(targets: Sequence[Sequence[Any]], predictions: Sequence[Sequence[Any] | None]) -> float:
    """Edits over all texts for each character of the targets; a missing prediction counts as an empty text."""
    edits = sum(edit_distance(target, found or "") for target, found in zip(targets, predictions, strict=True))
    return edits / max(1, sum(map(len, targets)))


# --- what lies in an image -------------------------------------------------------------------------------------------


def wrong_pixels(target: np.ndarray, prediction: np.ndarray) -> float:
    """Fraction of the pixels of another class, of those that are not ignored; 0 where all are.

    Args:
        target: `(h, w)` class numbers, 255 where ignored.
        prediction: `(h, w)` class numbers.
    """
    counts = target != IGNORED
    return float((target != prediction)[counts].mean()) if counts.any() else 0.0


def pixel_error(classes_of: Callable[[Any], np.ndarray]) -> RowError:
    """Of a mask: see `wrong_pixels`.

    Args:
        classes_of: Reads the class numbers `(h, w)` of a raw target, which may be a path.
    """

    def of(target: Any, prediction: Any) -> float:
        return wrong_pixels(classes_of(target), np.asarray(prediction))

    return RowError(name="fraction of wrong pixels", of=of, mean_suffix=_PER_IMAGE)


def unmatched_fraction(
    targets: Sequence[dict[str, Any]], predictions: Sequence[dict[str, Any]], iou: np.ndarray
) -> float:
    """1 - F1 of the objects of one image, paired where label and place agree; 0 where there is nothing in either.

    The most confident predictions choose first, each the free object of its label with the highest intersection over
    union, which must be at least 0.5. An ignored object is not a miss, and what overlaps it is not a false alarm.

    Args:
        targets: T objects.
        predictions: S objects, with a score or without.
        iou: `(T, S)` intersection over union.
    """
    counts = [not each.get("ignore") for each in targets]
    free = [True] * len(targets)
    pairs = alarms = 0
    for place in sorted(range(len(predictions)), key=lambda i: -float(predictions[i].get("score") or 0)):
        fits = [
            number
            for number, each in enumerate(targets)
            if iou[number, place] >= _MIN_IOU and label_of(each) == label_of(predictions[place])
        ]
        chosen = max((n for n in fits if counts[n] and free[n]), key=lambda n: iou[n, place], default=None)
        if chosen is not None:
            free[chosen] = False
            pairs += 1
        elif all(counts[number] for number in fits):
            alarms += 1
    misses = sum(counts) - pairs
    return 0.0 if not misses and not alarms else 1 - 2 * pairs / (2 * pairs + misses + alarms)


def _unmatched_boxes(target: Any, prediction: Any) -> float:
    there, found = (entries_of(value, "boxes", "box") for value in (target, prediction))
    return unmatched_fraction(there, found, box_iou([e["box"] for e in there], [e["box"] for e in found]))


def _unmatched_instances(target: Any, prediction: Any) -> float:
    there, found = (entries_of(value, "instances") for value in (target, prediction))
    size_px = size_of([*there, *found])
    masks = [[mask_of(each, size_px) for each in objects] for objects in (there, found)]
    return unmatched_fraction(there, found, mask_iou(*masks))


BOXES_F1 = RowError(name="1 - F1 of boxes", of=_unmatched_boxes, mean_suffix=_PER_IMAGE)
"""Of boxes in an image: see `unmatched_fraction`, by the overlap of boxes."""

INSTANCES_F1 = RowError(name="1 - F1 of masks", of=_unmatched_instances, mean_suffix=_PER_IMAGE)
"""Of instances in an image: see `unmatched_fraction`, by the overlap of masks."""


# --- values of two types ---------------------------------------------------------------------------------------------


def type_mismatch(targets: Sequence[Any], predictions: Sequence[Any]) -> str | None:
    """Why no prediction could ever equal its target: 3 is compared with "3". None where the types meet."""
    types = [{_type_of(value) for value in values if value is not None} for values in (targets, predictions)]
    if not types[0] or not types[1] or types[0] & types[1]:
        return None
    shown = [next(value for value in values if value is not None) for values in (targets, predictions)]
    return (
        f"the targets are {' or '.join(sorted(types[0]))} (such as {shown[0]!r}), but the predictions are "
        f"{' or '.join(sorted(types[1]))} (such as {shown[1]!r}), so none of them could ever be right. Make both "
        "values of one type."
    )


def plain(value: Any) -> Any:
    """A raw value without numpy, and tuples as lists: what a table holds."""
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, set | frozenset):
        return sorted(plain(part) for part in value)
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def _type_of(value: Any) -> str:
    value = plain(value)
    if isinstance(value, bool | int | float):
        return "numbers"
    return {"str": "texts", "list": "lists"}.get(type(value).__name__, type(value).__name__)
