"""What boxes and instances share: a list of things in a picture, each a dict with a label."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from longspan.columns.category import Category, Label, label_fault, learn_vocab
from longspan.errors import DataError, nearest

__all__ = [
    "LEAST_LEFT",
    "LEAST_SIDE_PX",
    "are_numbers",
    "caption",
    "common_faults",
    "count_html",
    "described",
    "entries_of",
    "joined",
    "label_of",
    "learn_things",
    "shown",
]

LEAST_LEFT = 0.1
"""A thing that the frame cuts is dropped when less than this share of it is left."""
LEAST_SIDE_PX = 0.999
"""A thing is dropped when it is narrower or lower than a pixel of the frame (less what float32 may round away)."""

_SAID = 8  # faults of one value that are named one by one


def entries_of(value: Any, what: str, bare: str | None = None) -> list[Any]:
    """The things of a raw value: dicts without their missing (None) keys, anything else as it stands.

    Args:
        value: A list; data frames and arrays give their own kinds of it.
        what: "boxes" or "instances", for the message.
        bare: The key under which a thing that is no dict goes, if that is allowed.

    Raises:
        ValueError: no list.
    """
    if not isinstance(value, list | tuple | np.ndarray) or (isinstance(value, np.ndarray) and value.ndim == 0):
        raise ValueError(f"{shown(value)} is no list of {what}; a picture with nothing in it has []")
    found = []
    for each in value:
        if isinstance(each, dict):
            found.append({key: part for key, part in each.items() if part is not None})
        else:
            found.append({bare: each} if bare and isinstance(each, list | tuple | np.ndarray) else each)
    return found


def label_of(entry: dict[str, Any]) -> Any:
    """Its label; a thing that has none is an "object"."""
    label = entry.get("label", "object")
    plain = label.item() if isinstance(label, np.generic) else label
    # Tables hold whole numbers among others as floats.
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def common_faults(entry: Any, keys: Sequence[str], labels: Category) -> list[str]:
    """What is wrong with one thing, its place in the picture aside."""
    if not isinstance(entry, dict):
        return [f"{shown(entry)} is no dict with {' and '.join(map(repr, keys[:2]))}"]
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


def are_numbers(values: Any) -> bool:
    """Whether all of these are finite numbers."""
    return all(
        isinstance(each, int | float | np.integer | np.floating) and not isinstance(each, bool) and math.isfinite(each)
        for each in values
    )


def learn_things(
    owner: str, values: Iterable[Any], vocab: tuple[Label, ...], most: int | None
) -> tuple[tuple[Label, ...], int]:
    """Vocabulary and room for things, as given, or learnt from the raw values of training rows.

    Values that are no lists of things are passed over, since each is reported by its row when the rows are read.

    Raises:
        DataError: not one thing in all rows, and no vocabulary; or labels that are none.
    """
    many, labels = 0, []
    for value in values:
        things = value if isinstance(value, list | tuple | np.ndarray) else []
        many = max(many, len(things))
        labels += [
            label_of(each) if isinstance(each, dict) and each.get("label") is not None else "object" for each in things
        ]
    if not vocab:
        vocab = learn_vocab(labels)
        if not vocab:
            raise DataError(
                f"{owner} need at least one thing in the training rows, found none. Name the classes if this is meant: "
                f"{owner}(vocab=...)."
            )
    return vocab, most if most is not None else 2 * many + 8


def count_html(value: Any) -> str:
    """How many there are by label, most first, as a cell of an HTML table: "2 person, 1 car"."""
    if not isinstance(value, list | tuple | np.ndarray):
        return html.escape(shown(value))
    counts = Counter(str(label_of(each)) if isinstance(each, dict) else "object" for each in value)
    words = [f"{many} {label}" for label, many in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]
    return html.escape(", ".join(words) or "nothing")


def caption(entry: dict[str, Any]) -> str:
    """What is written on a drawn thing: "cat", "cat 0.97"."""
    score = entry.get("score")
    return str(label_of(entry)) + ("" if score is None else f" {score:.2f}")


def described(entry: dict[str, Any]) -> dict[str, Any]:
    """Label, score, flag and box of a thing for JSON, rounded to what means something."""
    about: dict[str, Any] = {"label": label_of(entry)}
    if entry.get("score") is not None:
        about["score"] = round(float(entry["score"]), 4)
    if entry.get("ignore"):
        about["ignore"] = True
    if entry.get("box") is not None:
        about["box"] = [round(float(each), 2) for each in entry["box"]]
    return about


def joined(faults: Sequence[str]) -> str:
    """All faults of a value in one line; the first ones by name if there are very many."""
    more = [f"and {len(faults) - _SAID} more"] if len(faults) > _SAID else []
    return "; ".join([*faults[:_SAID], *more])


def shown(value: Any) -> str:
    """A value in a message, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
