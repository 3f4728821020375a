"""Annotations as they stand in a table: lists of dicts with a label and a box, a mask or points."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["are_numbers", "caption", "count_html", "described", "entries_of", "joined", "label_of", "shown"]

_SAID = 8  # errors of one value that are listed one by one


def entries_of(value: Any, what: str, bare: str | None = None) -> list[Any]:
    """The objects of a raw value: dicts without their missing (None) keys, anything else as it stands.

    Args:
        value: A list; data frames and arrays give their own kinds of it.
        what: "boxes" or "instances", for the message.
        bare: The key under which an object that is not a dict goes, if that is allowed.

    Raises:
        ValueError: no list.
    """
    if not isinstance(value, list | tuple | np.ndarray) or (isinstance(value, np.ndarray) and value.ndim == 0):
        raise ValueError(f"{shown(value)} is not a list of {what}; an image with nothing in it has []")
    found = []
    for each in value:
        if isinstance(each, dict):
            found.append({key: part for key, part in each.items() if part is not None})
        else:
            found.append({bare: each} if bare and isinstance(each, list | tuple | np.ndarray) else each)
    return found


def label_of(entry: dict[str, Any]) -> Any:
    """Its label; an object that has none is an "object"."""
    label = entry.get("label", "object")
    plain = label.item() if isinstance(label, np.generic) else label
    # Tables hold whole numbers among others as floats.
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def are_numbers(values: Any) -> bool:
    """Whether all of these are finite numbers."""
    return all(
        isinstance(each, int | float | np.integer | np.floating) and not isinstance(each, bool) and math.isfinite(each)
        for each in values
    )


def count_html(value: Any) -> str:
    """How many there are by label, most first, as a cell of an HTML table: "2 person, 1 car"."""
    if not isinstance(value, list | tuple | np.ndarray):
        return html.escape(shown(value))
    counts = Counter(str(label_of(each)) if isinstance(each, dict) else "object" for each in value)
    words = [f"{many} {label}" for label, many in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]
    return html.escape(", ".join(words) or "nothing")


def caption(entry: dict[str, Any]) -> str:
    """What is written on a drawn object: "cat", "cat 0.97"."""
    score = entry.get("score")
    return str(label_of(entry)) + ("" if score is None else f" {score:.2f}")


def described(entry: dict[str, Any]) -> dict[str, Any]:
    """Label, score, flag and box of an object for JSON, rounded to what means something."""
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
