"""What boxes and instances share: a list of objects in an image, each a dict with a label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from longspan.columns.category import Category, Label, label_fault, learn_vocab
from longspan.errors import DataError, nearest
from longspan.vision.annotation_values import are_numbers, label_of, shown

__all__ = ["MIN_SIDE_PX", "MIN_VISIBLE_FRACTION", "common_faults", "learn_annotations"]

MIN_VISIBLE_FRACTION = 0.1
"""an object that the frame cuts is dropped when less than this fraction of it is left."""
MIN_SIDE_PX = 0.999
"""an object is dropped when it is narrower or lower than a pixel of the frame (less what float32 may round away)."""


def common_faults(entry: Any, keys: Sequence[str], labels: Category) -> list[str]:
    """What is wrong with one object, its place in the image aside."""
    if not isinstance(entry, dict):
        return [f"{shown(entry)} is not a dict with {' and '.join(map(repr, keys[:2]))}"]
    faults = []
    for key in entry:
        if key not in keys:
            near = nearest(str(key), keys)
            faults.append(f"unknown key {key!r}" + (f" (nearest: {near!r})" if near else f"; known: {', '.join(keys)}"))
    label = label_of(entry)
    fault = label_fault(label) or labels.check(label)
    if fault is not None:
        faults.append(fault)
    ignore = entry.get("ignore", False)
    if not isinstance(ignore, bool | np.bool_) and not (isinstance(ignore, int | np.integer) and ignore in (0, 1)):
        faults.append(f"'ignore' must be True or False, got {ignore!r}")
    if "score" in entry and not are_numbers([entry["score"]]):
        faults.append(f"'score' must be a finite number, got {entry['score']!r}")
    return faults


def learn_annotations(
    owner: str, values: Iterable[Any], vocab: tuple[Label, ...], most: int | None
) -> tuple[tuple[Label, ...], int]:
    """Vocabulary and room for objects, as given, or learned from the raw values of training rows.

    Values that are not lists are skipped here: each is reported with its row when the rows are read.

    Raises:
        DataError: not one object in all rows, and no vocabulary; or labels that are none.
    """
    many, labels = 0, []
    for value in values:
        entries = value if isinstance(value, list | tuple | np.ndarray) else []
        many = max(many, len(entries))
        labels += [
            label_of(each) if isinstance(each, dict) and each.get("label") is not None else "object" for each in entries
        ]
    if not vocab:
        vocab = learn_vocab(labels)
        if not vocab:
            raise DataError(
                f"{owner} need at least one object in the training rows, found none. Name the classes if this is "
                f"meant: {owner}(vocab=...)."
            )
    return vocab, most if most is not None else 2 * many + 8
