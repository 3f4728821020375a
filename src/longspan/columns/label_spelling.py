"""Labels that are probably one and the same, spelled in two ways."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["describe_twins", "joined_labels", "spelling_twins"]

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?")
_SEPARATORS = re.compile(r"\s*[;,|/]\s*")


def spelling_twins(labels: Iterable[Any]) -> list[tuple[str, ...]]:
    """Groups of words that differ only in case, spaces, invisible characters, or how letters or numbers are written.

    Single letters may well be told by their case, as in handwriting, and are not listed for it.
    """
    groups: dict[str, list[str]] = {}
    for label in labels:
        if isinstance(label, str):
            plain = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", label)).split())
            number = f"{float(plain)!r} as a number" if _NUMBER.fullmatch(plain) else None
            groups.setdefault(number or (plain if len(plain) < 2 else plain.casefold()), []).append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def joined_labels(labels: Iterable[Any]) -> list[str]:
    """Labels made of other labels with a separator between them: "cat|dog" beside "cat" and "dog"."""
    words = [label for label in labels if isinstance(label, str)]
    known = set(words)
    found = []
    for word in words:
        parts = [part for part in _SEPARATORS.split(word) if part]
        if len(parts) > 1 and all(part in known for part in parts):
            found.append(word)
    return found


def describe_twins(groups: Sequence[tuple[str, ...]]) -> str:
    """The first few groups, in a form in which spaces and invisible characters can be seen."""
    shown = "; ".join(" and ".join(ascii(label) for label in group) for group in groups[:5])
    return shown + (f"; and {len(groups) - 5} more" if len(groups) > 5 else "")
